"""The causal convolution over the embeddings."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.training.backend.loaded import keras
from textgen.training.model.layers.base import Building
from textgen.training.model.layers.looking_back import LookingBack, looking_back

ops = keras.ops


def convolution(layer: layers.Convolution, x: Any, building: Building) -> Any:
    """Add to each embedding what the convolution finds in it and those before."""
    return looking_back(CausalConvolution, layer, building)(x)


@keras.saving.register_keras_serializable("textgen")
class CausalConvolution(LookingBack):
    """x + relu(convolution of x and the inputs before it).

    >>> layer = CausalConvolution(3)
    >>> tuple(layer(keras.ops.ones((2, 5, 4))).shape)
    (2, 5, 4)
    >>> tuple(layer.kernel.shape)
    (12, 4)
    """

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the `(size * width, width)` kernel, the bias and the carried state."""
        batch_size, _, width = input_shape
        self.kernel = self.add_kernel("kernel", (self.size * width, width))
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")
        if self.stateful:
            self.create_states(batch_size, [(self.size - 1, width)])

    def call(self, inputs: Any) -> Any:
        """Return an array of the shape of `inputs`, `(batch, time, width)`."""
        num_before = self.size - 1
        seen = self.with_carried(inputs, num_before)
        ends = [None, *range(-1, -self.size, -1)]
        shifted = [seen[:, num_before - age : end] for age, end in enumerate(ends)]
        sums = ops.matmul(ops.concatenate(shifted, axis=-1), self.kernel) + self.bias
        return inputs + ops.relu(sums)
