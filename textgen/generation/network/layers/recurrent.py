"""Recurrent layers with any cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from textgen.generation.network.cells.base import Cell, CellWeights
from textgen.generation.network.cells.coupled import CoupledLSTM
from textgen.generation.network.cells.gru import GRU
from textgen.generation.network.cells.lstm import LSTM
from textgen.generation.network.cells.rnn import RNN
from textgen.generation.network.layers.base import (
    BoundLayer,
    Floats,
    Outputs,
    Recorded,
    Weights,
)
from textgen.model import layers

CELLS: dict[str, type[Cell]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
    "coupled": CoupledLSTM,
}
"""The equations of every cell of `textgen.model.cells`."""


class Recurrent:
    """A recurrent layer."""

    def __init__(self, layer: layers.Recurrent, weights: Weights) -> None:
        self.cell = CELLS[layer.cell]
        self.room, self.state_size = layer.units, layer.state_size
        self.weights = CellWeights(layer.own(weights), self.cell.gate_scales)
        self.names = [layer.weight_name(name) for name in (*layer.gates, *layer.states)]

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Let the cell work in `memory`."""
        cell, project = self.cell_in(memory), self.weights.project
        fits = len(self.weights.kernel) == self.room
        return BoundLayer(
            step=cell.step_from if fits else lambda x: cell.step(project(x)),
            # All products with the input at once, then step by step.
            read=lambda x: _read(cell, project(x), self.room),
            trace=lambda x, recorded: self.trace(cell, memory, project(x), recorded),
        )

    def cell_in(self, memory: Floats) -> Cell:
        """The cell in a memory whose room is as wide as one of its vectors."""
        return self.cell(self.weights, memory.reshape(*memory.shape[:-1], -1, self.room))

    def trace(
        self, cell: Cell, memory: Floats, projected: Floats, recorded: Recorded
    ) -> Floats:
        """Step as `_read` does; the result is a view of what is recorded.

        Args:
            memory: in which the cell works, of one text.
            projected: `(time, gates * units)`, the input's part of the gates.
        """
        states = memory[self.room :]
        rows = np.empty((len(projected), len(cell.gates) + len(states)), np.float32)
        gates, carried = np.split(rows, [len(cell.gates)], axis=1)
        for time, row in enumerate(projected):
            cell.step(row)
            gates[time], carried[time] = cell.gates, states
        parts = np.split(rows, len(self.names), axis=1)
        recorded.update(zip(self.names, parts, strict=True))
        return carried[:, : self.room]


class LookedUp:
    """An embedding and the recurrent layer after it as one layer.

    An id selects a row of `embedding @ kernel + bias`, so the product with the input is a
    table look-up.

    Args:
        kept: names under which later layers read the output of the embedding.
    """

    def __init__(self, matrix: Floats, recurrent: Recurrent, kept: Sequence[str]) -> None:
        self.matrix, self.recurrent, self.kept = matrix, recurrent, kept
        self.table = recurrent.weights.project(matrix)
        self.room, self.state_size = recurrent.room, recurrent.state_size

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Let the cell work in `memory`."""
        cell, units = self.recurrent.cell_in(memory), self.room
        trace = self.recurrent.trace
        cell_step, table, matrix, kept = cell.step, self.table, self.matrix, self.kept

        def look_up(ids: Any) -> Any:
            for name in kept:
                outputs[name] = matrix[ids]
            return table[ids]

        return BoundLayer(
            step=lambda ids: cell_step(look_up(ids)),
            read=lambda ids: _read(cell, look_up(ids), units),
            trace=lambda ids, recorded: trace(cell, memory, look_up(ids), recorded),
        )


def _read(cell: Cell, projected: Floats, units: int) -> Floats:
    """Step through `(time, gates * units)`, the input's part of the gates."""
    outputs = np.empty((len(projected), units), np.float32)
    for time, row in enumerate(projected):
        outputs[time] = cell.step(row)
    return outputs
