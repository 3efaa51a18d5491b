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

import numpy as np

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


class LSTM:
    """Long short-term memory (Hochreiter & Schmidhuber 1997; f: Gers et al. 2000).

    Gates i, f, g, o, which Keras calls i, f, c, o.

    c' = f c + i g and h' = o tanh(c'), where i, f, o are sigmoids and g a tanh of the
    sum of both parts.
    """

    def biases(self, bias: Any) -> tuple[Any, None]:
        """One bias, of shape `(4 * units,)`."""
        return bias, None

    def forward(
        self, a: Any, r: Any, states: States, axis: int
    ) -> tuple[States, tuple[Any, ...]]:
        """The next `(h, c)`; saves the gates and `c`."""
        _, c = states
        gates = self._activate(a + r, axis)
        i, f, g, o = ops.split(gates, 4, axis)
        c = f * c + i * g
        return (o * ops.tanh(c), c), (gates, c)

    def _activate(self, gates: Any, axis: int) -> Any:
        """All gates in one pass, with tanh(z) as 2 sigmoid(2 z) - 1."""
        units = gates.shape[axis] // 4
        scale = np.repeat(np.array([1, 1, 2, 1], "float32"), units)
        if axis == -2:
            scale = scale[:, None]
        return ops.sigmoid(gates * scale) * scale + (1 - scale)

    def outputs(
        self, saved: tuple[Any, ...], first: States, axis: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Replaces each `c` by its tanh and the `c` before it."""
        gates, c = saved
        tanh_c = ops.tanh(c)
        *_, o = ops.split(gates, 4, axis)
        return o * tanh_c, (gates, tanh_c, shift_right(first[1], c))

    def backward(self, grads: States, saved: tuple[Any, ...], axis: int) -> Gradients:
        """`a` and `r` occur only as a sum, so one array is the gradient of both."""
        (dh, dc), (gates, tanh_c, c) = grads, saved
        i, f, g, o = ops.split(gates, 4, axis)
        dc = dc + dh * o * (1 - tanh_c * tanh_c)
        d = ops.concatenate(
            [
                dc * g * i * (1 - i),
                dc * c * f * (1 - f),
                dc * i * (1 - g * g),
                dh * tanh_c * o * (1 - o),
            ],
            axis,
        )
        return Gradients(d, d, (ops.zeros_like(dh), dc * f))


class GRU:
    """Gated recurrent unit (Cho et al. 2014), Keras' `reset_after=True`, as in cuDNN.

    Gates update, reset, candidate g: h' = update h + (1 - update) g, with
    g = tanh(a_h + reset r_h). The reset gate acts on the recurrent product, which
    therefore has a bias of its own.
    """

    def biases(self, bias: Any) -> tuple[Any, Any]:
        """The two rows of a bias of shape `(2, 3 * units)`."""
        return bias[0], bias[1]

    def forward(
        self, a: Any, r: Any, states: States, axis: int
    ) -> tuple[States, tuple[Any, ...]]:
        """The next `(h,)`; saves the gates, what the reset gate acts on, and `h`."""
        (h,) = states
        a_z, a_r, a_h = ops.split(a, 3, axis)
        r_z, r_r, r_h = ops.split(r, 3, axis)
        update, reset = ops.sigmoid(a_z + r_z), ops.sigmoid(a_r + r_r)
        g = ops.tanh(a_h + reset * r_h)
        h = update * h + (1 - update) * g
        return (h,), (update, reset, g, r_h, h)

    def outputs(
        self, saved: tuple[Any, ...], first: States, axis: int
    ) -> tuple[Any, tuple[Any, ...]]:
        """Replaces each `h` by the one before it."""
        *gates, h = saved
        return h, (*gates, shift_right(first[0], h))

    def backward(self, grads: States, saved: tuple[Any, ...], axis: int) -> Gradients:
        """The two gradients differ in the candidate, where `r` passed the reset gate."""
        (dh,), (update, reset, g, r_h, h) = grads, saved
        dg = dh * (1 - update) * (1 - g * g)
        d_update = dh * (h - g) * update * (1 - update)
        d_reset = dg * r_h * reset * (1 - reset)
        return Gradients(
            ops.concatenate([d_update, d_reset, dg], axis),
            ops.concatenate([d_update, d_reset, dg * reset], axis),
            (dh * update,),
        )
