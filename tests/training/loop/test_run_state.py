"""What is stored of a run comes back, and nothing else is taken for it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from textgen.errors import CheckpointError
from textgen.training.loop.run_state import COLUMNS, RunState

ROW = dict.fromkeys(COLUMNS, 1.5)
STATE = RunState(9, 2.5, 1.25, 6, 1, [{**ROW, "step": 9}])


def test_a_state_comes_back_as_it_was() -> None:
    assert RunState.from_dict(STATE.to_dict()) == STATE
    assert RunState.from_dict(RunState().to_dict()) == RunState()


WRONG: dict[str, list[Any]] = {
    "step": [-1, 1.0, True, "1", None, [1]],
    "best_step": [-1, 1.0, True, "1", None],
    "waits": [-1, 1.0, True, "1", None],
    "seconds": [-1, True, "1", None, math.nan, math.inf],
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
        RunState.from_dict({**STATE.to_dict(), name: value})


@pytest.mark.parametrize("name", [*STATE.to_dict()])
def test_names_too_many_or_too_few_are_refused(name: str) -> None:
    data = STATE.to_dict()
    with pytest.raises(CheckpointError):
        RunState.from_dict({**data, f"{name}s": 1})
    del data[name]
    with pytest.raises(CheckpointError):
        RunState.from_dict(data)
