"""Muon for recurrent cells, whose matrices hold one matrix for each gate, in blocks."""

from __future__ import annotations

from typing import Any

from textgen.errors import ConfigError
from textgen.training.backend.loaded import keras

ops = keras.ops

NUM_ITERATIONS, MOST_ITERATIONS = 3, 6
"""Newton-Schulz iterations: five teach no more, and take longer; see `benchmarks`."""

LEAST_WIDTH, MOST_WIDTH = 32, 64
"""Columns of a block: 64 teach more than a whole gate does, in a quarter of the time."""


def block_width(units: int) -> int:
    """The columns of a block of a cell with this many units, which no two gates share.

    >>> [block_width(units) for units in (512, 100, 24, 131)]
    [64, 50, 24, 131]
    """
    widths = range(MOST_WIDTH, LEAST_WIDTH - 1, -1)
    return next((width for width in widths if units % width == 0), units)


@keras.saving.register_keras_serializable("textgen")
class Muon(keras.optimizers.Muon):
    """Muon (Jordan 2024; Liu et al. 2025), block by block.

    The momentum of a matrix is replaced by the nearest orthogonal matrix, so that a step
    moves all directions by the same amount. Matrices of different gates have nothing to do
    with each other, and those of few units at a time are found sooner, so each block of
    columns is made orthogonal by itself. Embeddings, biases and the output layer are
    updated by AdamW.

    Args:
        learning_rate: as for AdamW: the updates of both are of about the same size.
        block_width: columns of a block. A matrix whose columns are not a multiple of it is
            one block.
        ns_steps: iterations, from 1 to `MOST_ITERATIONS`.
        **options: as for Keras' Muon.

    Raises:
        ConfigError: `ns_steps` is out of its range.

    >>> optimizer = Muon(0.1, block_width=2, ns_steps=6)
    >>> update = optimizer.zeropower_via_newtonschulz5(
    ...     ops.convert_to_tensor([[3.0, 0.0, 0.2, 0.0], [0.0, 1.0, 0.0, -0.1]]), 6
    ... )
    >>> ops.convert_to_numpy(ops.sign(update))
    array([[ 1.,  0.,  1.,  0.],
           [ 0.,  1.,  0., -1.]], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float,
        block_width: int,
        ns_steps: int = NUM_ITERATIONS,
        **options: Any,
    ) -> None:
        if not 1 <= ns_steps <= MOST_ITERATIONS:
            raise ConfigError(f"ns_steps={ns_steps} must be from 1 to {MOST_ITERATIONS}.")
        super().__init__(learning_rate=learning_rate, ns_steps=ns_steps, **options)
        self.block_width = block_width

    def num_blocks(self, columns: int) -> int:
        """How many blocks of columns a matrix has."""
        return 1 if columns % self.block_width else columns // self.block_width

    def scale(self, *sides: int) -> float:
        """By how much an orthogonal block is as large as a usual update of Adam."""
        return float(self.rms_rate * max(sides) ** 0.5)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Make each block of `x`, `(rows, columns)`, orthogonal."""
        rows, columns = x.shape
        blocks = ops.reshape(x, (rows, self.num_blocks(columns), -1))
        is_wide = blocks.shape[2] > rows
        order, back = ((1, 0, 2), (1, 0, 2)) if is_wide else ((1, 2, 0), (2, 0, 1))
        blocks = ops.transpose(blocks, order)
        gram = blocks @ ops.transpose(blocks, (0, 2, 1))
        nearest = self.orthogonalizing_factor(gram, steps) @ blocks
        return ops.reshape(ops.transpose(nearest, back), (rows, columns))

    def orthogonalizing_factor(self, gram: Any, steps: int) -> Any:
        """The factors that make matrices orthogonal, from their Gram matrices.

        Each step of Newton-Schulz multiplies a matrix X by a polynomial of X Xᵀ. So the
        steps can be taken with the small Gram matrices alone, and X is multiplied once.
        What is lost by rounding grows twelvefold with each step, which is harmless for
        `MOST_ITERATIONS`.

        Args:
            gram: `(blocks, n, n)`, the products X Xᵀ.

        Returns:
            `(blocks, n, n)`.
        """
        a, b, c = self.muon_a, self.muon_b, self.muon_c
        norm = ops.sqrt(ops.trace(gram, axis1=1, axis2=2))[:, None, None] + 1e-7
        one = ops.eye(gram.shape[1], dtype=gram.dtype)
        gram = gram / norm**2
        product = last = a * one + b * gram + c * (gram @ gram)
        for _ in range(steps - 1):
            gram = last @ gram @ last
            last = a * one + b * gram + c * (gram @ gram)
            product = last @ product
        return product / norm

    def lr_adjust(self, x: Any) -> Any:
        """Scale an update `(rows, columns)`; see `scale`."""
        rows, columns = x.shape
        return x * self.scale(rows, columns // self.num_blocks(columns))

    def get_config(self) -> dict[str, Any]:
        """The arguments to construct an equal optimizer."""
        return {**super().get_config(), "block_width": self.block_width}
