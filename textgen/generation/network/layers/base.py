"""What the network asks of a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Weights: TypeAlias = Mapping[str, Floats]
"""All weights of a network, by their names in a checkpoint."""
Ids: TypeAlias = Sequence[int] | NDArray[Any]
State: TypeAlias = Floats
"""What a network remembers: `(num_layers, vectors, batch, units)`.

A GRU and an RNN have one vector per layer, their output h; an LSTM has two, h and c.
"""
Outputs: TypeAlias = dict[str, Floats]
"""Outputs of layers, by the names under which later layers read them."""


class BoundLayer(NamedTuple):
    """A layer at work in the buffers of one thread and batch size.

    Args:
        step: one time step, `(batch, inputs)` to `(batch, outputs)`. At batch size 1
            these are plain vectors, whose products cost less.
        read: many time steps of one text, `(time, inputs)` to `(time, outputs)`.
    """

    step: Callable[[Any], Any]
    read: Callable[[Any], Any]


class Layer(Protocol):
    """The weights of a layer, which all threads share."""

    num_vectors: int
    """State vectors that it carries from step to step; 0 for none."""

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Combine the weights with buffers.

        Args:
            memory: `(..., 1 + num_vectors, units)`, with a slot for the input before
                the state; empty for a layer without state.
            outputs: of earlier layers.
        """
