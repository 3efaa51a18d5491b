"""The causal convolution over the embeddings."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.training.backend.floats import DTYPE
from textgen.training.backend.loaded import keras
from textgen.training.model.carrying import CarriesState
from textgen.training.model.layers.base import Building

ops = keras.ops


def convolution(layer: layers.Convolution, x: Any, building: Building) -> Any:
    """Add to each embedding what the convolution finds in it and those before."""
    return CausalConvolution(
        layer.size,
        stateful=building.stateful,
        kernel_initializer=building.glorot(),
        kernel_regularizer=building.penalty(),
        name=layer.name,
        dtype=DTYPE,
    )(x)


@keras.saving.register_keras_serializable("textgen")
class CausalConvolution(CarriesState, keras.layers.Layer):
    """x + relu(convolution of x and the inputs before it), which begin as zeros.

    Args:
        size: inputs that one output sees, the present one included.
        stateful: whether the last `size - 1` inputs are carried to the next call.

    >>> layer = CausalConvolution(3)
    >>> tuple(layer(keras.ops.ones((2, 5, 4))).shape)
    (2, 5, 4)
    >>> tuple(layer.kernel.shape)
    (12, 4)
    """

    def __init__(
        self,
        size: int,
        *,
        stateful: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.size, self.stateful = size, stateful
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def get_config(self) -> dict[str, Any]:
        """The arguments to construct an equal layer."""
        return {
            **super().get_config(),
            "size": self.size,
            "stateful": self.stateful,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the `(size * width, width)` kernel, the bias and the carried state."""
        batch_size, _, width = input_shape
        assert width is not None
        self.kernel = self.add_weight(
            shape=(self.size * width, width),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")
        if self.stateful:
            assert batch_size is not None
            self.create_states(batch_size, [(self.size - 1, width)])

    def call(self, inputs: Any) -> Any:
        """Return an array of the shape of `inputs`, `(batch, time, width)`."""
        self.check_lanes(inputs)
        num_before = self.size - 1
        if self.states:
            before = ops.convert_to_tensor(self.states[0])
            seen = ops.concatenate([before, inputs], axis=1)
            self.states[0].assign(seen[:, -num_before:])
        else:
            seen = ops.pad(inputs, [[0, 0], [num_before, 0], [0, 0]])
        ends = [None, *range(-1, -self.size, -1)]
        shifted = [seen[:, num_before - age : end] for age, end in enumerate(ends)]
        sums = ops.matmul(ops.concatenate(shifted, axis=-1), self.kernel) + self.bias
        return inputs + ops.relu(sums)
