"""The simple recurrent network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textgen.training.backend.keras import load_keras
from textgen.training.model.recurrent import CarriedState

if TYPE_CHECKING:
    import keras  # mypy accepts base classes from a module, not from a variable
else:
    keras = load_keras()


@keras.saving.register_keras_serializable("textgen")
class SimpleRNN(CarriedState, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` whose `stateful=True` works on every backend."""
