"""Recurrent cells as data: the blocks of their kernels and the rows of their bias."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """The layout of a recurrent cell's weights.

    Args:
        gates: names of the blocks of `units` columns in a kernel, left to right, in the
            order in which Keras stores them.
        num_biases: rows of the bias; 1 means a plain vector.
        has_kernel: whether `textgen.training.model.kernels` can train it on a CPU.
    """

    gates: tuple[str, ...]
    num_biases: int = 1
    has_kernel: bool = True


CELLS = {
    "lstm": Cell(("input", "forget", "cell", "output")),
    # In cuDNN's form, a GRU has one bias for its input and one for its state.
    "gru": Cell(("update", "reset", "candidate"), num_biases=2),
    "rnn": Cell(("hidden",), has_kernel=False),
}
"""Every cell, by its name in `ModelConfig.cell`."""
