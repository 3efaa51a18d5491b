"""What a person reads while a model learns."""

from __future__ import annotations

from pathlib import Path

import pytest

import textgen
from tests.training.helpers import SMALL
from textgen.checkpoint.previews import read_previews
from textgen.training.loop import report as report_module
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


@pytest.mark.parametrize(("seconds", "is_always_printed"), [(0, True), (3600, False)])
def test_a_preview_is_not_printed_soon_after_the_last(
    seconds: float,
    is_always_printed: bool,
    book: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_module, "PREVIEW_SECONDS", seconds)
    options = {**SMALL, "quiet": False, "epochs": 1, "eval_every": 20}
    run = textgen.train(book, tmp_path / "run", **options)
    _, *said = capsys.readouterr().err.split("\nepoch ")
    kept = read_previews(run / "previews.jsonl")
    assert len(kept) == len(said) > 2
    first_lines = [f"\n    | {each.text.splitlines()[0]}" for each in kept]
    printed = [line in part for line, part in zip(first_lines, said, strict=True)]
    assert printed == [True, *[is_always_printed] * (len(kept) - 1)]
