"""What the network asks of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Ids: TypeAlias = Sequence[int] | NDArray[Any]
State: TypeAlias = Floats
"""What a network remembers: `(num_layers, vectors, batch, units)`.

A GRU and an RNN have one vector per layer, their output h; an LSTM has two, h and c.
"""
Outputs: TypeAlias = dict[str, Floats]
"""Outputs of layers by name, kept while a later layer still needs them."""


class BoundLayer(Protocol):
    """A layer together with the buffers of one thread and batch size."""

    def step(self, x: Any) -> Any:
        """One time step: `(batch, inputs)` to `(batch, outputs)`.

        At batch size 1 these are plain vectors, whose products cost less.
        """

    def read(self, x: Any) -> Any:
        """Many time steps of one text: `(time, inputs)` to `(time, outputs)`."""


class Layer(Protocol):
    """The weights of a layer, which all threads share."""

    num_vectors: int
    """State vectors that it carries from step to step; 0 for none."""

    def bind(self, memory: Floats, outputs: Outputs) -> BoundLayer:
        """Bring the weights together with buffers.

        Args:
            memory: `(..., 1 + num_vectors, units)`, with a slot for the input before
                the state; empty for a layer without state.
            outputs: where `Residual` finds the outputs that it adds.
        """


class Pointwise:
    """A layer without state, which treats every position alike and needs no buffers."""

    num_vectors = 0

    def bind(self, memory: Floats, outputs: Outputs) -> Pointwise:
        """The layer itself."""
        return self

    def step(self, x: Any) -> Any:
        """`(..., inputs)` to `(..., outputs)`."""
        raise NotImplementedError

    def read(self, x: Any) -> Any:
        """The same as `step`."""
        return self.step(x)
