"""Let Keras find this package's layers, without importing Keras.

`keras.models.load_model` finds a class of another package only if it has been registered,
so `import textgen` has to register the layers. They subclass Keras' own, and importing
Keras takes seconds. Therefore they are registered when Keras is imported, whoever
imports it, or at once if it has been imported before.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

KERAS = "keras"
LOADED = "textgen.training.backend.loaded"
LAYERS = "textgen.training.model"


def register_with_keras() -> None:
    """Register the layers as soon as Keras has been imported."""
    if KERAS in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras:
    """A finder of modules that registers the layers after Keras' own code has run."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where to find Keras, as the other finders say; None for every other module."""
        if name != KERAS:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            _register_after(spec.loader)
        return spec


def _register_after(loader: object) -> None:
    execute = loader.exec_module  # type: ignore[attr-defined]

    def execute_and_register(module: ModuleType) -> None:
        execute(module)
        _register()

    loader.exec_module = execute_and_register  # type: ignore[attr-defined]


def _register() -> None:
    # If this package is importing Keras, it imports the layers next.
    if LOADED not in sys.modules and _has_supported_backend():
        import_module(LAYERS)


def _has_supported_backend() -> bool:
    choice = import_module("textgen.training.backend.choice")
    return sys.modules[KERAS].backend.backend() in choice.BACKENDS
