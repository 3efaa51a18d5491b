"""Import Keras with a supported backend.

Keras chooses its backend at import, so all other modules of the training half get Keras
from `textgen.training.backend.loaded`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textgen.disk.places import home
from textgen.errors import BackendError
from textgen.training.backend.noise import filtered_stderr

BACKENDS = ("tensorflow", "jax")
DEFAULT = BACKENDS[0]
MAX_EPOCHS, MAX_STEPS = "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"


def load_keras() -> Any:
    """Import Keras on TensorFlow or JAX.

    Returns:
        the `keras` module.

    Raises:
        BackendError: another backend is configured, the backend is not installed, or Keras
            cannot be imported, for example because a setting of it is invalid.

    >>> load_keras().backend.backend() in BACKENDS
    True
    """
    if "keras" not in sys.modules:
        check_backend(wanted_backend())
        with filtered_stderr(), _home_directory(), _settings_errors():
            import keras

            keras.ops.zeros(1)  # the first array makes the backend log its devices
    import keras

    check_backend(keras.backend.backend())
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
            "settings (~/.keras/keras.json and the variables KERAS_*) and its installation."
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


def wanted_backend() -> str:
    """The backend that `import keras` would choose: environment, then `keras.json`."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    folder = _keras_home()
    if folder is None:
        return DEFAULT
    try:
        stored = json.loads((folder / "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return DEFAULT
    return str(stored.get("backend", DEFAULT)) if isinstance(stored, dict) else DEFAULT


def _keras_home() -> Path | None:
    """Where Keras will look for its settings; see `_home_directory` for None."""
    if (named := os.environ.get("KERAS_HOME")) is not None:
        return Path(os.path.expanduser(named))
    place = home()
    if place is None:
        return None
    return (place if os.access(place, os.W_OK) else Path("/tmp")) / ".keras"


def check_backend(name: str) -> None:
    """Reject a backend that textgen does not support or that is not installed."""
    if name not in BACKENDS:
        raise BackendError(
            f"Keras backend {name!r} is not supported: textgen trains on tensorflow "
            "(the default) or jax. Set KERAS_BACKEND=tensorflow."
        )
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        raise BackendError(
            f"KERAS_BACKEND={name}, but {name} is not installed. "
            f"Install it with: pip install {name}"
        )


def sync(model: Any) -> None:
    """Update `model`'s variables, and let assignments to them take effect.

    On JAX `fit` keeps their values outside of the variables between steps.
    """
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
