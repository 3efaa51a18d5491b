"""One time step of each recurrent cell, forward and backward, without its products.

With `a` the inputs' part of the gates, `x @ kernel + bias`, and `r` the state's part,
`h @ recurrent_kernel + recurrent_bias`, all of this is elementwise. The matrix
products and the loop over time are the backends' affair.

Shapes: states `(batch, units)`; `a`, `r` and their gradients `(batch, gates * units)`,
gates in the order in which Keras stores them; or the other way round, units first. The
argument `axis` is that of the units, -1 or -2.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from textgen.training.backend.keras import load_keras

ops = load_keras().ops

States = tuple[Any, ...]


class Gradients(NamedTuple):
    """What one step hands back.

    Args:
        a: gradient of the inputs' part of the gates.
        r: gradient of the state's part; the same object as `a` where they are equal.
        states: gradients of the states before the step; that of `h` still lacks what
            comes through the recurrent product.
    """

    a: Any
    r: Any
    states: States


def shift_right(first: Any, sequence: Any) -> Any:
    """`first` and all of a sequence but its last: what stood before each entry."""
    return ops.concatenate([first[None], sequence[:-1]], 0)


class Equations(Protocol):
    """What the kernels ask of a cell."""

    def biases(self, bias: Any) -> tuple[Any, Any | None]:
        """The bias of `a`, and that of `r` if it has one of its own."""

    def forward(
        self, a: Any, r: Any, states: States, axis: int
    ) -> tuple[States, tuple[Any, ...]]:
        """The next states, and what `outputs` needs: little, for the loop must store it."""

    def outputs(
        self, saved: tuple[Any, ...], first: States, axis: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """From what `forward` saved at all times: every `h`, and what `backward` needs.

        Args:
            saved: with time as a first axis of its own.
            first: the states before the first step.
            axis: that of the units.
        """

    def backward(self, grads: States, saved: tuple[Any, ...], axis: int) -> Gradients:
        """From the gradients of the states after a step to those before it."""
