"""Options for the network: `ModelConfig`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textgen.config.fields import (
    check_at_least,
    check_at_most,
    check_fraction,
    check_types_and_choices,
    option,
)
from textgen.config.sizes import DECAY_FOR_MANY, MOST_DECAY, MOST_DROP
from textgen.errors import ConfigError
from textgen.model.cells import CELLS

if TYPE_CHECKING:
    from textgen.model.layers import Shape

MAX_SIZES = {
    # Unicode 17 assigns 297,334 characters; the rest is room for labels.
    "vocab_size": 2**19,
    "num_layers": 1000,
    "units": 2**16,
    "embedding_dim": 2**16,
    "conv": 2**10,
    "attention": 2**20,
}
"""Larger than any sensible model; a checkpoint that claims more is refused."""

WINDOWS = {"conv": "the convolution sees", "attention": "attention sees"}
"""Options that count characters, with what they are for; 0 leaves it out."""


@dataclass(frozen=True)
class ModelConfig:
    """A stacked recurrent network over characters.

    With `conv`, each embedding becomes `x + relu(convolution(x))`, and with `attention`
    each output of the first layer `y + attention(y)`.
    One layer of the stack computes `y = dropout(norm(cell(x)))`, and `x + y` where
    `residual` is set and both have the same width. The logits are a linear function of the
    last layer's `y`, or of the sum over all layers with `sum_layers`.

    Args:
        vocab_size: number of tokens; set from the tokenizer, so there is no flag for it.

    Raises:
        ConfigError: a value is out of range; see `MAX_SIZES` for the upper limits.

    >>> ModelConfig(vocab_size=65, units=256).num_parameters
    874881
    """

    vocab_size: int
    cell: str = option(
        "lstm",
        "Recurrent cell; coupled: an LSTM whose input gate is 1 - forget gate.",
        tuple(CELLS),
    )
    num_layers: int = option(2, "Number of recurrent layers.", flag_default="by --size")
    units: int = option(256, "Units in each recurrent layer.", flag_default="by --size")
    embedding_dim: int = option(64, "Size of the character embeddings.")
    dropout: float = option(
        0.0,
        "Dropout rate of each layer's outputs; one mask for all time steps.",
        flag_default="by --size",
    )
    embedding_dropout: float = option(
        0.0, "Dropout rate of the character embeddings; one mask for all time steps."
    )
    recurrent_dropout: float = option(
        0.0, "Dropout rate of the recurrent state; one mask for all time steps (slower)."
    )
    weight_drop: float = option(
        0.0,
        "Share of the recurrent weights set to zero in training, drawn anew in each step, "
        "one mask for all lanes and time steps (DropConnect; Merity et al. 2018).",
        flag_default=f"0; up to {MOST_DROP} where the text would be memorised",
    )
    tie_embeddings: bool = option(False, "Share the embeddings with the output layer.")
    layer_norm: bool = option(False, "Apply layer normalisation to each layer's outputs.")
    residual: bool = option(False, "Add each layer's input to its output.")
    sum_layers: bool = option(
        False,
        "Predict from the sum of all layers' outputs (Graves 2013), not from the last.",
        flag_default="by --size",
    )
    conv: int = option(
        0,
        "Characters that a causal convolution over the embeddings sees; 0 leaves it out.",
    )
    attention: int = option(
        0,
        "Characters that attention after the first layer sees, with one head; 0 leaves it "
        "out.",
    )
    weight_decay: float = option(
        0.0,
        "Decoupled weight decay of the matrices; with muon, of the hidden ones.",
        flag_default=f"0; up to {MOST_DECAY} for muon, the more the shorter the text; "
        f"{DECAY_FOR_MANY} for little text of many different characters",
    )
    l1: float = option(
        0.0, "L1 penalty on the matrices, in nats per unit of absolute weight."
    )

    def __post_init__(self) -> None:
        check_types_and_choices(self)
        check_at_least(self, 1, *(name for name in MAX_SIZES if name not in WINDOWS))
        check_at_most(self, MAX_SIZES)
        check_fraction(
            self, "dropout", "embedding_dropout", "recurrent_dropout", "weight_drop"
        )
        check_at_least(self, 0, "weight_decay", "l1")
        for name, sees in WINDOWS.items():
            self._check_window(name, sees)

    def _check_window(self, name: str, sees: str) -> None:
        """Refuse a window of the present character alone."""
        if (size := getattr(self, name)) < 2 and size:
            raise ConfigError(
                f"{name}={size} must be 0, which leaves it out, or at least 2: {sees} the "
                "present character and those before it."
            )

    @property
    def has_kernel(self) -> bool:
        """Whether this package's kernels can train it on a CPU."""
        # Imported late: `--help` and the checks of options need no layers.
        from textgen.model.architecture import recurrent_layers

        return all(layer.has_kernel for layer in recurrent_layers(self))

    @property
    def num_parameters(self) -> int:
        """How many numbers training adjusts."""
        return sum(math.prod(shape) for shape in self.weight_shapes().values())

    def weight_shapes(self) -> dict[str, Shape]:
        """Name and shape of every weight, in the order in which data passes them.

        >>> shapes = ModelConfig(2, num_layers=1, units=8, embedding_dim=4).weight_shapes()
        >>> shapes["layers.0.kernel"], list(shapes)[-2:]
        ((4, 32), ['output.kernel', 'output.bias'])
        """
        from textgen.model.architecture import weight_shapes

        return weight_shapes(self)
