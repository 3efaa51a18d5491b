"""State that Keras layers carry from one window to the next.

Keras has `stateful=True` for this, but keeps the state in variables that no layer
tracks. On JAX, `fit` passes tracked variables through each step and discards
everything else, so the state silently stays zero. Here the state is created with
`add_weight`: it is tracked, never trained, and carried along on every backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from textgen.errors import ConfigError
from textgen.model.layers import Shape
from textgen.training.backend.loaded import keras


class CarriesState:
    """Mix-in for a `keras.layers.Layer` that may carry state from call to call.

    Attributes:
        states: the variables, each with the lanes along its first axis; None before they
            are created.
    """

    states: list[Any] | None = None

    def create_states(self: Any, batch_size: int, shapes: Sequence[Shape]) -> None:
        """Create the variables, for as many lanes; called from `build`."""
        self.states = [
            self.add_weight(
                shape=(batch_size, *shape),
                initializer="zeros",
                trainable=False,
                name=f"carried_state_{number}",
            )
            for number, shape in enumerate(shapes)
        ]

    def check_lanes(self: Any, sequences: Any) -> None:
        """Refuse a batch size that `export` on JAX has made a variable."""
        if self.states and not isinstance(sequences.shape[0], int | None):
            size = self.states[0].shape[0]
            raise ConfigError(
                f"this model carries its state for batches of {size}, but Keras exports "
                "models for batches of any size. Pass input_signature="
                f'[keras.InputSpec(shape=({size}, None), dtype="int32")] to export.'
            )


def to_numpy(variable: Any) -> np.ndarray:
    """Copy the values of a variable into a NumPy array."""
    return np.array(keras.ops.convert_to_numpy(variable))


def carried_states(model: Any) -> list[Any]:
    """Every variable in which `model` carries state from window to window."""
    carriers = [layer for layer in model.layers if isinstance(layer, CarriesState)]
    return [state for layer in carriers for state in (layer.states or [])]
