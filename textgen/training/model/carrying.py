"""State that Keras layers carry from one window to the next.

Keras has `stateful=True` for this, but keeps the state in variables that no layer
tracks. On JAX, `fit` passes tracked variables through each step and discards
everything else, so the state silently stays zero. Here the state is created with
`add_weight`: it is tracked, never trained, and carried along on every backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from textgen.errors import ConfigError
from textgen.model.layers import Shape
from textgen.training.backend.devices import CARRIED
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
                name=f"{CARRIED}_{number}",
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


class Lent:
    """The state of some of the lanes, in place of the variable that holds that of all."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def assign(self, value: Any) -> None:
        """Carry another value on, as the same type."""
        self.value = keras.ops.cast(value, self.value.dtype)


@contextmanager
def lent(model: Any, values: Sequence[Any]) -> Iterator[list[Lent]]:
    """Within the block, the layers carry these values instead of those of their variables.

    Args:
        values: tensors, in the order of `carried_states`, all of as many lanes.

    Yields:
        what the layers carry; `value` of each is the last state.
    """
    carriers = _carriers(model)
    kept = [vars(layer).copy() for layer in carriers]
    held = iter(all_held := [Lent(value) for value in values])
    for layer in carriers:
        # Keras would track what it is told to set.
        vars(layer)["states"] = [next(held) for _ in layer.states]
        vars(layer)["_expected_batch_size"] = None
    try:
        yield all_held
    finally:
        for layer, before in zip(carriers, kept, strict=True):
            vars(layer).update({name: before.get(name) for name in _LENT})


_LENT = ("states", "_expected_batch_size")
"""The attributes of a layer that speak of its lanes; Keras checks the second one."""


def to_numpy(variable: Any) -> np.ndarray:
    """Copy the values of a variable into a NumPy array.

    In a job of several processes, all have to call this for what they carry: each of them
    holds only its own lanes.
    """
    value = variable.value if hasattr(variable, "value") else variable
    if not (_is_here(value) or value.is_fully_replicated):
        from jax.experimental import multihost_utils

        return np.array(multihost_utils.process_allgather(value, tiled=True))
    return np.array(keras.ops.convert_to_numpy(variable))


def assign(variable: Any, value: Any) -> None:
    """Assign an array or a number to a variable.

    In a job of several processes, all have to assign the same.
    """
    if not _is_here(variable.value):
        import jax

        # Keras would let JAX compare the values of all processes first.
        whole = np.asarray(value, variable.dtype)
        value = jax.make_array_from_callback(
            whole.shape, variable.value.sharding, whole.__getitem__
        )
    variable.assign(value)


def _is_here(value: Any) -> bool:
    """Whether the devices of this process hold all of an array."""
    return getattr(value, "is_fully_addressable", True)


def carried_states(model: Any) -> list[Any]:
    """Every variable in which `model` carries state from window to window."""
    return [state for layer in _carriers(model) for state in layer.states]


def _carriers(model: Any) -> list[Any]:
    layers = [layer for layer in model.layers if isinstance(layer, CarriesState)]
    return [layer for layer in layers if layer.states]
