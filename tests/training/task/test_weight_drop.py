"""What keeps the text of a new run from being memorised: weight drop and weight decay."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from textgen.checkpoint.runs import RunDirectory
from textgen.config.sizes import (
    DECAY_FOR_MANY,
    LEAST_DROPPED_CHARS,
    MOST_DROP,
    PATIENCE_WITH_WEIGHT_DROP,
    weight_drop_for,
)
from textgen.training.task.new import new_task
from textgen.training.task.task import Task

pytestmark = pytest.mark.one_backend


def task_of(folder: Path, num_chars: int, size: str = "auto", **options: Any) -> Task:
    path = folder / "text.txt"
    path.write_text("abcdefghi\n" * (num_chars // 10), encoding="utf-8")
    return new_task(path, RunDirectory(folder / "run"), size, options)


@pytest.mark.parametrize(
    ("num_chars", "options", "is_dropped"),
    [
        (200_000, {"epochs": 40, "optimizer": "muon"}, True),
        (200_000, {"epochs": 40, "optimizer": "adamw", "size": "small"}, False),
        (200_000, {"epochs": 400, "optimizer": "adamw"}, True),
        (200_000, {"epochs": 2, "optimizer": "muon"}, False),
        (200_000, {"epochs": 40, "optimizer": "muon", "size": "tiny"}, False),
        # As often as little text is read by default, and more often.
        (20_000, {}, False),
        (20_000, {"epochs": 60}, True),
        (5_000, {"epochs": 60}, False),
    ],
    ids=str,
)
def test_a_text_that_would_be_memorised_gets_weight_drop(
    tmp_path: Path, num_chars: int, options: dict[str, Any], is_dropped: bool
) -> None:
    task = task_of(tmp_path, num_chars, **options)
    share = task.model.weight_drop
    assert (share > 0) == is_dropped
    assert task.train.patience == (PATIENCE_WITH_WEIGHT_DROP if is_dropped else 5)
    notes = [note for note in task.notes if "weight-drop" in note]
    passes = options.get("epochs")
    assert notes == is_dropped * [
        f"Chosen to keep this text from being memorised in {passes} passes: "
        f"--weight-drop {share} --patience {PATIENCE_WITH_WEIGHT_DROP}."
    ]


def test_the_more_there_is_to_memorise_the_more_is_dropped() -> None:
    def share(num_chars: int, passes: float, num_weights: int) -> float:
        return weight_drop_for(num_chars, passes * num_chars, num_weights, "muon")

    usual = share(200_000, 30, 350_000)
    assert share(200_000, 60, 350_000) > usual > 0
    assert share(200_000, 30, 900_000) > usual
    assert share(400_000, 30, 350_000) < usual
    assert share(LEAST_DROPPED_CHARS, 1e6, 350_000) == MOST_DROP
    # How many passes there will be is not known.
    assert share(LEAST_DROPPED_CHARS, math.inf, 350_000) == 0


def test_a_patience_that_is_given_stays(tmp_path: Path) -> None:
    task = task_of(tmp_path, 200_000, optimizer="muon", epochs=40, patience=3)
    assert task.model.weight_drop > 0
    assert task.train.patience == 3
    assert not any("--patience" in note for note in task.notes)


@pytest.mark.parametrize("given", [0.0, 0.1])
def test_a_share_that_is_given_stays(tmp_path: Path, given: float) -> None:
    task = task_of(tmp_path, 200_000, optimizer="muon", epochs=40, weight_drop=given)
    assert task.model.weight_drop == given
    assert not any("weight-drop" in note for note in task.notes)


def test_a_weight_drop_that_is_given_leaves_the_patience(tmp_path: Path) -> None:
    task = task_of(tmp_path, 200_000, optimizer="muon", epochs=40, weight_drop=0.0)
    assert (task.model.weight_drop, task.train.patience) == (0.0, 5)


# --- weight decay ---


def chinese(folder: Path, **options: Any) -> Task:
    """A new run on little text of many different characters."""
    path = folder / "text.txt"
    path.write_text("".join(chr(0x4E00 + 7 * n % 1499) for n in range(20_000)), "utf-8")
    return new_task(path, RunDirectory(folder / "run"), "auto", options)


def test_rows_for_many_characters_are_held_back_with_adamw(tmp_path: Path) -> None:
    task = chinese(tmp_path)
    assert task.model.weight_decay == DECAY_FOR_MANY
    assert [note for note in task.notes if "weight-decay" in note] == [
        "Chosen to keep this text from being memorised in 20 passes: "
        f"--weight-decay {DECAY_FOR_MANY}."
    ]


@pytest.mark.parametrize(
    "options", [{"weight_decay": 0.0}, {"optimizer": "adam"}, {"epochs": 4}], ids=str
)
def test_a_decay_that_is_given_or_not_needed_stays(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    task = chinese(tmp_path, **{"optimizer": "adamw", **options})
    assert task.model.weight_decay == 0
    assert not any("weight-decay" in note for note in task.notes)


@pytest.mark.parametrize("options", [{}, {"units": 16}, {"conv": 16}], ids=str)
def test_few_different_characters_need_no_decay_with_adamw(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    assert task_of(tmp_path, 20_000, **options).model.weight_decay == 0
