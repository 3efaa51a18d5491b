"""Load Keras once, with a backend that works here and without its log noise.

Keras chooses its backend at import. Everything in the training half that needs
Keras therefore asks this file first.
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

from textgen.errors import BackendError

BACKENDS = ("tensorflow", "jax")


def load_keras() -> Any:
    """Import Keras, quietly, on TensorFlow or JAX.

    Returns:
        the `keras` module.

    Raises:
        BackendError: another backend is asked for, or the one asked for is not
            installed.

    >>> load_keras().backend.backend() in BACKENDS
    True
    """
    if "keras" not in sys.modules:
        check_backend(wanted_backend())
        with quiet_import():
            import keras

            keras.ops.zeros(1)  # the first number looks for devices, and logs what it found
    import keras

    check_backend(keras.backend.backend())
    return keras


def wanted_backend() -> str:
    """The backend that `import keras` would take: environment, then Keras' own file."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        stored = json.loads((home / "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "tensorflow"
    return (
        str(stored.get("backend", "tensorflow"))
        if isinstance(stored, dict)
        else BACKENDS[0]
    )


def check_backend(name: str) -> None:
    """Refuse a backend that the recurrent layers were not made for."""
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


@contextmanager
def quiet_import() -> Iterator[None]:
    """Keep the frameworks' own notes off stderr while they load.

    TensorFlow's shared libraries write to file descriptor 2 before any setting of
    theirs is read, so the descriptor itself is turned away. What was written is shown
    after all when loading fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except Exception:
            # Whatever failed is raised again, with what the libraries said about it. Ctrl-C
            # is no failure, so their notes stay away then.
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def sync(model: Any) -> None:
    """Bring `model`'s variables up to date and let changes to them take effect.

    On JAX `fit` keeps the numbers outside the variables between steps.
    """
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
