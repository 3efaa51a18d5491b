"""Muon for recurrent cells, whose matrices hold one matrix for each gate."""

from __future__ import annotations

from typing import Any

from textgen.training.backend.loaded import keras

ops = keras.ops

NUM_ITERATIONS = 3
"""Newton-Schulz iterations: five teach no more, and take longer; see `benchmarks`."""


@keras.saving.register_keras_serializable("textgen")
class Muon(keras.optimizers.Muon):
    """Muon (Jordan 2024; Liu et al. 2025), gate by gate.

    The momentum of a matrix is replaced by the nearest orthogonal matrix, so that a step
    moves all directions by the same amount. Matrices of different gates have nothing to do
    with each other, so each is made orthogonal by itself. Embeddings, biases and the output
    layer are updated by AdamW.

    Args:
        learning_rate: as for AdamW: the updates of both are of about the same size.
        gate_width: columns that belong to one gate. A matrix whose columns are not a
            multiple of it counts as one gate.
        **options: as for Keras' Muon.

    >>> optimizer = Muon(0.1, gate_width=2, ns_steps=9)
    >>> update = optimizer.zeropower_via_newtonschulz5(
    ...     ops.convert_to_tensor([[3.0, 0.0, 0.2, 0.0], [0.0, 1.0, 0.0, -0.1]]), 9
    ... )
    >>> ops.convert_to_numpy(ops.sign(update))
    array([[ 1.,  0.,  1.,  0.],
           [ 0.,  1.,  0., -1.]], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float,
        gate_width: int,
        ns_steps: int = NUM_ITERATIONS,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, ns_steps=ns_steps, **options)
        self.gate_width = gate_width

    def num_gates(self, columns: int) -> int:
        """How many blocks of columns a matrix has."""
        return 1 if columns % self.gate_width else columns // self.gate_width

    def scale(self, rows: int, columns: int) -> float:
        """By how much an orthogonal block is as large as a usual update of Adam."""
        longest = max(rows, columns // self.num_gates(columns))
        return float(self.rms_rate * longest**0.5)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Make each block of `x`, `(rows, columns)`, orthogonal."""
        rows, columns = x.shape
        blocks = ops.reshape(x, (rows, self.num_gates(columns), -1))
        blocks = ops.transpose(blocks, (1, 0, 2))
        nearest = super().zeropower_via_newtonschulz5(blocks, steps)
        return ops.reshape(ops.transpose(nearest, (1, 0, 2)), (rows, columns))

    def lr_adjust(self, x: Any) -> Any:
        """Scale an update `(rows, columns)`; see `scale`."""
        return x * self.scale(*x.shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments to construct an equal optimizer."""
        return {**super().get_config(), "gate_width": self.gate_width}
