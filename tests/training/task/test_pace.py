"""The minutes that a person gives decide the size of the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from textgen.checkpoint.runs import RunDirectory
from textgen.config.model import ModelConfig
from textgen.config.sizes import SIZES
from textgen.training.backend import speed
from textgen.training.backend.choice import (
    AUTO,
    BACKENDS,
    choose_backend,
    expected_backend,
)
from textgen.training.backend.speed import chars_per_second
from textgen.training.task.new import new_task
from textgen.training.task.pace import minutes_to_read, readable_chars
from textgen.training.task.task import Task

pytestmark = pytest.mark.one_backend


def task_of(folder: Path, num_chars: int, **options: Any) -> Task:
    path = folder / "text.txt"
    path.write_text("abcdefghi\n" * (num_chars // 10), encoding="utf-8")
    return new_task(path, RunDirectory(folder / "run"), "auto", options)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", ""))


@pytest.mark.parametrize(
    ("minutes", "units", "num_layers"),
    [(0.001, 128, 1), (10_000.0, 512, 2), (None, 256, 2)],
)
def test_the_minutes_decide_what_size_a_text_gets(
    tmp_path: Path, minutes: float | None, units: int, num_layers: int
) -> None:
    model = task_of(tmp_path, 1_000_000, max_minutes=minutes).model
    assert (model.units, model.num_layers) == (units, num_layers)


def test_many_minutes_make_no_large_network_for_little_text(tmp_path: Path) -> None:
    task = task_of(tmp_path, 100_000, max_minutes=10_000.0)
    assert task.model.units == SIZES["small"]["units"]
    assert task.model.dropout == SIZES["small"]["dropout"]


def test_text_that_is_hardly_read_twice_gets_no_dropout(tmp_path: Path) -> None:
    task = task_of(tmp_path, 1_000_000, max_minutes=0.001)
    assert task.model.dropout == 0
    assert "with time to read it 0.0 times" in " ".join(task.notes)


def test_options_that_are_given_are_kept_whatever_the_minutes(tmp_path: Path) -> None:
    given = {"units": 16, "num_layers": 3, "dropout": 0.2}
    model = task_of(tmp_path, 1_000_000, max_minutes=0.001, **given).model
    assert {name: getattr(model, name) for name in given} == given


def test_what_is_read_in_some_minutes_takes_these_minutes() -> None:
    model = ModelConfig(vocab_size=65, units=96, num_layers=1)
    backend = expected_backend(AUTO, model)
    read = readable_chars(model, 3.0, given=("units", "num_layers"))
    assert len(set(read.values())) == 1
    assert minutes_to_read(read["tiny"], model, backend) == pytest.approx(3)


def test_the_backend_whose_speed_is_foreseen_is_the_one_that_trains() -> None:
    model = ModelConfig(vocab_size=65)
    choose_backend(AUTO, model)
    assert os.environ["KERAS_BACKEND"] == expected_backend(AUTO, model)


def test_a_cell_without_a_kernel_is_expected_to_be_slower() -> None:
    fast, slow = (
        ModelConfig(vocab_size=65, recurrent_dropout=rate, units=64) for rate in (0.0, 0.1)
    )
    assert chars_per_second(slow, "jax") < chars_per_second(fast, "jax")


@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_tiles_of_bfloat16_are_expected_to_be_faster(
    monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    monkeypatch.setattr(speed, "has_tiles", lambda: True)
    large = ModelConfig(vocab_size=65, units=512)
    for backend in BACKENDS:
        exact = chars_per_second(large, backend, "float32")
        assert chars_per_second(large, backend, dtype) > 1.15 * exact


def test_a_processor_without_tiles_is_expected_to_stay_with_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speed, "has_tiles", lambda: False)
    large = ModelConfig(vocab_size=65, units=512)
    assert chars_per_second(large, "torch") == chars_per_second(large, "torch", "float32")
