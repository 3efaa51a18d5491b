"""The simple recurrent network."""

from __future__ import annotations

import numpy as np

from textgen.generation.network.cells.base import CellWeights, joined
from textgen.generation.network.layers.base import Floats


class RNN:
    """The simple recurrent network (Elman 1990).

    h <- tanh(x K + h R + b)
    """

    gate_scales: tuple[float, ...] = (1.0,)

    def __init__(self, weights: CellWeights, memory: Floats) -> None:
        self.x, self.h = np.moveaxis(memory, -2, 0)
        self.gates = self.h
        self.joined = joined(memory)
        self.sums = np.empty_like(self.h)
        self.weights = weights

    def step(self, projected: Floats) -> Floats:
        """One time step, from the input's part of the sums."""
        self.h.dot(self.weights.recurrent_kernel, self.sums)
        return self._finish(projected)

    def step_from(self, x: Floats) -> Floats:
        """One time step, from the input."""
        self.x[...] = x
        self.joined.dot(self.weights.both_kernels, self.sums)
        return self._finish(self.weights.bias)

    def _finish(self, rest: Floats) -> Floats:
        self.sums += rest
        return np.tanh(self.sums, self.h)
