"""Which Keras backend trains: the one that a person names, or the fastest installed one.

A backend is named by an argument, by `KERAS_BACKEND`, or in `keras.json`, in this order.
Otherwise `auto` goes by `FASTEST`, which benchmarks/train_speed.py measured, and not by a
trial: loading several frameworks takes longer than many a training.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from textgen.config.arguments import one_of
from textgen.config.model import ModelConfig
from textgen.disk.places import home
from textgen.errors import BackendError
from textgen.model.cells import CELLS
from textgen.wording import install_command

TITLES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
BACKENDS = tuple(TITLES)
DEFAULT = "tensorflow"
AUTO = "auto"
VARIABLE = "KERAS_BACKEND"

FASTEST: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"lstm": ("torch", "tensorflow", "jax"), "gru": ("jax", "tensorflow", "torch")}
)
"""The backends by kernel, the fastest first, on a CPU.

TensorFlow and JAX change places: JAX trains an LSTM of 128 or 256 units faster by less than
a tenth, TensorFlow one of 512 units by more.
"""

WITHOUT_KERNEL = ("tensorflow", "jax", "torch")
"""The same for networks that run through Keras' own loop."""

# What Keras itself writes into a `keras.json` that does not exist.
UNTOUCHED = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
}


def named_backend(asked: str = AUTO) -> str | None:
    """The backend that a person has chosen; None if none is named.

    Args:
        asked: one of `BACKENDS`, or `auto`.

    Raises:
        ConfigError: `asked` is something else.
        BackendError: the backend is unknown or not installed, or Keras is already loaded
            with another one.

    >>> named_backend() is None or named_backend() in BACKENDS
    True
    """
    asked = one_of("backend", asked, (AUTO, *BACKENDS))
    if "keras" in sys.modules:
        return _loaded(asked)
    if asked != AUTO:
        check_backend(asked, f"backend {asked}")
        return asked
    if (found := _configured()) is None:
        return None
    check_backend(*found)
    return found[0]


def wanted_backend() -> str:
    """The backend that `import keras` would choose, supported or not."""
    found = _configured()
    return found[0] if found else DEFAULT


def _configured() -> tuple[str, str] | None:
    """A person's setting of Keras, and where it stands."""
    if name := os.environ.get(VARIABLE):
        return name, f"{VARIABLE}={name}"
    settings = _keras_json()
    if "backend" not in settings or settings == UNTOUCHED:
        return None
    name = str(settings["backend"])
    return name, f'"backend": "{name}" in keras.json'


def _loaded(asked: str) -> str:
    import keras

    name = keras.backend.backend()
    check_backend(name, f"Keras is loaded with {name}")
    if asked not in (AUTO, name):
        raise BackendError(
            f"Keras is already loaded with {name} in this process, and keeps it. Leave out "
            f"backend={asked!r}, or set {VARIABLE}={asked} before Keras is imported."
        )
    return str(name)


def choose_backend(
    asked: str, model: ModelConfig, trained_on: str | None = None
) -> list[str]:
    """Set the backend with which Keras will be loaded.

    It is set for this process and its children, as `KERAS_BACKEND`.

    Args:
        asked: one of `BACKENDS`, or `auto`.
        model: the network to train.
        trained_on: the backend of a run that is resumed.

    Returns:
        sentences for the person: which backend would be faster.

    Raises:
        ConfigError, BackendError: see `named_backend`; or no backend is installed, or not
            the one of the run.
    """
    name, notes = named_backend(asked), []
    if name is None and trained_on in BACKENDS:
        name = trained_on
        _check_resumed(name)
    if name is None:
        order = by_speed(model)
        name = _first_installed(order)
        if not is_installed(order[0]):
            notes = [
                f"On a CPU, {TITLES[order[0]]} trains this network faster. To install it: "
                f"{how_to_install(order[0])}"
            ]
    os.environ[VARIABLE] = name
    return notes


def expected_backend(asked: str, model: ModelConfig) -> str:
    """The backend that `choose_backend` will take for a new run.

    Raises:
        ConfigError, BackendError: see `choose_backend`.
    """
    return named_backend(asked) or _first_installed(by_speed(model))


def _check_resumed(name: str) -> None:
    if not is_installed(name):
        raise BackendError(
            f"This run was trained on {name}, which is not installed. Install it: "
            f"{how_to_install(name)}. Or name another with `backend`; the run continues "
            "there, but not bit for bit as it would have."
        )


def by_speed(model: ModelConfig) -> tuple[str, ...]:
    """The backends, installed or not, the fastest for this network on a CPU first.

    >>> by_speed(ModelConfig(vocab_size=65, units=512))
    ('torch', 'tensorflow', 'jax')
    """
    kernel = CELLS[model.cell].kernel
    return FASTEST[kernel] if kernel and model.has_kernel else WITHOUT_KERNEL


def _first_installed(order: Sequence[str]) -> str:
    for name in order:
        if is_installed(name) and _has_directory(name):
            return name
    raise BackendError(
        "Keras needs a backend, and none is installed. Install one: pip install tensorflow"
    )


def check_backend(name: str, where: str) -> None:
    """Reject a backend that textgen does not support or that is not installed.

    Args:
        where: how it was chosen, to begin the message.
    """
    if name not in BACKENDS:
        raise BackendError(
            f"{where}: textgen does not support this backend. Use tensorflow (the "
            "default), jax or torch."
        )
    if not is_installed(name):
        raise BackendError(
            f"{where}: {name} is not installed. Install it: {how_to_install(name)}"
        )
    if not _has_directory(name):
        raise BackendError(
            f"{where}: PyTorch cannot run here, because the working directory has been "
            "deleted. Change to another one, or use another backend."
        )


def is_installed(name: str) -> bool:
    """Whether a framework can be imported; it is not tried."""
    if name in sys.modules:
        return sys.modules[name] is not None
    spec = find_spec(name)
    # An empty folder, which may remain of an installation, has no origin.
    return spec is not None and spec.origin is not None


def _has_directory(name: str) -> bool:
    """False for PyTorch without a working directory: oneMKL would end the process."""
    try:
        return name != "torch" or bool(os.getcwd())
    except FileNotFoundError:
        return False


def how_to_install(name: str) -> str:
    """The command that installs a backend."""
    return "pip install tensorflow" if name == DEFAULT else install_command(name)


def _keras_json() -> dict[str, Any]:
    folder = _keras_home()
    try:
        found = json.loads((folder / "keras.json").read_bytes()) if folder else None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keras_home() -> Path | None:
    """Where Keras will look for its settings; None without a home directory."""
    if (named := os.environ.get("KERAS_HOME")) is not None:
        return Path(os.path.expanduser(named))
    place = home()
    if place is None:
        return None
    return (place if os.access(place, os.W_OK) else Path("/tmp")) / ".keras"
