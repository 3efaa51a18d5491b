"""What a run says of itself while it trains, and why it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import textgen
from tests.training.helpers import SMALL, rows_of
from textgen.checkpoint.previews import read_previews
from textgen.checkpoint.status import Status, read_status
from textgen.errors import TrainingError
from textgen.training.backend.keras import load_keras
from textgen.training.loop.status import Speed

keras = load_keras()

pytestmark = pytest.mark.one_backend


def test_speed_counts_from_the_second_step_and_survives_a_pause() -> None:
    speed = Speed(window_chars=100)
    speed.add(now=10.0, step=1)
    assert speed.chars_per_second == 0
    speed.add(now=12.0, step=5)
    assert speed.chars_per_second == 200
    speed.restart()
    speed.add(now=50.0, step=6)
    assert speed.chars_per_second == 200
    speed.add(now=51.0, step=7)
    assert speed.chars_per_second == 100


def status_of(run: Path) -> Status:
    status = read_status(run / "status.json")
    assert status is not None
    return status


class Act(keras.callbacks.Callback):  # type: ignore[misc]
    """Do something after the first evaluation."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self.act = act

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.act(self.model)


def stop(model: Any) -> None:
    model.stop_training = True


def fail(error: BaseException) -> Any:
    def act(model: Any) -> None:
        raise error

    return act


def test_a_run_keeps_why_it_ended_and_forgets_it_when_it_goes_on(
    book: Path, tmp_path: Path
) -> None:
    run, seen = tmp_path / "run", []
    textgen.train(book, run, callbacks=[Act(stop)], epochs=4, eval_every=60, **SMALL)
    status = status_of(run)
    assert status.ended == "callback"
    assert 0 < status.share_used < 1
    assert status.step == int(rows_of(run)[-1]["step"])
    assert status.bits_per_char is not None
    watch = Act(lambda model: seen.append(status_of(run).ended))
    textgen.train(book, run, resume=True, callbacks=[watch], quiet=True)
    assert set(seen) == {None}
    assert status_of(run).ended == "epochs"
    assert status_of(run).ended_shown.startswith("all epochs were done, after")


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (TrainingError("the loss is nan"), "diverged"),
        (ValueError("in a callback"), "error"),
    ],
)
def test_what_ends_a_run_early_is_kept_too(
    book: Path, tmp_path: Path, error: BaseException, ended: str
) -> None:
    with pytest.raises(type(error)):
        textgen.train(book, tmp_path / "run", callbacks=[Act(fail(error))], **SMALL)
    assert status_of(tmp_path / "run").ended == ended


@pytest.mark.parametrize(
    ("options", "ended"),
    [
        ({"epochs": 1}, "epochs"),
        ({"max_minutes": 0.01}, "time"),
        ({"patience": 1, "learning_rate": 1e-12, "eval_every": 5}, "patience"),
    ],
)
def test_the_limit_that_ends_a_run_is_kept(
    book: Path, tmp_path: Path, options: dict[str, Any], ended: str
) -> None:
    run = textgen.train(book, tmp_path / "run", **{**SMALL, **options})
    assert status_of(run).ended == ended


def test_a_run_without_the_file_of_its_status_trains_on(book: Path, tmp_path: Path) -> None:
    """Something in the way of the file, which no rename can replace."""
    run = tmp_path / "run"

    def block(model: Any) -> None:
        (run / "status.json").unlink(missing_ok=True)
        (run / "status.json").mkdir(exist_ok=True)

    textgen.train(book, run, callbacks=[Act(block)], epochs=2, **SMALL)
    assert read_status(run / "status.json") is None
    assert rows_of(run)


def test_a_quiet_run_keeps_its_previews_unless_there_shall_be_none(
    book: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runs = [
        textgen.train(book, tmp_path / str(preview), preview=preview, epochs=2, **SMALL)
        for preview in (True, False)
    ]
    with_previews, without = (read_previews(run / "previews.jsonl") for run in runs)
    assert [each.step for each in with_previews] == [
        int(r["step"]) for r in rows_of(runs[0])
    ]
    assert all(each.text for each in with_previews)
    assert without == []
    assert capfd.readouterr().err == ""
