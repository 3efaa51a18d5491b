"""One time step of each recurrent cell, forward and backward, without its products.

With `a` the inputs' part of the gates, `x @ kernel + bias`, and `r` the state's part,
`h @ recurrent_kernel + recurrent_bias`, all of this is elementwise. The matrix
products and the loop over time are the backends' affair.

Shapes: states `(batch, units)`; `a`, `r` and their gradients `(batch, gates * units)`,
gates in the order in which Keras stores them.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from textgen.training.backend import load_keras

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


class Equations(Protocol):
    """What the kernels ask of a cell."""

    @property
    def num_gates(self) -> int:
        """How many times `units` wide `a` and `r` are."""

    def biases(self, bias: Any) -> tuple[Any, Any | None]:
        """The bias of `a`, and that of `r` if it has one of its own."""

    def forward(self, a: Any, r: Any, states: States) -> tuple[States, tuple[Any, ...]]:
        """The next states, and what the backward step will need again."""

    def backward(self, grads: States, saved: tuple[Any, ...], before: States) -> Gradients:
        """From the gradients of the states after a step to those before it."""


class LSTM:
    """Long short-term memory (Hochreiter & Schmidhuber 1997; f: Gers et al. 2000).

    Gates i, f, g, o, which Keras calls i, f, c, o.

    c' = f c + i g and h' = o tanh(c'), where i, f, o are sigmoids and g a tanh of the
    sum of both parts.
    """

    num_gates = 4

    def biases(self, bias: Any) -> tuple[Any, None]:
        """One bias, of shape `(4 * units,)`."""
        return bias, None

    def forward(self, a: Any, r: Any, states: States) -> tuple[States, tuple[Any, ...]]:
        """The next `(h, c)`; saves the gates and tanh of the cell."""
        _, c = states
        i, f, g, o = ops.split(a + r, 4, axis=-1)
        i, f, o, g = ops.sigmoid(i), ops.sigmoid(f), ops.sigmoid(o), ops.tanh(g)
        c = f * c + i * g
        tanh_c = ops.tanh(c)
        return (o * tanh_c, c), (i, f, g, o, tanh_c)

    def backward(self, grads: States, saved: tuple[Any, ...], before: States) -> Gradients:
        """`a` and `r` occur only as a sum, so one array is the gradient of both."""
        (dh, dc), (i, f, g, o, tanh_c), (_, c) = grads, saved, before
        dc = dc + dh * o * (1 - tanh_c * tanh_c)
        gates = ops.concatenate(
            [
                dc * g * i * (1 - i),
                dc * c * f * (1 - f),
                dc * i * (1 - g * g),
                dh * tanh_c * o * (1 - o),
            ],
            axis=-1,
        )
        return Gradients(gates, gates, (ops.zeros_like(dh), dc * f))


class GRU:
    """Gated recurrent unit (Cho et al. 2014), Keras' `reset_after=True`, as in cuDNN.

    Gates update, reset, candidate g: h' = update h + (1 - update) g, with
    g = tanh(a_h + reset r_h). The reset gate acts on the recurrent product, which
    therefore has a bias of its own.
    """

    num_gates = 3

    def biases(self, bias: Any) -> tuple[Any, Any]:
        """The two rows of a bias of shape `(2, 3 * units)`."""
        return bias[0], bias[1]

    def forward(self, a: Any, r: Any, states: States) -> tuple[States, tuple[Any, ...]]:
        """The next `(h,)`; saves the gates and the part that the reset gate acts on."""
        (h,) = states
        a_z, a_r, a_h = ops.split(a, 3, axis=-1)
        r_z, r_r, r_h = ops.split(r, 3, axis=-1)
        update, reset = ops.sigmoid(a_z + r_z), ops.sigmoid(a_r + r_r)
        g = ops.tanh(a_h + reset * r_h)
        return (update * h + (1 - update) * g,), (update, reset, g, r_h)

    def backward(self, grads: States, saved: tuple[Any, ...], before: States) -> Gradients:
        """The two gradients differ in the candidate, where `r` passed the reset gate."""
        (dh,), (update, reset, g, r_h), (h,) = grads, saved, before
        dg = dh * (1 - update) * (1 - g * g)
        d_update = dh * (h - g) * update * (1 - update)
        d_reset = dg * r_h * reset * (1 - reset)
        return Gradients(
            ops.concatenate([d_update, d_reset, dg], axis=-1),
            ops.concatenate([d_update, d_reset, dg * reset], axis=-1),
            (dh * update,),
        )
