"""float32 everywhere, whatever `keras.json` or a script has chosen as Keras' default.

What takes an argument `dtype` (layers, the loss, metrics) is given `DTYPE`, so a model is
float32 wherever it is used. Keras leaves no choice for the learning rate, the mean of the
loss and the loss of a step: they have the type `keras.config.floatx()`, which
`float32_by_default` sets.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from textgen.training.backend.loaded import keras

DTYPE = "float32"
"""The type of weights, states, losses and scores."""

_lock = threading.Lock()
_before: list[str] = []


@contextmanager
def float32_by_default() -> Iterator[None]:
    """Within this context, Keras' default type is float32; the old default comes back.

    The default belongs to the whole process. Contexts may be nested, and overlap in
    several threads: the last one that ends restores the default.
    """
    with _lock:
        _before.append(keras.config.floatx())
        keras.config.set_floatx(DTYPE)
    try:
        yield
    finally:
        with _lock:
            found = _before.pop()
            # Only the first one found the default; the others found float32.
            if not _before:
                keras.config.set_floatx(found)
