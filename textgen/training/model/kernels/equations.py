"""One time step of each recurrent cell, forward and backward, without matrix products.

With `a` the inputs' part of the gates, `x @ kernel + bias`, and `r` the state's part,
`h @ recurrent_kernel + recurrent_bias`, everything here is elementwise. The matrix
products and the loop over time are in the files of the backends.

Shapes: states `(batch, units)`; `a`, `r` and their gradients `(batch, gates * units)` with
the gates in Keras' order; or all of them transposed. The argument `axis` is the axis of
the units, -1 or -2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from textgen.training.backend.loaded import keras

ops = keras.ops

States = tuple[Any, ...]


class Gradients(NamedTuple):
    """The gradients that a step passes to the one before it.

    Args:
        a: gradient of the inputs' part of the gates.
        r: gradient of the state's part; the same object as `a` if they are equal.
        states: gradients of the states before the step; that of `h` lacks the part
            that comes through the recurrent product.
    """

    a: Any
    r: Any
    states: States


def shift_right(first: Any, sequence: Any) -> Any:
    """Replace each entry of a sequence by the one before it, the first one by `first`."""
    return ops.concatenate([first[None], sequence[:-1]], 0)


class Kept(NamedTuple):
    """How an array that `Equations.forward` saves is stored.

    Args:
        state: index of the state that it is; None if it is none.
        pieces: how many arrays as wide as a state it is stored as, if it is none.
    """

    state: int | None
    pieces: int


def kept_of(states: States, saved: Sequence[Any], units: int) -> tuple[Kept, ...]:
    """How the arrays that a step has saved are stored, given the states after it."""
    number = {id(state): index for index, state in enumerate(states)}
    return tuple(Kept(number.get(id(s)), s.shape[-1] // units) for s in saved)


class Equations(Protocol):
    """The equations of a cell, as the kernels call them.

    PyTorch has its own; there, only `name` and `biases` are used.
    """

    name: str
    """The name of the cell in `textgen.model.cells`, and of PyTorch's function."""

    def biases(self, bias: Any) -> tuple[Any, Any | None]:
        """The bias of `a`, and that of `r` if it has one of its own."""

    def forward(
        self, a: Any, r: Any, states: States, axis: int
    ) -> tuple[States, tuple[Any, ...]]:
        """The next states, and the arrays that `outputs` needs: few, as all are stored."""

    def outputs(
        self, saved: tuple[Any, ...], first: States, axis: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Every `h`, and the arrays that `backward` needs, from those that `forward` saved.

        Args:
            saved: of all steps, with time as the first axis.
            first: the states before the first step.
            axis: the axis of the units.
        """

    def backward(self, grads: States, saved: tuple[Any, ...], axis: int) -> Gradients:
        """The gradients before a step, from those of the states after it."""
