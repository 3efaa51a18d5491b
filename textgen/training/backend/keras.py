"""Import Keras with a supported backend.

Keras chooses its backend at import, so all other modules of the training half get Keras
from `textgen.training.backend.loaded`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from textgen.disk.places import home
from textgen.errors import BackendError
from textgen.training.backend.choice import (
    DEFAULT,
    check_backend,
    named_backend,
    wanted_backend,
)
from textgen.training.backend.noise import filtered_stderr

MAX_EPOCHS, MAX_STEPS = "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"


def load_keras() -> Any:
    """Import Keras on the backend that is chosen; see `textgen.training.backend.choice`.

    Returns:
        the `keras` module.

    Raises:
        BackendError: another backend is configured, the backend is not installed, or Keras
            cannot be imported, for example because a setting of it is invalid.

    >>> load_keras().backend.backend() == named_backend()
    True
    """
    if named_backend() is None:
        check_backend(DEFAULT, "Keras' default backend")
    if "keras" not in sys.modules:
        with filtered_stderr(), _home_directory(), _settings_errors():
            import keras

            keras.ops.zeros(1)  # the first array makes the backend log its devices
    import keras

    # NumPy 2 says this of every array that Keras takes from PyTorch.
    known = "__array__ implementation"
    warnings.filterwarnings("ignore", known, DeprecationWarning, module="keras")
    return keras


@contextmanager
def _home_directory() -> Iterator[None]:
    """A home for frameworks, which make one called `~` here if they find none."""
    if home() is not None:
        yield
        return
    before = os.environ.get("HOME")
    with tempfile.TemporaryDirectory(prefix="textgen-") as folder:
        os.environ["HOME"] = folder
        try:
            yield
        finally:
            del os.environ["HOME"]
            if before is not None:
                os.environ["HOME"] = before


@contextmanager
def _settings_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Keras reads its settings without checking types, so there are many kinds.
        raise BackendError(
            f"Keras cannot be imported ({type(error).__name__}: {error}). Check its "
            "settings (~/.keras/keras.json and the variables KERAS_*) and the installation "
            f"of {wanted_backend()}, or choose another backend with `backend`."
        ) from error


def limits() -> dict[str, int]:
    """The limits of Keras itself on `fit` and `evaluate`, by environment variable.

    They are for debugging; a script can also set them in `keras.config`.
    """
    import keras

    found = {
        MAX_EPOCHS: keras.config.max_epochs(),
        MAX_STEPS: keras.config.max_steps_per_epoch(),
    }
    return {name: value for name, value in found.items() if value}


def sync(model: Any) -> None:
    """Update `model`'s variables, and let assignments to them take effect.

    On JAX `fit` keeps their values outside of the variables between steps.
    """
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
