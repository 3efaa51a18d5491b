"""Recurrent layers that drop a part of their weights in every step of training.

Dropout of the state takes another mask for each lane, for which the kernels would have to
stop at every time step. Of the weights, one mask holds for a whole call: the kernels read
the matrix that is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from textgen.errors import ConfigError
from textgen.training.backend.loaded import keras

ops = keras.ops

LEVELS = 256
"""Values of a random byte. One byte decides about each weight, since to draw a float for
each takes as long as the products with the matrix."""


class DropsWeights:
    """Mix-in for a `keras.layers.RNN`: weight drop (Merity et al. 2018), or DropConnect.

    Args:
        weight_drop: share of the recurrent kernel that is set to zero in training; the rest
            is scaled up in turn. All lanes and time steps of a call have the same mask.

    Raises:
        ConfigError: the share is out of range.
    """

    def __init__(self: Any, *args: Any, weight_drop: float = 0.0, **options: Any) -> None:
        super().__init__(*args, **options)
        if not 0 <= weight_drop < 1:
            raise ConfigError(
                f"weight_drop={weight_drop!r} must be at least 0 and below 1."
            )
        self.weight_drop = weight_drop

    def get_config(self: Any) -> dict[str, Any]:
        """The arguments to construct an equal layer."""
        return {**super().get_config(), "weight_drop": self.weight_drop}  # type: ignore[misc]

    @contextmanager
    def dropped_weights(self: Any, training: bool) -> Iterator[None]:
        """Within the block, the cell has the recurrent kernel that is left.

        A new mask is drawn for each block, from the cell's seed generator.

        Args:
            training: whether anything is dropped.
        """
        if not (training and self.weight_drop):
            yield
            return
        cell = self.cell
        whole = cell.recurrent_kernel
        # Keras would track what it is told to set.
        vars(cell)["recurrent_kernel"] = dropped(
            whole, self.weight_drop, cell.seed_generator
        )
        try:
            yield
        finally:
            vars(cell)["recurrent_kernel"] = whole


def dropped(weight: Any, rate: float, seed: Any) -> Any:
    """A matrix with random numbers set to zero, and the rest scaled up.

    Args:
        weight: a variable or tensor of shape `(rows, columns)`.
        rate: the share of zeros, above 0 and below 1; rounded to 1/256.
        seed: a `keras.random.SeedGenerator`.

    Returns:
        a tensor of the same shape and type, whose expected value is `weight`.
    """
    rows, columns = weight.shape
    num_words = -(-rows * columns // 4)
    # The upper limit is left out, and has to be an int32, too.
    words = keras.random.randint((num_words,), -(2**31), 2**31 - 1, "int32", seed)
    draws = ops.view(words, "uint8")[: rows * columns]
    # The order in memory in which PyTorch's LSTM reads a matrix.
    draws = ops.transpose(ops.reshape(draws, (columns, rows)))
    least = min(max(round(rate * LEVELS), 1), LEVELS - 1)
    factors = ops.cast(draws >= least, weight.dtype) * (LEVELS / (LEVELS - least))
    return ops.convert_to_tensor(weight) * factors
