"""The causal convolution over the embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from textgen.generation.network.layers.base import (
    BoundLayer,
    Floats,
    Outputs,
    Weights,
    traced_output,
)
from textgen.model import layers


class Convolution:
    """A causal convolution that is added to its input, as in a CNN-LSTM.

    y = x + relu([x, the x before, the x before that, ...] K + b)
    """

    def __init__(self, layer: layers.Convolution, weights: Weights) -> None:
        own = layer.own(weights)
        self.kernel, self.bias = own["kernel"], own["bias"]
        self.room, self.size, self.state_size = layer.width, layer.size, layer.state_size
        self.name = layer.weight_name("output")

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Keep the last inputs in `memory`, the present one first."""
        width, kernel, bias = self.room, self.kernel, self.bias
        present, before = memory[..., :width], memory[..., width:]
        not_oldest = memory[..., :-width]

        def step(x: Any) -> Any:
            present[...] = x
            y = memory.dot(kernel)
            # NumPy copies what overlaps.
            before[...] = not_oldest
            return _added(x, y, bias)

        def read(x: Any) -> Any:
            # From the oldest to the newest.
            seen = np.concatenate([before.reshape(-1, width)[::-1], x])
            before[...] = seen[: -self.size : -1].ravel()
            shifted = [seen[-len(x) - age : len(seen) - age] for age in range(self.size)]
            return _added(x, np.concatenate(shifted, axis=1).dot(kernel), bias)

        return BoundLayer(step=step, read=read, trace=traced_output(self.name, read))


def _added(x: Floats, y: Floats, bias: Floats) -> Floats:
    y += bias
    np.maximum(y, 0, out=y)
    y += x
    return y
