"""What `fit` and `evaluate` read: windows, handed over without a wait at the end.

On TensorFlow Keras wraps everything in a `tf.data.Dataset` that tunes itself. Its tuner
wakes at ever longer intervals, up to a minute, and `fit` does not return before the next
one. So on TensorFlow the datasets are made here, with nothing to tune.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from textgen.text.encoded.windows import EvaluationWindows, Windows
from textgen.training.backend.keras import load_keras

if TYPE_CHECKING:
    import keras  # mypy accepts base classes from a module, not from a variable
else:
    keras = load_keras()


def endless(windows: Windows, start: int) -> Any:
    """Windows to train on, pass after pass, for one call of `fit`.

    Args:
        windows: at least one.
        start: the number of the first step.

    Returns:
        batches `(x, y)`, both `(batch_size, seq_length)` int32.
    """
    if keras.backend.backend() != "tensorflow":
        return windows.forever(start)
    return _dataset(lambda: windows.forever(start), like=windows[0][:2])


def held_out(lanes: EvaluationWindows) -> Any:
    """Windows to evaluate on, from the first to the last each time.

    Returns:
        batches `(x, y, weight)`, each `(batch_size, seq_length)`.
    """
    windows = HeldOut(lanes)
    if keras.backend.backend() != "tensorflow":
        return windows
    import tensorflow as tf

    dataset = _dataset(lambda: map(windows.__getitem__, range(len(lanes))), windows[0])
    return dataset.apply(tf.data.experimental.assert_cardinality(len(lanes)))


class HeldOut(keras.utils.PyDataset):
    """Evaluation windows for Keras, which reads them from the first to the last each time.

    A generator would not do: Keras reads ahead of it, so that the next evaluation
    would begin somewhere else.
    """

    def __init__(self, lanes: EvaluationWindows) -> None:
        super().__init__()
        self.lanes = lanes

    def __len__(self) -> int:
        return len(self.lanes)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The window `(x, y, weight)` number `index`."""
        x, y, weight = self.lanes[index]
        assert weight is not None  # evaluation windows always have one
        return x, y, weight


def _dataset(
    batches: Callable[[], Iterable[tuple[np.ndarray, ...]]], like: tuple[Any, ...]
) -> Any:
    """A dataset that reads one batch ahead; each reading of it calls `batches` anew."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in like)
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return dataset.prefetch(1).with_options(options)
