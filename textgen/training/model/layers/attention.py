"""Attention over what a layer put out for the last characters."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.training.backend.loaded import keras
from textgen.training.model.layers.base import Building
from textgen.training.model.layers.looking_back import LookingBack, looking_back

ops = keras.ops


def attention(layer: layers.Attention, x: Any, building: Building) -> Any:
    """Add to each output what attention finds in it and those before."""
    return looking_back(CausalAttention, layer, building)(x)


@keras.saving.register_keras_serializable("textgen")
class CausalAttention(LookingBack):
    """x + attention with one head over x and the inputs before it (Merity 2019, "SHA-RNN").

    >>> layer = CausalAttention(3)
    >>> tuple(layer(keras.ops.ones((2, 5, 4))).shape)
    (2, 5, 4)
    """

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create two `(units, units)` kernels, the bias and the carried state."""
        batch_size, _, units = input_shape
        self.query_kernel = self.add_kernel("query_kernel", (units, units))
        self.query_bias = self.add_weight(
            shape=(units,), initializer="zeros", name="query_bias"
        )
        # Training begins with the network as it is without attention.
        self.value_kernel = self.add_kernel("value_kernel", (units, units), "zeros")
        if self.stateful:
            self.create_states(batch_size, [(self.size, units), (1,)])

    def call(self, inputs: Any) -> Any:
        """Return an array of the shape of `inputs`, `(batch, time, units)`."""
        queries = ops.matmul(inputs, self.query_kernel) + self.query_bias
        mask = self._mask(ops.shape(inputs)[1])
        seen = self.with_carried(inputs, self.size)[:, :, None]
        means = ops.dot_product_attention(
            queries[:, :, None], seen, seen, mask=mask[:, None]
        )
        return inputs + ops.matmul(means[:, :, 0], self.value_kernel)

    def _mask(self, time: Any) -> Any:
        """`(batch or 1, time, size + time)`, true where an output sees an input."""
        places = ops.arange(self.size + time)
        age = self.size + ops.arange(time)[:, None] - places
        in_window = ops.logical_and(age >= 0, age < self.size)
        num_before = self._counted(time)
        return ops.logical_and(in_window, (places >= self.size - num_before)[:, None])

    def _counted(self, time: Any) -> Any:
        """Inputs before this call, `(batch or 1, 1)`; counts those of this one."""
        if not self.states:
            return ops.zeros((1, 1), "int32")
        # A copy: assigning changes what the variable gives away.
        before = ops.cast(self.states[1].value, "int32")
        self.states[1].assign(ops.minimum(before + time, self.size))
        return before
