"""What cells share whose sums are one product with the input and the last output."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from textgen.generation.network.cells.base import CellWeights
from textgen.generation.network.layers.base import Floats


class JoinedCell(ABC):
    """A cell that computes `x K + h R + b` and goes on from there.

    A layer's input and its h are adjacent in memory, as are the two kernels: one product
    takes the place of two.

    Args:
        weights, memory: see `Cell`.
    """

    def __init__(self, weights: CellWeights, memory: Floats) -> None:
        self.x, self.h = memory[..., 0, :], memory[..., 1, :]
        self.joined = memory[..., :2, :].reshape(*memory.shape[:-2], -1)
        self.sums = np.empty((*self.h.shape[:-1], len(weights.bias)), np.float32)
        self.both_kernels, self.bias = weights.both_kernels, weights.bias
        self.recurrent_kernel = weights.recurrent_kernel

    def step(self, projected: Floats) -> Floats:
        """One time step, from the input's part of the sums."""
        self.h.dot(self.recurrent_kernel, self.sums)
        return self.finish(projected)

    def step_from(self, x: Floats) -> Floats:
        """One time step, from the input."""
        self.x[...] = x
        self.joined.dot(self.both_kernels, self.sums)
        return self.finish(self.bias)

    @abstractmethod
    def finish(self, rest: Floats) -> Floats:
        """Add what the sums lack, and compute the next state; returns h."""
