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
Recorded: TypeAlias = dict[str, Floats]
"""Gates, states and outputs inside a network, `(time, width)`, by names as of weights."""


class BoundLayer(NamedTuple):
    """A layer at work in the buffers of one thread and batch size.

    Args:
        step: one time step, `(batch, inputs)` to `(batch, outputs)`. At batch size 1
            these are plain vectors, whose products cost less.
        read: many time steps of one text, `(time, inputs)` to `(time, outputs)`.
        trace: the same, and adds what happens inside to the second argument; None if
            there is nothing that its output does not show.
    """

    step: Callable[[Any], Any]
    read: Callable[[Any], Any]
    trace: Callable[[Any, Recorded], Any] | None = None


def traced_output(name: str, read: Callable[[Any], Any]) -> Callable[[Any, Recorded], Any]:
    """A `trace` that adds the output of `read` under a name."""

    def trace(x: Any, recorded: Recorded) -> Any:
        recorded[name] = read(x)
        return recorded[name]

    return trace


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
