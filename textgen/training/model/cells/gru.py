"""The gated recurrent unit."""

from __future__ import annotations

from typing import Any

from textgen.training.backend.loaded import keras
from textgen.training.model.kernels.equations import Gradients, States, shift_right
from textgen.training.model.recurrent import CarriedState, WholeSequence

ops = keras.ops


class GRUEquations:
    """Gated recurrent unit (Cho et al. 2014), Keras' `reset_after=True`, as in cuDNN.

    Gates update, reset, candidate g: h' = update h + (1 - update) g, with
    g = tanh(a_h + reset r_h). The reset gate acts on the recurrent product, which
    therefore has a bias of its own.
    """

    name = "gru"

    def biases(self, bias: Any) -> tuple[Any, Any]:
        """The two rows of a bias of shape `(2, 3 * units)`."""
        return bias[0], bias[1]

    def forward(
        self, a: Any, r: Any, states: States, axis: int
    ) -> tuple[States, tuple[Any, ...]]:
        """The next `(h,)`; saves the gates, the input of the reset gate, and `h`."""
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
        """Replace each `h` by that of the step before."""
        *gates, h = saved
        return h, (*gates, shift_right(first[0], h))

    def backward(self, grads: States, saved: tuple[Any, ...], axis: int) -> Gradients:
        """The two gradients differ in the candidate, where the reset gate scales `r`."""
        (dh,), (update, reset, g, r_h, h) = grads, saved
        dg = dh * (1 - update) * (1 - g * g)
        d_update = dh * (h - g) * update * (1 - update)
        d_reset = dg * r_h * reset * (1 - reset)
        return Gradients(
            ops.concatenate([d_update, d_reset, dg], axis),
            ops.concatenate([d_update, d_reset, dg * reset], axis),
            (dh * update,),
        )


@keras.saving.register_keras_serializable("textgen")
class GRU(WholeSequence, CarriedState, keras.layers.GRU):
    """`keras.layers.GRU`: fast on a CPU, and `stateful=True` works on every backend."""

    step_equations = GRUEquations()
