"""The datasets that `fit` and `evaluate` read: windows of text.

On TensorFlow, Keras wraps generators in a `tf.data.Dataset` with autotuning. Its tuning
thread sleeps for up to a minute, and `fit` does not return until it wakes. Therefore the
datasets are built here, without autotuning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from textgen.text.encoded.windows import EvaluationWindows, Windows
from textgen.training.backend.loaded import keras


def endless(windows: Windows, start: int) -> Any:
    """Endless training batches, pass after pass, for one call of `fit`.

    Args:
        windows: at least one.
        start: number of the first step.

    Returns:
        an iterable of batches `(x, y)`, both `(batch_size, seq_length)` int32; and the
        weight of `y` if only completions count.
    """
    if keras.backend.backend() != "tensorflow":
        return windows.forever(start)
    return _dataset(lambda: windows.forever(start), like=next(windows.forever()))


def held_out(lanes: EvaluationWindows) -> Any:
    """Evaluation batches, from the first to the last window each time.

    Returns:
        an iterable of batches `(x, y, weight)`, each `(batch_size, seq_length)`.
    """
    windows = HeldOut(lanes)
    if keras.backend.backend() != "tensorflow":
        return windows
    import tensorflow as tf

    dataset = _dataset(lambda: map(windows.__getitem__, range(len(lanes))), windows[0])
    return dataset.apply(tf.data.experimental.assert_cardinality(len(lanes)))


class HeldOut(keras.utils.PyDataset):
    """Evaluation windows as a Keras dataset.

    Not a generator: Keras reads ahead, so the next evaluation would not start at the
    first window.
    """

    def __init__(self, lanes: EvaluationWindows) -> None:
        super().__init__()
        self.lanes = lanes

    def __len__(self) -> int:
        return len(self.lanes)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The window `(x, y, weight)` number `index`."""
        x, y, weight = self.lanes[index]
        assert weight is not None  # evaluation windows always have weights
        return x, y, weight


def _dataset(
    batches: Callable[[], Iterable[tuple[np.ndarray, ...]]], like: tuple[Any, ...]
) -> Any:
    """A dataset that prefetches one batch; each iteration over it calls `batches` again."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in like)
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return dataset.prefetch(1).with_options(options)
