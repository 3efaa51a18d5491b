"""Options for the network: `ModelConfig`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from textgen.config.fields import (
    check_at_least,
    check_at_most,
    check_fraction,
    check_types_and_choices,
    option,
)

MAX_SIZES = {
    # Unicode 17 assigns 297,334 characters; the rest is room for labels.
    "vocab_size": 2**19,
    "num_layers": 1000,
    "units": 2**16,
    "embedding_dim": 2**16,
}
"""Larger than any sensible model; a checkpoint that claims more is refused."""


@dataclass(frozen=True)
class ModelConfig:
    """A stacked recurrent network over characters.

    One layer of the stack computes `y = dropout(norm(cell(x)))`, and `x + y` where
    `residual` is set and both have the same width.

    Args:
        vocab_size: number of tokens; set from the tokenizer, so there is no flag for it.

    Raises:
        ConfigError: a value is out of range; see `MAX_SIZES` for the upper limits.

    >>> ModelConfig(vocab_size=65, units=256).num_parameters
    874881
    """

    vocab_size: int
    cell: str = option("lstm", "Recurrent cell.", ("lstm", "gru", "rnn"))
    num_layers: int = option(2, "Number of recurrent layers.")
    units: int = option(256, "Units in each recurrent layer.")
    embedding_dim: int = option(64, "Size of the character embeddings.")
    dropout: float = option(
        0.0, "Dropout rate of each layer's outputs; one mask for all time steps."
    )
    embedding_dropout: float = option(
        0.0, "Dropout rate of the character embeddings; one mask for all time steps."
    )
    recurrent_dropout: float = option(
        0.0, "Dropout rate of the recurrent state; one mask for all time steps (slower)."
    )
    tie_embeddings: bool = option(False, "Share the embeddings with the output layer.")
    layer_norm: bool = option(False, "Apply layer normalisation to each layer's outputs.")
    residual: bool = option(False, "Add each layer's input to its output.")
    weight_decay: float = option(0.0, "Decoupled weight decay (AdamW), matrices only.")
    l1: float = option(
        0.0, "L1 penalty on the matrices, in nats per unit of absolute weight."
    )

    def __post_init__(self) -> None:
        check_types_and_choices(self)
        check_at_least(self, 1, *MAX_SIZES)
        check_at_most(self, MAX_SIZES)
        check_fraction(self, "dropout", "embedding_dropout", "recurrent_dropout")
        check_at_least(self, 0, "weight_decay", "l1")

    @property
    def num_gates(self) -> int:
        """How many gate blocks lie side by side in a layer's kernel."""
        return len(GATES[self.cell])

    @property
    def has_kernel(self) -> bool:
        """Whether this package's kernels can train it, on a CPU."""
        return self.cell != "rnn" and not self.recurrent_dropout

    def layer_input_dim(self, layer: int) -> int:
        """Width of what recurrent layer number `layer` reads."""
        return self.embedding_dim if layer == 0 else self.units

    def is_residual(self, layer: int) -> bool:
        """Whether recurrent layer number `layer` adds its input to its output."""
        return self.residual and self.layer_input_dim(layer) == self.units

    @property
    def has_projection(self) -> bool:
        """Whether a matrix stands between the last layer and tied embeddings."""
        return self.tie_embeddings and self.units != self.embedding_dim

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight, in the order data passes them.

        The one description that the Keras model, the NumPy network and the
        checkpoint reader all follow. Gates lie side by side in Keras' order
        (`GATES`); `kernel` is `(inputs, gates * units)`.
        """
        shapes: dict[str, tuple[int, ...]] = {
            "embedding": (self.vocab_size, self.embedding_dim)
        }
        gate_width = self.num_gates * self.units
        for layer in range(self.num_layers):
            name = f"layers.{layer}"
            shapes[f"{name}.kernel"] = (self.layer_input_dim(layer), gate_width)
            shapes[f"{name}.recurrent_kernel"] = (self.units, gate_width)
            # A GRU in cuDNN's form has one bias for its input, one for its state.
            shapes[f"{name}.bias"] = (
                (2, gate_width) if self.cell == "gru" else (gate_width,)
            )
            if self.layer_norm:
                shapes[f"{name}.norm_scale"] = (self.units,)
                shapes[f"{name}.norm_offset"] = (self.units,)
        if self.has_projection:
            shapes["projection.kernel"] = (self.units, self.embedding_dim)
        if not self.tie_embeddings:
            shapes["output.kernel"] = (self.units, self.vocab_size)
        shapes["output.bias"] = (self.vocab_size,)
        return shapes

    @property
    def num_parameters(self) -> int:
        """How many numbers training adjusts."""
        return sum(math.prod(shape) for shape in self.weight_shapes().values())


GATES = {
    "lstm": ("input", "forget", "cell", "output"),
    "gru": ("update", "reset", "candidate"),
    "rnn": ("hidden",),
}
"""Names of the gate blocks inside a kernel, left to right."""
