"""Long short-term memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from textgen.training.backend.loaded import keras
from textgen.training.model.kernels.equations import Gradients, States, shift_right
from textgen.training.model.recurrent import CarriedState, WholeSequence

ops = keras.ops


class LSTMEquations:
    """Long short-term memory (Hochreiter & Schmidhuber 1997; f: Gers et al. 2000).

    Gates i, f, g, o, which Keras calls i, f, c, o.

    c' = f c + i g and h' = o tanh(c'), where i, f, o are sigmoids and g a tanh of the
    sum of both parts.
    """

    name = "lstm"

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
        """Replace each `c` by its tanh and the `c` of the step before."""
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


@keras.saving.register_keras_serializable("textgen")
class LSTM(WholeSequence, CarriedState, keras.layers.LSTM):
    """`keras.layers.LSTM`: fast on a CPU, and `stateful=True` works on every backend.

    >>> layer = LSTM(4, stateful=True, return_sequences=True)
    >>> tuple(layer(np.ones((2, 3, 5), "float32")).shape)
    (2, 3, 4)
    >>> [tuple(state.shape) for state in layer.non_trainable_weights]
    [(2, 4), (2, 4)]
    """

    step_equations = LSTMEquations()
