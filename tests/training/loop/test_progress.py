"""What is stored of a run comes back, and nothing else is taken for it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from textgen.errors import CheckpointError
from textgen.training.loop.progress import COLUMNS, Progress

ROW = dict.fromkeys(COLUMNS, 1.5)
PROGRESS = Progress(9, 2.5, 1.25, 6, 1, 0.5, [{**ROW, "step": 9}])


def test_progress_comes_back_as_it_was() -> None:
    assert Progress.from_dict(PROGRESS.to_dict()) == PROGRESS
    assert Progress.from_dict(Progress().to_dict()) == Progress()


def test_the_names_in_the_file_are_those_of_the_first_version() -> None:
    """A run that an earlier textgen has begun can be resumed."""
    stored = {"step": 9, "seconds": 2.5, "best_score": 1.25, "best_step": 6, "waits": 1}
    later = {"rows": [{**ROW, "step": 9}], "eval_seconds": 0.5}
    assert PROGRESS.to_dict() == {**stored, **later}
    assert Progress.from_dict({**stored, "rows": []}).evals_since_best == 1


WRONG: dict[str, list[Any]] = {
    "step": [-1, 1.0, True, "1", None, [1]],
    "best_step": [-1, 1.0, True, "1", None],
    "waits": [-1, 1.0, True, "1", None],
    "seconds": [-1, True, "1", None, math.nan, math.inf],
    "eval_seconds": [-1, True, "1", None, math.nan, math.inf],
    "best_score": [True, "1", math.nan, -math.inf, [1]],
    "rows": [
        *(None, {}, "", [1], [[]], [{}]),
        *([{**ROW, "more": 1}], [ROW, {**ROW, "step": "1"}], [{**ROW, "epoch": None}]),
        *([{**ROW, "seconds": math.nan}], [{**ROW, "epoch": True}], [{"step": 1}]),
    ],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]]
)
def test_a_value_that_no_run_has_is_refused(name: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match="the stored training state is damaged"):
        Progress.from_dict({**PROGRESS.to_dict(), name: value})


@pytest.mark.parametrize("name", [*PROGRESS.to_dict()])
def test_names_too_many_or_too_few_are_refused(name: str) -> None:
    data = PROGRESS.to_dict()
    with pytest.raises(CheckpointError):
        Progress.from_dict({**data, f"{name}s": 1})
    del data[name]
    if name == "eval_seconds":  # which earlier runs do not have
        assert Progress.from_dict(data).eval_seconds == 0
        return
    with pytest.raises(CheckpointError):
        Progress.from_dict(data)
