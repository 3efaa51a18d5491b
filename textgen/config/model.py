"""The architecture that a person chooses: `ModelConfig`."""

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
    # Unicode 17 has assigned 297,334 characters; a token each, and labels.
    "vocab_size": 2**19,
    "num_layers": 1000,
    "units": 2**16,
    "embedding_dim": 2**16,
}
"""More than anyone trains; a checkpoint that says more is no checkpoint."""


@dataclass(frozen=True)
class ModelConfig:
    """A stacked recurrent network over characters.

    One layer of the stack computes `y = dropout(norm(cell(x)))`, and `x + y` where
    `residual` is set and both have the same width.

    Args:
        vocab_size: number of tokens; comes from the tokenizer, so it is no flag.

    Raises:
        ConfigError: a value out of its range; `MAX_SIZES` has the largest sizes.

    >>> ModelConfig(vocab_size=65, units=256).num_parameters
    874881
    """

    vocab_size: int
    cell: str = option("lstm", "Recurrent cell.", ("lstm", "gru", "rnn"))
    num_layers: int = option(2, "Recurrent layers.")
    units: int = option(256, "Width of each recurrent layer.")
    embedding_dim: int = option(64, "Width of a character's vector.")
    dropout: float = option(
        0.0, "Share of each layer's outputs dropped; one mask for all time steps."
    )
    embedding_dropout: float = option(
        0.0, "The same for the character vectors, before the first layer."
    )
    recurrent_dropout: float = option(
        0.0, "The same for the state a layer hands to its next step (slower)."
    )
    tie_embeddings: bool = option(
        False, "Use the character vectors as output weights, too."
    )
    layer_norm: bool = option(False, "Normalise each layer's outputs.")
    residual: bool = option(False, "Add each layer's input to its output.")
    weight_decay: float = option(
        0.0, "L2 decay of the matrices, apart from the gradient, as in AdamW."
    )
    l1: float = option(0.0, "L1 penalty on the matrices, in nats per unit of weight.")

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
