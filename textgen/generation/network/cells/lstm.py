"""Long short-term memory."""

from __future__ import annotations

import numpy as np

from textgen.generation.network.cells.base import CellWeights
from textgen.generation.network.cells.joined import JoinedCell
from textgen.generation.network.layers.base import Floats


class LSTM(JoinedCell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; f: Gers et al. 2000).

    i, f, o = sigmoid(x K + h R + b)      each with its own block of K, R and b
    g = tanh(x K + h R + b)
    c <- f * c + i * g
    h <- o * tanh(c)
    """

    gate_scales: tuple[float, ...] = (0.5, 0.5, 1.0, 0.5)

    def __init__(self, weights: CellWeights, memory: Floats) -> None:
        super().__init__(weights, memory)
        self.c, self.gates = memory[..., 2, :], self.sums
        self.blocks = np.split(self.gates, len(self.gate_scales), axis=-1)
        # Spread to full size: NumPy adds equal shapes fastest.
        self.scale = np.broadcast_to(weights.scales, self.gates.shape).copy()
        self.shift = 1 - self.scale

    def finish(self, rest: Floats) -> Floats:
        """The gates and the next state."""
        gates = self.gates
        gates += rest
        np.tanh(gates, gates)
        gates *= self.scale
        gates += self.shift
        return self.update()

    def update(self) -> Floats:
        """The next c and h, from the gates."""
        h, c = self.h, self.c
        i, f, g, o = self.blocks
        c *= f
        # In h, which is no longer needed: all gates stay as they are, to be traced.
        np.multiply(i, g, h)
        c += h
        np.tanh(c, h)
        h *= o
        return h
