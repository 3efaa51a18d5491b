"""Recurrent cells as data: the blocks of their kernels and the rows of their bias."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """The layout of a recurrent cell's weights.

    Args:
        gates: names of the blocks of `units` columns in a kernel, left to right, in the
            order in which Keras stores them.
        title: what people call it.
        states: names of the vectors of `units` numbers that it carries; h is its output.
        num_biases: rows of the bias; 1 means a plain vector.
        kernel: the cell whose equations in `textgen.training.model.kernels` train it on a
            CPU; None if it runs through Keras' own loop.
    """

    gates: tuple[str, ...]
    title: str
    states: tuple[str, ...] = ("h",)
    num_biases: int = 1
    kernel: str | None = None


CELLS = {
    "lstm": Cell(("input", "forget", "cell", "output"), "LSTM", ("h", "c"), kernel="lstm"),
    # In cuDNN's form, a GRU has one bias for its input and one for its state.
    "gru": Cell(("update", "reset", "candidate"), "GRU", num_biases=2, kernel="gru"),
    "rnn": Cell(("hidden",), "RNN"),
    # An LSTM's kernel computes it: 1 - forget gate is a gate with negated weights.
    "coupled": Cell(
        ("forget", "cell", "output"), "Coupled LSTM", ("h", "c"), kernel="lstm"
    ),
}
"""Every cell, by its name in `ModelConfig.cell`."""
