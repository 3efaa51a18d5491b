"""The simple recurrent network."""

from __future__ import annotations

import numpy as np

from textgen.generation.network.cells.base import CellWeights
from textgen.generation.network.cells.joined import JoinedCell
from textgen.generation.network.layers.base import Floats


class RNN(JoinedCell):
    """The simple recurrent network (Elman 1990).

    h <- tanh(x K + h R + b)
    """

    gate_scales: tuple[float, ...] = (1.0,)

    def __init__(self, weights: CellWeights, memory: Floats) -> None:
        super().__init__(weights, memory)
        self.gates = self.h

    def finish(self, rest: Floats) -> Floats:
        """The next h."""
        self.sums += rest
        return np.tanh(self.sums, self.h)
