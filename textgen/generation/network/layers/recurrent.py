"""Recurrent layers, whatever their cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from textgen.generation.network.cells.base import Cell, CellWeights
from textgen.generation.network.cells.gru import GRU
from textgen.generation.network.cells.lstm import LSTM
from textgen.generation.network.cells.rnn import RNN
from textgen.generation.network.layers.base import BoundLayer, Floats, Outputs
from textgen.model import layers

CELLS: dict[str, type[Cell]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
"""The equations of every cell of `textgen.model.cells`."""

MAX_TABLE_BYTES = 32 * 2**20
"""Size up to which the products of the first layer's input are computed in advance."""


class Recurrent:
    """A recurrent layer."""

    def __init__(
        self, description: layers.Recurrent, weights: Mapping[str, Floats], *, copy: bool
    ) -> None:
        self.cell = CELLS[description.cell]
        self.num_vectors = self.cell.num_vectors
        self.units = description.units
        self.weights = CellWeights(
            description.own(weights), self.cell.gate_scales, copy=copy
        )

    def bind(self, memory: Floats, outputs: Outputs) -> BoundRecurrent:
        """Let the cell work in `memory`."""
        return BoundRecurrent(self, memory)


class BoundRecurrent:
    """A recurrent layer at work."""

    def __init__(self, layer: Recurrent, memory: Floats) -> None:
        self.cell = layer.cell(layer.weights, memory)
        self.project, self.units = layer.weights.project, layer.units
        # The slot for the input is as wide as the state.
        fits = len(layer.weights.kernel) == layer.units
        self.step = self.cell.step_from if fits else self._step

    def _step(self, x: Any) -> Any:
        return self.cell.step(self.project(x))

    def read(self, x: Any) -> Any:
        """All products with the input at once, then step by step."""
        return self.read_projected(self.project(x))

    def read_projected(self, projected: Floats) -> Floats:
        """The same from `project(x)`."""
        outputs = np.empty((len(projected), self.units), np.float32)
        for time, row in enumerate(projected):
            outputs[time] = self.cell.step(row)
        return outputs


class LookedUp:
    """An embedding and the recurrent layer behind it, as one.

    An id selects a row of `embedding @ kernel + bias`, so the product with the input is a
    table look-up.
    """

    def __init__(self, matrix: Floats, recurrent: Recurrent) -> None:
        self.table = recurrent.weights.project(matrix)
        self.recurrent = recurrent
        self.num_vectors, self.units = recurrent.num_vectors, recurrent.units

    @staticmethod
    def is_worthwhile(matrix: Floats, recurrent: Recurrent) -> bool:
        """Whether the table is small enough; a very large vocabulary costs too much."""
        return len(matrix) * recurrent.weights.bias.nbytes <= MAX_TABLE_BYTES

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Let the cell work in `memory`."""
        return _BoundLookedUp(self.table, self.recurrent.bind(memory, outputs))


class _BoundLookedUp:
    def __init__(self, table: Floats, recurrent: BoundRecurrent) -> None:
        self.table, self.recurrent = table, recurrent
        self.cell_step = recurrent.cell.step

    def step(self, x: Any) -> Any:
        return self.cell_step(self.table[x])

    def read(self, x: Any) -> Any:
        return self.recurrent.read_projected(self.table[x])
