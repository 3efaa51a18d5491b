"""What `fit` and `evaluate` are handed on either backend."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from textgen.text.encoded.windows import evaluation_windows, windows
from textgen.training.backend.keras import load_keras
from textgen.training.loop.datasets import endless, held_out

keras = load_keras()
IDS = np.arange(100, dtype="uint8")


def batches(data: Any) -> list[tuple[np.ndarray, ...]]:
    if isinstance(data, keras.utils.PyDataset):
        return [data[number] for number in range(len(data))]
    return [tuple(map(np.asarray, batch)) for batch in data]


@pytest.mark.parametrize("start", [0, 3, 11])
def test_training_begins_at_the_step_asked_for_and_goes_round(start: int) -> None:
    lanes = windows(IDS, batch_size=3, seq_length=4)
    num_steps = 2 * len(lanes)
    data = itertools.islice(iter(endless(lanes, start)), num_steps)
    expected = list(itertools.islice(lanes.forever(start), num_steps))
    for batch, (x, y) in zip(data, expected, strict=True):
        np.testing.assert_array_equal(batch[0], x)
        np.testing.assert_array_equal(batch[1], y)


def test_every_evaluation_reads_all_windows_from_the_first() -> None:
    lanes = evaluation_windows(IDS, 3, 4, IDS[:20])
    data = held_out(lanes)
    for _ in range(2):
        read = batches(data)
        assert len(read) == len(data) == len(lanes)
        for number, batch in enumerate(read):
            for array, expected in zip(batch, lanes[number], strict=True):
                np.testing.assert_array_equal(array, expected)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow's datasets tune"
)
def test_nothing_is_left_to_tune_for_which_fit_would_wait() -> None:
    data = [
        endless(windows(IDS, 3, 4), 0),
        held_out(evaluation_windows(IDS, 3, 4, IDS[:20])),
    ]
    assert [dataset.options().autotune.enabled for dataset in data] == [False, False]
