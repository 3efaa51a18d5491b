"""Long short-term memory."""

from __future__ import annotations

import numpy as np

from textgen.generation.network.cells.base import CellWeights, joined
from textgen.generation.network.layers.base import Floats


class LSTM:
    """Long short-term memory (Hochreiter & Schmidhuber 1997; f: Gers et al. 2000).

    i, f, o = sigmoid(x K + h R + b)      each with its own block of K, R and b
    g = tanh(x K + h R + b)
    c <- f * c + i * g
    h <- o * tanh(c)
    """

    gate_scales: tuple[float, ...] = (0.5, 0.5, 1.0, 0.5)

    def __init__(self, weights: CellWeights, memory: Floats) -> None:
        self.x, h, c = np.moveaxis(memory, -2, 0)
        self.joined = joined(memory)
        self.both_kernels, self.bias = weights.both_kernels, weights.bias
        gates = np.empty((*h.shape[:-1], 4 * h.shape[-1]), np.float32)
        i, f, g, o = np.split(gates, 4, axis=-1)
        # Spread to full size: NumPy adds equal shapes fastest.
        scale = np.broadcast_to(weights.scales, gates.shape).copy()
        self.recurrent_kernel, self.h, self.gates = weights.recurrent_kernel, h, gates
        self.buffers: tuple[Floats, ...] = (h, c, gates, i, f, g, o, scale, 1 - scale)

    def step(self, projected: Floats) -> Floats:
        """One time step, from the input's part of the gates."""
        self.h.dot(self.recurrent_kernel, self.gates)
        return self._finish(projected)

    def step_from(self, x: Floats) -> Floats:
        """One time step, from the input."""
        self.x[...] = x
        self.joined.dot(self.both_kernels, self.gates)
        return self._finish(self.bias)

    def _finish(self, rest: Floats) -> Floats:
        h, c, gates, i, f, g, o, scale, shift = self.buffers
        gates += rest
        np.tanh(gates, gates)
        gates *= scale
        gates += shift
        c *= f
        # In h, which is no longer needed: all gates stay as they are, to be traced.
        np.multiply(i, g, h)
        c += h
        np.tanh(c, h)
        h *= o
        return h
