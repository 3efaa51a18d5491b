"""Layers whose outputs see the inputs before them: what convolution and attention share."""

from __future__ import annotations

from typing import Any

from textgen.model import layers
from textgen.model.layers import Shape
from textgen.training.backend.floats import DTYPE
from textgen.training.backend.loaded import keras
from textgen.training.model.carrying import CarriesState
from textgen.training.model.layers.base import Building


class LookingBack(CarriesState, keras.layers.Layer):
    """A layer each of whose outputs sees the last `size` inputs, the present one included.

    Args:
        size: at least 2.
        stateful: whether inputs are carried to the next call; before the first there are
            none.
        kernel_initializer, kernel_regularizer: as in Keras.
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

    def add_kernel(self, name: str, shape: Shape, initializer: Any = None) -> Any:
        """Create a matrix."""
        return self.add_weight(
            shape=shape,
            initializer=initializer or self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name=name,
        )

    def with_carried(self, inputs: Any, length: int) -> Any:
        """`inputs` after the last `length` ones before them, zeros where there are none.

        Those that come last are carried to the next call, in the first of `states`.
        """
        self.check_lanes(inputs)
        if not self.states:
            return keras.ops.pad(inputs, [[0, 0], [length, 0], [0, 0]])
        before = keras.ops.convert_to_tensor(self.states[0].value)
        seen = keras.ops.concatenate([before, inputs], axis=1)
        self.states[0].assign(seen[:, -length:])
        return seen


def looking_back(
    kind: type[LookingBack],
    layer: layers.Convolution | layers.Attention,
    building: Building,
) -> LookingBack:
    """The Keras layer of a description, to be called with the layer's inputs."""
    return kind(
        layer.size,
        stateful=building.stateful,
        kernel_initializer=building.glorot(),
        kernel_regularizer=building.penalty(),
        name=layer.name,
        dtype=DTYPE,
    )
