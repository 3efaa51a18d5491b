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
"""What a network remembers of each text, `(batch, state_size)`.

A row holds what the layers carry, one after the other; `state_places` says where.
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

    room: int
    """Numbers that it needs room for before its state, for its input."""

    state_size: int
    """Numbers that it carries from step to step for each text; 0 for none."""

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Combine the weights with buffers.

        Args:
            memory: `(batch, room + state_size)`, at batch size 1 a plain vector. Its
                last `state_size` numbers are the state, which a layer changes in place.
            outputs: of earlier layers.
        """
