"""A resumed run ends as an uninterrupted one, or is refused with the reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from tests.training.helpers import INTERRUPTED, SMALL, rows_of
from textgen.checkpoint.format import (
    TrainingState,
    load_checkpoint,
    load_training_state,
    save_checkpoint,
)
from textgen.checkpoint.runs import RunDirectory
from textgen.errors import (
    CheckpointError,
    ConfigError,
)
from textgen.training.distributed.peers import Peers
from textgen.training.loop import fit as fit_module
from textgen.training.loop.progress import Progress
from textgen.training.task.resume import resumed_task
from textgen.training.task.task import Task


# In the first round, at the end of a round, inside a later one: the last has most to
# take up again, and what a backend could lose.
@pytest.mark.parametrize(
    "stop_at", [*(pytest.param(n, marks=pytest.mark.one_backend) for n in (3, 24)), 31]
)
@pytest.mark.slow
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    book: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    stop_after(monkeypatch, stop_at)
    with pytest.raises(KeyboardInterrupt):
        textgen.train(book, tmp_path / "halves", **INTERRUPTED)
    monkeypatch.undo()
    stopped = load_training_state(tmp_path / "halves" / "last").values["state"]
    assert stopped["step"] == stop_at
    halves = textgen.train(book, tmp_path / "halves", resume=True, quiet=True)

    untimed = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in rows_of(run)]
        for run in (whole, halves)
    ]
    assert untimed[0] == untimed[1]
    last = load_checkpoint(halves / "last").weights
    for name, array in load_checkpoint(whole / "last").weights.items():
        np.testing.assert_array_equal(last[name], array)


@pytest.mark.slow
@pytest.mark.one_backend
def test_a_run_with_lars_is_resumed_bit_for_bit(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**INTERRUPTED, "optimizer": "lars", "learning_rate": 10}
    whole = textgen.train(book, tmp_path / "whole", **options)
    stop_after(monkeypatch, 31)
    with pytest.raises(KeyboardInterrupt):
        textgen.train(book, tmp_path / "halves", **options)
    monkeypatch.undo()
    halves = textgen.train(book, tmp_path / "halves", resume=True, quiet=True)
    last = load_checkpoint(halves / "last").weights
    for name, array in load_checkpoint(whole / "last").weights.items():
        np.testing.assert_array_equal(last[name], array)


# What a backend could do wrong shows above, and in groups in `test_accumulating.py`.
@pytest.mark.slow
@pytest.mark.one_backend
def test_a_run_goes_on_with_its_lanes_in_groups(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**INTERRUPTED, "dropout": 0.0}
    whole = textgen.train(book, tmp_path / "whole", **options)
    stop_after(monkeypatch, 31)
    with pytest.raises(KeyboardInterrupt):
        textgen.train(book, tmp_path / "halves", **options)
    monkeypatch.undo()
    halves = textgen.train(book, tmp_path / "halves", resume=True, accumulate=2, quiet=True)
    for ours, theirs in zip(rows_of(halves), rows_of(whole), strict=True):
        for name in ("step", "learning_rate", "train_bits_per_char", "val_bits_per_char"):
            assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=1e-4)


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Make training believe that a person pressed Ctrl-C in the step before `steps`."""
    real, load = fit_module.StopOnRequest, fit_module.stored_progress
    seen: list[Progress] = []

    def stored_progress(task: Task, peers: Peers) -> Progress:
        seen.append(load(task, peers))
        return seen[-1]

    monkeypatch.setattr(fit_module, "stored_progress", stored_progress)
    monkeypatch.setattr(
        fit_module, "StopOnRequest", lambda _: real(lambda: seen[-1].step >= steps)
    )


def change_last(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write `last` anew with other arrays of its training state."""
    state = load_training_state(run / "last")
    arrays = dict(state.arrays)
    change(arrays)
    saved = load_checkpoint(run / "last")
    save_checkpoint(run / "last", saved, TrainingState(state.values, arrays))


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "wrong", [{"metrics.0": np.zeros(3, np.float32)}, {"metrics.9": np.float32(1)}]
)
def test_metrics_that_do_not_fit_are_a_clear_error(
    book: Path, trained: Path, wrong: dict[str, Any]
) -> None:
    change_last(trained, lambda arrays: arrays.update(wrong))
    with pytest.raises(CheckpointError, match=r"metrics\.0 of the training state is"):
        textgen.train(book, trained, resume=True, epochs=2, quiet=True)


@pytest.mark.slow
@pytest.mark.one_backend
def test_fewer_metrics_than_there_are_is_a_clear_error(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    stop_after(monkeypatch, 31)
    with pytest.raises(KeyboardInterrupt):
        textgen.train(book, run, **INTERRUPTED)
    monkeypatch.undo()
    for num_left in (2, 0):

        def forget(arrays: dict[str, Any], num_left: int = num_left) -> None:
            for name in sorted(n for n in arrays if n.startswith("metrics."))[num_left:]:
                del arrays[name]

        change_last(run, forget)
        expected = rf"training state has {num_left} means, not"
        with pytest.raises(CheckpointError, match=expected):
            textgen.train(book, run, resume=True, quiet=True)


@pytest.mark.one_backend
@pytest.mark.usefixtures("charts")
def test_a_row_that_a_crash_kept_out_of_the_table_is_added_on_resume(
    book: Path, trained: Path
) -> None:
    table = (trained / "history.csv").read_bytes()
    for left in (None, table.splitlines(keepends=True)[0]):
        (trained / "history.csv").unlink()
        (trained / "history.png").unlink()
        if left is not None:
            (trained / "history.csv").write_bytes(left)
        textgen.train(book, trained, resume=True, quiet=True)
        assert (trained / "history.csv").read_bytes() == table
        assert (trained / "history.png").exists()


@pytest.mark.one_backend
@pytest.mark.slow
def test_a_best_that_somebody_removed_is_written_again(book: Path, trained: Path) -> None:
    before = rows_of(trained)
    shutil.rmtree(trained / "best")
    textgen.train(book, trained, resume=True, epochs=2, quiet=True)
    assert load_checkpoint(trained / "best").facts["score"]["step"] > int(
        before[-1]["step"]
    )


@pytest.mark.one_backend
@pytest.mark.slow
def test_a_best_between_two_renames_is_still_the_best(book: Path, trained: Path) -> None:
    before = load_checkpoint(trained / "best").facts["score"]
    saved, state = load_checkpoint(trained / "last"), load_training_state(trained / "last")
    # So good that no later one is better.
    values = {**state.values, "state": {**state.values["state"], "best_score": 0.0}}
    save_checkpoint(trained / "last", saved, TrainingState(values, state.arrays))
    (trained / "best").rename(trained / ".best.old")
    textgen.train(book, trained, resume=True, epochs=2, quiet=True)
    assert load_checkpoint(trained / "best").facts["score"] == before


@pytest.mark.slow
@pytest.mark.one_backend
def test_going_on_with_another_backend_is_told(
    book: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, state = load_checkpoint(trained / "last"), load_training_state(trained / "last")
    facts = {**saved.facts, "backend": "another"}
    save_checkpoint(trained / "last", replace(saved, facts=facts), state)
    textgen.train(book, trained, resume=True, epochs=2, preview=False)
    note = (
        "This run was trained on another before: it continues, but not bit for bit as it "
        "would have there.\n"
    )
    assert capsys.readouterr().err.count(note) == 1


@pytest.mark.slow
@pytest.mark.one_backend
def test_a_type_that_no_kernel_can_take_may_be_repeated_on_resume(
    book: Path, tmp_path: Path
) -> None:
    options = {**SMALL, "cell": "rnn", "compute_dtype": "bfloat16"}
    run = textgen.train(book, tmp_path / "run", epochs=1, **options)
    assert load_checkpoint(run).facts["train"]["compute_dtype"] == "bfloat16"
    textgen.train(book, run, resume=True, epochs=2, **options)
    assert rows_of(run)[-1]["epoch"] == "2.0"


@pytest.mark.one_backend
def test_resuming_with_other_options_or_text_names_the_difference(
    book: Path, tmp_path: Path, trained: Path
) -> None:
    run = trained
    with pytest.raises(ConfigError, match=r"units=32 \(was 16\)"):
        textgen.train(book, run, resume=True, units=32)
    book.write_text(book.read_text() + "One more line.\n")
    with pytest.raises(CheckpointError, match=r"trained on another text"):
        textgen.train(book, run, resume=True)


@pytest.mark.one_backend
def test_a_limit_that_no_longer_holds_is_named(book: Path, trained: Path) -> None:
    def notes(**options: Any) -> list[str]:
        task = resumed_task(book, RunDirectory(trained), options)
        return [note for note in task.notes if "limited" in note]

    expected = "The run is now limited by --max-minutes 3 alone, no longer by --epochs 1."
    assert notes(max_minutes=3.0) == [expected]
    assert notes(max_minutes=3.0, epochs=None) == [expected]
    for kept in ({}, {"epochs": 2}, {"epochs": 2, "max_minutes": 3.0}):
        assert notes(**kept) == []


@pytest.mark.slow
@pytest.mark.one_backend
def test_a_finished_run_goes_on_with_more_epochs(
    book: Path, tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained
    textgen.train(book, run, resume=True)
    assert "To continue: --resume --epochs 2." in capsys.readouterr().err
    textgen.train(book, run, resume=True, epochs=2, quiet=True)
    steps = [int(row["step"]) for row in rows_of(run)]
    assert steps[-1] > steps[0]
    assert steps == sorted(set(steps))


@pytest.mark.one_backend
def test_a_finished_run_without_its_best_has_nothing_left_to_do(
    book: Path, tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(trained / "best")
    textgen.train(book, trained, resume=True)
    assert "Training is complete" in capsys.readouterr().err


# --- the test text ---


@pytest.mark.slow
@pytest.mark.one_backend
def test_a_finished_run_without_its_best_has_no_test_score(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = textgen.train(book, tmp_path / "run", epochs=1, test_fraction=0.1, **SMALL)
    shutil.rmtree(run / "best")
    # There are no best weights to score it with, which is no fault of the run.
    assert textgen.train(book, run, resume=True) == run
    assert "Training is complete" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["state", "arrays"])
@pytest.mark.one_backend
def test_a_damaged_training_state_is_a_clear_error(
    book: Path, tmp_path: Path, trained: Path, damage: str
) -> None:
    run = trained
    state = load_training_state(run / "last")
    values, arrays = dict(state.values), dict(state.arrays)
    if damage == "state":
        del values["state"]
    else:
        del arrays["optimizer.3"]
    save_checkpoint(
        run / "last", load_checkpoint(run / "last"), TrainingState(values, arrays)
    )
    with pytest.raises(CheckpointError, match=r"training state is"):
        textgen.train(book, run, resume=True, epochs=2, quiet=True)
