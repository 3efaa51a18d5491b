"""Long short-term memory with coupled gates."""

from __future__ import annotations

import numpy as np

from textgen.generation.network.cells.lstm import LSTM
from textgen.generation.network.layers.base import Floats


class CoupledLSTM(LSTM):
    """An LSTM whose input gate is 1 - forget gate (Greff et al. 2017, "CIFG").

    f, o = sigmoid(x K + h R + b)         each with its own block of K, R and b
    g = tanh(x K + h R + b)
    c <- f * c + (1 - f) * g
    h <- o * tanh(c)
    """

    gate_scales: tuple[float, ...] = (0.5, 1.0, 0.5)

    def update(self) -> Floats:
        """The next c and h, from the gates."""
        h, c = self.h, self.c
        f, g, o = self.blocks
        # f * c + (1 - f) * g, with one product less.
        c -= g
        c *= f
        c += g
        np.tanh(c, h)
        h *= o
        return h
