"""The gated recurrent unit."""

from __future__ import annotations

import numpy as np

from textgen.generation.network.cells.base import CellWeights
from textgen.generation.network.layers.base import Floats


class GRU:
    """Gated recurrent unit (Cho et al. 2014), the reset gate after the product.

    This is the form that cuDNN and Keras compute; it needs a second bias d.

    z, r = sigmoid(x K + b + h R + d)     each with its own block of K, R, b and d
    g = tanh(x K + b + r * (h R + d))
    h <- z * h + (1 - z) * g
    """

    gate_scales: tuple[float, ...] = (0.5, 0.5, 1.0)

    def __init__(self, weights: CellWeights, memory: Floats) -> None:
        _, h = np.moveaxis(memory, -2, 0)
        self.project = weights.project
        self.two = 2 * h.shape[-1]
        recurrent = np.empty((*h.shape[:-1], 3 * h.shape[-1]), np.float32)
        zr, g = recurrent[..., : self.two], recurrent[..., self.two :]
        z, r = np.split(zr, 2, axis=-1)
        half = np.full_like(zr, 0.5)
        self.gates = recurrent
        kernel, bias = weights.recurrent_kernel, weights.recurrent_bias
        self.buffers: tuple[Floats, ...] = (kernel, bias, h, recurrent, zr, z, r, g, half)

    def step(self, projected: Floats) -> Floats:
        """One time step, from the input's part of the gates."""
        recurrent_kernel, bias, h, recurrent, zr, z, r, g, half = self.buffers
        h.dot(recurrent_kernel, recurrent)
        recurrent += bias
        zr += projected[..., : self.two]
        np.tanh(zr, zr)
        zr *= half
        zr += half
        g *= r
        g += projected[..., self.two :]
        np.tanh(g, g)
        # z * h + (1 - z) * g, with one product less.
        h -= g
        h *= z
        h += g
        return h

    def step_from(self, x: Floats) -> Floats:
        """One time step, from the input."""
        # The reset gate acts between the two products, so they stay apart.
        return self.step(self.project(x))
