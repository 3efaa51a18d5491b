"""Keras, imported once its backend is known to be supported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textgen.training.backend.keras import load_keras

if TYPE_CHECKING:
    import keras  # mypy accepts base classes from a module, not from a variable
else:
    keras = load_keras()

__all__ = ["keras"]
