"""Rate and decay of a new run: those that are given, or those that suit Muon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from textgen.checkpoint.runs import RunDirectory
from textgen.config.sizes import muon_options
from textgen.training.task.new import new_task
from textgen.training.task.task import Task

pytestmark = pytest.mark.one_backend


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def task_of(folder: Path, num_chars: int, **options: Any) -> Task:
    path = folder / "text.txt"
    path.write_text("abcdefghi\n" * (num_chars // 10), encoding="utf-8")
    return new_task(path, RunDirectory(folder / "run"), "auto", options)


@pytest.mark.parametrize("passes", [2, 12])
def test_muon_has_rate_and_decay_for_its_text_and_run(tmp_path: Path, passes: int) -> None:
    task = task_of(tmp_path, 200_000, optimizer="muon", epochs=passes)
    num_chars = task.num_chars[0]
    options = muon_options(num_chars, passes * num_chars)
    rate, decay = task.train.learning_rate, task.model.weight_decay
    assert options == {"learning_rate": rate, "weight_decay": decay}
    note = f"Chosen for Muon on this text: --learning-rate {rate} --weight-decay {decay}."
    assert note in task.notes


def test_it_is_the_same_by_default_and_by_hand(tmp_path: Path) -> None:
    tasks = [
        task_of(tmp_path, 200_000, epochs=2, **options)
        for options in ({}, {"optimizer": "muon"})
    ]
    assert tasks[0].train == tasks[1].train


@pytest.mark.parametrize(
    ("num_chars", "options", "chars_read"),
    [
        # About 2,000 steps of 32 lanes of 64 characters.
        (200_000, {}, 4_096_000),
        (200_000, {"batch_size": 8}, 1_024_000),
        # As many passes as little text gets.
        (20_000, {}, 20 * 18_000),
    ],
)
def test_a_run_without_limits_has_the_rate_for_its_usual_length(
    tmp_path: Path, num_chars: int, options: dict[str, Any], chars_read: float
) -> None:
    task = task_of(tmp_path, num_chars, optimizer="muon", **options)
    rate = muon_options(num_chars, chars_read)["learning_rate"]
    assert task.train.learning_rate == pytest.approx(rate, rel=0.1)


def test_a_run_that_is_short_of_time_has_a_higher_rate(tmp_path: Path) -> None:
    short, long = (
        task_of(tmp_path, 200_000, optimizer="muon", max_minutes=minutes)
        for minutes in (0.001, 1e4)
    )
    assert (short.train.learning_rate, long.train.learning_rate) == (0.03, 0.006)


def test_a_rate_and_a_decay_that_are_given_stay(tmp_path: Path) -> None:
    options = {"optimizer": "muon", "epochs": 2, "learning_rate": 0.01, "weight_decay": 0.0}
    task = task_of(tmp_path, 200_000, **options)
    assert (task.train.learning_rate, task.model.weight_decay) == (0.01, 0.0)
    assert not any("For muon" in note for note in task.notes)
