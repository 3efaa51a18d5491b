"""Recurrent layers that drop a part of their weights in every step of training.

Dropout of the state takes another mask for each lane, for which the kernels would have to
stop at every time step. Of the weights, one mask holds for a whole call: the kernels read
the matrix that is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from textgen.training.backend.loaded import keras

ops = keras.ops

LEVELS = 256
"""What a random byte decides about a weight; to draw a number for each takes as long as the
products with the matrix."""


class DropsWeights:
    """Mix-in for a `keras.layers.RNN`: weight drop (Merity et al. 2018).

    Args:
        weight_drop: share of the recurrent kernel that is left out in training; the rest is
            scaled up in turn. All lanes and time steps of a call have the same mask.
    """

    def __init__(self: Any, *args: Any, weight_drop: float = 0.0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.weight_drop = weight_drop

    def get_config(self: Any) -> dict[str, Any]:
        """The arguments to construct an equal layer."""
        return {**super().get_config(), "weight_drop": self.weight_drop}  # type: ignore[misc]

    @contextmanager
    def dropped_weights(self: Any, training: bool) -> Iterator[None]:
        """Within the block, the cell has the recurrent kernel that is left."""
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
    """A matrix of the same mean, of whose numbers a share is 0.

    Args:
        weight: a variable or tensor with two axes.
        rate: the share, rounded to 1/256.
        seed: a `keras.random.SeedGenerator`.
    """
    rows, columns = weight.shape
    num_words = -(-rows * columns // 4)
    words = keras.random.randint((num_words,), -(2**31), 2**31 - 1, "int32", seed)
    draws = ops.view(words, "uint8")[: rows * columns]
    # The order in memory in which PyTorch's LSTM reads a matrix.
    draws = ops.transpose(ops.reshape(draws, (columns, rows)))
    least = round(rate * LEVELS)
    factors = ops.cast(draws >= least, weight.dtype) * (LEVELS / (LEVELS - least))
    return ops.convert_to_tensor(weight) * factors
