"""What a person reads while a model learns."""

from __future__ import annotations

from pathlib import Path

import pytest

from textgen.training.loop.progress import Budget, Progress
from textgen.training.loop.report import Report
from textgen.training.loop.status import KeepStatus


def report_once(folder: Path, budget: Budget, before: float = 1.0) -> None:
    """Report the evaluation after 30 steps and 60 seconds; the one before was earlier."""
    row = {"train_bits_per_char": 2.5, "val_bits_per_char": 2.25}
    rows = [{**row, "epoch": epoch} for epoch in (before, 1.5)]
    progress = Progress(step=30, seconds=60.0, best_step=30, rows=rows)
    measures = {"window_chars": 100, "ids_per_char": 1.0, "steps_per_pass": 20}
    status = KeepStatus(folder / "status.json", progress, budget, **measures)
    report = Report(progress, budget, status, preview=None)
    report.on_train_begin()
    report.on_epoch_end(0)
    report.close()


def test_without_a_terminal_each_evaluation_is_one_plain_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_once(tmp_path, Budget(total_steps=40))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "epoch 1.5/2  train 2.500  val 2.250 bits/char  0 chars/s  0:00 left  best so far\n"
    )


@pytest.mark.parametrize("total_steps", [None, 4_000])
def test_epochs_that_the_time_does_not_allow_are_not_shown(
    total_steps: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_once(tmp_path, Budget(total_steps, max_seconds=70.0))
    assert capsys.readouterr().err.startswith("epoch 1.5  train 2.500")


@pytest.mark.parametrize(
    ("before", "shown"), [(1.46, "1.50/2"), (1.496, "1.500/2"), (1.5, "1.5000/2")]
)
def test_two_evaluations_are_not_shown_under_one_epoch(
    before: float, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_once(tmp_path, Budget(total_steps=40), before=before)
    assert capsys.readouterr().err.startswith(f"epoch {shown}  train 2.500")
