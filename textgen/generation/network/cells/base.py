"""The interface of a recurrent cell, and the weights it works with."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from textgen.generation.network.layers.base import Floats


class CellWeights:
    """The weights of a recurrent layer, arranged for speed.

    `sigmoid(a) = tanh(a / 2) / 2 + 1 / 2`: the inner half is folded into the weights of
    the sigmoid gates, and one `tanh` then serves all gates at once.

    Args:
        own: `kernel`, `recurrent_kernel` and `bias`; scaled in place.
        gate_scales: for each gate 1/2 if a sigmoid follows, 1 if a tanh follows.
    """

    def __init__(self, own: dict[str, Floats], gate_scales: tuple[float, ...]) -> None:
        kernel, recurrent_kernel, bias = own["kernel"], own["recurrent_kernel"], own["bias"]
        self.scales = np.repeat(np.array(gate_scales, np.float32), len(recurrent_kernel))
        self.both_kernels = _stacked(kernel, recurrent_kernel)
        self.both_kernels *= self.scales
        self._num_inputs = len(kernel)
        bias *= self.scales
        # A GRU has a second bias, which its cell adds.
        biases = np.atleast_2d(bias)
        self.bias, self.recurrent_bias = biases[0], biases[-1]

    # Views that are made when needed: a copy or a pickle would hold their numbers twice.

    @property
    def kernel(self) -> Floats:
        """`(inputs, gates * units)`"""
        return self.both_kernels[: self._num_inputs]

    @property
    def recurrent_kernel(self) -> Floats:
        """`(units, gates * units)`"""
        return self.both_kernels[self._num_inputs :]

    def project(self, x: Floats) -> Floats:
        """The input's part of the gates: `(..., inputs)` to `(..., gates * units)`."""
        projected: Floats = x.dot(self.kernel)
        projected += self.bias
        return projected


def _stacked(kernel: Floats, recurrent_kernel: Floats) -> Floats:
    """`(inputs + units, gates * units)`, without a copy if they are stacked already."""
    whole, rows = kernel.base, len(kernel)
    if whole is not None and whole is recurrent_kernel.base:
        upper, lower = whole[:rows], whole[rows:]
        pairs = (kernel, upper), (recurrent_kernel, lower)
        # The same numbers in the same memory.
        if all(a.__array_interface__ == b.__array_interface__ for a, b in pairs):
            return whole
    return np.concatenate([kernel, recurrent_kernel])


class Cell(Protocol):
    """A recurrent cell, bound to the buffers of one thread."""

    gate_scales: tuple[float, ...]
    """See `CellWeights`; in the order of `textgen.model.cells`."""

    gates: Floats
    """`(..., gates * units)`: the gates of the last step, which the next one overwrites."""

    def __init__(self, weights: CellWeights, memory: Floats) -> None:
        """`memory` is `(..., 1 + num_states, units)`: input, h, any others."""

    def step(self, projected: Floats) -> Floats:
        """Advance `memory` by one character; the result is a view of its h."""

    def step_from(self, x: Floats) -> Floats:
        """The same from an input as wide as the layer, before its projection."""
