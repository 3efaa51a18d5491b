"""Keras' recurrent layers, able to carry their state from window to window.

Keras has `stateful=True` for this, but keeps the state in variables that no layer
tracks. On JAX `fit` passes tracked variables through each step and throws
everything else away, so the state silently stays zero. Here the state is made
with `add_weight`: tracked, never trained, carried on by every backend.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from textgen.training.backend import load_keras

keras = load_keras()


class CarriedState:
    """Mix-in for a `keras.layers.RNN`: its state is a tracked, untrained weight."""

    def _create_state_variables(self: Any, batch_size: int) -> None:
        # Keras calls this from `build` when `stateful` is set.
        self.states = [
            self.add_weight(
                shape=(batch_size, size),
                initializer="zeros",
                trainable=False,
                name=f"carried_state_{number}",
            )
            for number, size in enumerate(self.state_size)
        ]


@keras.saving.register_keras_serializable("textgen")
class LSTM(CarriedState, keras.layers.LSTM):
    """`keras.layers.LSTM` whose `stateful=True` holds under `fit` on every backend.

    >>> layer = LSTM(4, stateful=True, return_sequences=True)
    >>> tuple(layer(np.ones((2, 3, 5), "float32")).shape)
    (2, 3, 4)
    >>> [tuple(state.shape) for state in layer.non_trainable_weights]
    [(2, 4), (2, 4)]
    """


@keras.saving.register_keras_serializable("textgen")
class GRU(CarriedState, keras.layers.GRU):
    """`keras.layers.GRU` whose `stateful=True` holds under `fit` on every backend."""


@keras.saving.register_keras_serializable("textgen")
class SimpleRNN(CarriedState, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` whose `stateful=True` holds on every backend."""


def to_numpy(variable: Any) -> np.ndarray:
    """A copy of a variable's numbers, in an array of its own."""
    return np.array(np.asarray(variable.value))


CELLS = {"lstm": LSTM, "gru": GRU, "rnn": SimpleRNN}


def carried_states(model: Any) -> list[Any]:
    """Every variable in which `model` carries state from window to window."""
    layers = [layer for layer in model.layers if isinstance(layer, CarriedState)]
    return [state for layer in layers for state in (layer.states or [])]
