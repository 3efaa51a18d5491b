"""The simple recurrent network."""

from __future__ import annotations

from textgen.training.backend.loaded import keras
from textgen.training.model.recurrent import CarriedState


@keras.saving.register_keras_serializable("textgen")
class SimpleRNN(CarriedState, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` whose `stateful=True` works on every backend."""
