"""When a run ends, what it says then, and how it goes on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import textgen
from tests.training.helpers import SMALL, rows_of
from textgen.checkpoint.format import load_checkpoint
from textgen.checkpoint.runs import RunDirectory
from textgen.config.train import TrainConfig
from textgen.errors import TrainingError
from textgen.training.backend.keras import load_keras
from textgen.training.distributed.meeting import Meeting
from textgen.training.distributed.peers import ALONE
from textgen.training.loop.callbacks import Clock, StopOnNan
from textgen.training.loop.finishing import foreseen_seconds
from textgen.training.loop.messages import (
    conclusion,
    introduction,
    nothing_left,
    stopped,
)
from textgen.training.loop.progress import COLUMNS, Budget, Progress
from textgen.training.task.new import new_task
from textgen.training.task.resume import resumed_task
from textgen.training.task.task import Task

keras = load_keras()

# --- which limit counts ---


def test_with_minutes_alone_only_the_time_counts() -> None:
    budget = Budget(total_steps=None, max_seconds=100.0)
    assert budget.share_used(Progress(step=10**9, seconds=25.0)) == 0.25
    assert budget.is_short_of_time(Progress(step=10**9, seconds=25.0))


def test_of_two_limits_the_one_that_is_nearer_counts() -> None:
    budget = Budget(total_steps=100, max_seconds=100.0)
    assert budget.share_used(Progress(step=50, seconds=25.0)) == 0.5
    assert not budget.is_short_of_time(Progress(step=50, seconds=25.0))
    assert budget.share_used(Progress(step=10, seconds=25.0)) == 0.25


def test_the_last_evaluation_is_part_of_the_time() -> None:
    budget = Budget(total_steps=None, max_seconds=100.0)
    assert budget.share_used(Progress(seconds=79.0, eval_seconds=20.0)) == 1
    assert budget.share_used(Progress(seconds=38.0, eval_seconds=20.0)) == 0.5


def test_what_is_foreseen_after_training_is_part_of_the_time() -> None:
    budget = Budget(total_steps=None, max_seconds=100.0, seconds_after=20.0)
    assert budget.share_used(Progress(seconds=40.0)) == 0.5
    assert budget.share_used(Progress(seconds=80.0)) == 1


def test_what_is_fitted_at_the_end_takes_time_that_is_foreseen(task: Task) -> None:
    assert not task.train.calibrate
    nothing, temperature, both = (
        foreseen_seconds(replace(task, train=replace(task.train, **options)))
        for options in ({}, {"calibrate": True}, {"calibrate": True, "memory": 8})
    )
    assert nothing == 0 < temperature < both < 1


def test_the_evaluation_with_calibrated_logits_is_part_of_the_time() -> None:
    budget = Budget(total_steps=None, max_seconds=100.0, evaluations=2)
    assert budget.share_used(Progress(seconds=26.0, eval_seconds=20.0)) == 0.5
    assert budget.share_used(Progress(seconds=52.0, eval_seconds=20.0)) == 1


def test_an_evaluation_longer_than_the_time_leaves_half_of_it_for_training() -> None:
    budget = Budget(total_steps=None, max_seconds=100.0)
    assert budget.share_used(Progress(seconds=25.0, eval_seconds=500.0)) == 0.5


def test_the_first_evaluation_is_estimated_and_the_others_measured() -> None:
    progress = Progress()
    clock = Clock(progress, Budget(total_steps=9), 10**6, Meeting(ALONE, lambda: False))
    clock.set_model(keras.Model())
    clock.on_train_begin()
    clock.on_epoch_begin(0)
    for batch in range(2):
        clock.on_train_batch_end(batch)
    estimated = progress.eval_seconds
    assert estimated > 0
    clock.on_test_begin()
    clock.on_epoch_end(0)
    clock.on_epoch_begin(1)
    assert 0 < progress.eval_seconds < estimated


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("named", "limits"),
    [
        ({}, (1, None)),
        ({"epochs": 7}, (7, None)),
        ({"max_minutes": 2.0}, (None, 2.0)),
        ({"epochs": 7, "max_minutes": 2.0}, (7, 2.0)),
        ({"max_minutes": None}, (28, None)),
    ],
)
def test_a_limit_named_on_resumption_replaces_those_of_the_run(
    book: Path, finished: Path, named: dict[str, Any], limits: tuple[Any, Any]
) -> None:
    train = resumed_task(book, RunDirectory(finished), named).train
    assert (train.epochs, train.max_minutes) == limits


@pytest.mark.one_backend
@pytest.mark.slow
def test_a_run_of_minutes_ends_with_an_evaluation_and_names_no_epochs(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**SMALL, "quiet": False, "preview": False, "max_minutes": 0.02}
    run = textgen.train(book, tmp_path / "run", eval_every=1_000_000, **options)
    shown = capsys.readouterr().err
    assert "for 0.02 minutes at most" in shown
    assert "Reached --max-minutes 0.02 at epoch " in shown
    # A busy machine may overshoot, and then be advised more.
    doubled = "|".join(f"{0.02 * 2**times:g}" for times in range(1, 8))
    advice = rf"--resume --max-minutes ({doubled})\."
    assert re.search(f"It was still improving; go on with {advice}", shown)
    (row,) = rows_of(run)
    # Nowhere "of so many epochs", which would never be reached.
    assert f"epoch {float(row['epoch']):.1f}  train" in shown
    assert load_checkpoint(run).facts["train"]["epochs"] is None
    assert float(row["learning_rate"]) < 0.5 * TrainConfig().learning_rate
    textgen.train(book, run, resume=True)
    assert re.search(f"To continue: {advice}", capsys.readouterr().err)


# --- what is said ---


@pytest.fixture
def task(book: Path, tmp_path: Path) -> Task:
    options = {k: v for k, v in SMALL.items() if k != "quiet"}
    return new_task(book, RunDirectory(tmp_path / "run"), "auto", {**options, "epochs": 2})


def progress_of(task: Task, step: int, waits: int = 0) -> Progress:
    best = step - 10 * waits
    row = {**dict.fromkeys(COLUMNS, 0.0), "step": best, "epoch": best / len(task.windows)}
    return Progress(step, 75.0, 2.345, best, waits, rows=[row])


@pytest.mark.one_backend
def test_the_first_line_says_how_many_minutes_the_epochs_take(task: Task) -> None:
    backend = keras.backend.backend()
    line = introduction(task, Progress(), backend, "float32")
    assert "for 2 epochs at most, about 1 minute. Ctrl-C" in line
    half = replace(progress_of(task, len(task.windows)), seconds=600.0)
    assert "about 10 minutes." in introduction(task, half, backend, "float32")
    limited = replace(task, train=replace(task.train, max_minutes=3.0))
    line = introduction(limited, Progress(), backend, "float32")
    assert "for 2 epochs or 3 minutes at most. Ctrl-C" in line


def test_the_last_line_says_that_the_epochs_are_done(task: Task) -> None:
    steps = 2 * len(task.windows)
    line = conclusion(task, progress_of(task, steps), Budget(steps))
    assert line == (
        "Reached --epochs 2 at epoch 2.0, after 1:15; best score 2.345 bits per character "
        "at epoch 2.0. It was still improving; go on with --resume --epochs 4."
    )
    line = nothing_left(task, progress_of(task, steps), Budget(steps)) or ""
    assert line.endswith("steps and 1:15. To continue: --resume --epochs 4.")


def test_a_time_that_was_too_short_is_called_so(task: Task) -> None:
    limited = replace(task, train=replace(task.train, max_minutes=1.0))
    budget = Budget(2 * len(task.windows), max_seconds=60.0)
    line = conclusion(limited, progress_of(task, step=1), budget)
    assert line.startswith(
        "Reached --max-minutes 1 at epoch 0.0, after 1:15, in 1 step, too few to learn "
        "from; best score"
    )


@pytest.mark.parametrize(
    ("seconds_after", "evaluations", "max_seconds", "is_told"),
    [
        (50.0, 1, 120.0, True),
        (0.0, 2, 120.0, True),
        (0.0, 1, 120.0, False),
        (2.0, 1, 76.0, False),
        (50.0, 1, 74.0, False),
    ],
)
def test_the_last_line_says_what_the_minutes_left_are_for(
    task: Task, seconds_after: float, evaluations: int, max_seconds: float, is_told: bool
) -> None:
    limited = replace(task, train=replace(task.train, max_minutes=max_seconds / 60))
    budget = Budget(None, max_seconds, seconds_after, evaluations)
    progress = replace(progress_of(task, step=20), eval_seconds=40.0)
    line = conclusion(limited, progress, budget)
    told = ", after 1:15 (the rest is reserved for measurements after training); best"
    assert (told in line) == is_told


def test_the_last_line_names_the_limit_of_keras_that_ended_the_run(task: Task) -> None:
    budget = Budget(2 * len(task.windows))
    limits = {"KERAS_MAX_EPOCHS": 1, "KERAS_MAX_STEPS_PER_EPOCH": 5}
    line = conclusion(task, progress_of(task, step=5), budget, limits)
    assert line == (
        "Cut short by KERAS_MAX_EPOCHS=1 and KERAS_MAX_STEPS_PER_EPOCH=5 at epoch 0.1, "
        "after 1:15; best score 2.345 bits per character at epoch 0.1. Unset "
        "KERAS_MAX_EPOCHS and KERAS_MAX_STEPS_PER_EPOCH, then go on with --resume. Scores "
        "are of the first 5 windows only (KERAS_MAX_STEPS_PER_EPOCH)."
    )
    line = conclusion(task, Progress(), budget, {"KERAS_MAX_EPOCHS": 1})
    assert "; there is no score yet. Unset KERAS_MAX_EPOCHS, then" in line


def test_a_limit_of_keras_that_ended_nothing_is_not_named(task: Task) -> None:
    budget, limits = Budget(2 * len(task.windows)), {"KERAS_MAX_EPOCHS": 500}
    done = progress_of(task, 2 * len(task.windows))
    assert conclusion(task, done, budget, limits) == conclusion(task, done, budget)


def test_the_last_line_says_that_nothing_improved(task: Task) -> None:
    progress = progress_of(task, step=100, waits=5)
    line = conclusion(task, progress, Budget(2 * len(task.windows)))
    assert line == (
        "Stopped early at epoch 1.4, after 1:15: 5 evaluations in a row brought no better "
        "score (--patience 5); best score 2.345 bits per character at epoch 0.7. The "
        "weights of that score are kept; to go on all the same: --resume --patience 10."
    )
    line = nothing_left(task, progress, Budget(2 * len(task.windows))) or ""
    assert line.endswith("To go on all the same: --resume --patience 10.")


def test_a_run_that_stopped_improving_is_not_told_to_go_on(task: Task) -> None:
    steps = 2 * len(task.windows)
    line = conclusion(task, progress_of(task, steps, waits=3), Budget(steps))
    assert "It has not improved since; to go on all the same: --resume --epochs 4." in line


def test_where_two_limits_are_reached_going_on_needs_both(task: Task) -> None:
    steps = 2 * len(task.windows)
    line = conclusion(task, progress_of(task, steps, waits=5), Budget(steps))
    assert line.startswith("Reached --epochs 2 at epoch 2.0, after 1:15; best score 2.345 ")
    assert line.endswith("; to go on all the same: --resume --epochs 4 --patience 10.")


def test_advice_leaves_room_for_what_was_used_beyond_the_limit(task: Task) -> None:
    # Resumed with fewer epochs and less patience than it had before.
    progress = progress_of(task, 10 * len(task.windows), waits=15)
    line = nothing_left(task, progress, Budget(2 * len(task.windows))) or ""
    assert line.endswith("To continue: --resume --epochs 16 --patience 20.")
    large = replace(task, train=replace(task.train, epochs=500_000))
    ended = progress_of(task, step=500_000 * len(task.windows))
    line = conclusion(large, ended, Budget(ended.step))
    assert line.endswith("go on with --resume --epochs 1000000.")


def test_going_on_is_advised_with_every_limit_since_a_lone_one_replaces_both(
    task: Task,
) -> None:
    steps = 2 * len(task.windows)
    limited = replace(task, train=replace(task.train, max_minutes=3.0))
    budget = Budget(steps, max_seconds=180.0)
    line = conclusion(limited, progress_of(limited, steps), budget)
    assert line.endswith("go on with --resume --epochs 4 --max-minutes 6.")


def test_after_an_interrupt_the_best_is_named_too(task: Task) -> None:
    folder = task.run.last
    assert stopped(task, progress_of(task, step=50)) == (
        "Stopped at step 50 (epoch 0.7); best score 2.345 bits per character at epoch "
        f"0.7; everything is saved in {folder}."
    )
    assert stopped(task, Progress(step=5)) == (
        f"Stopped at step 5 (epoch 0.1); everything is saved in {folder}."
    )


def test_a_loss_that_is_no_number_names_the_best_that_is_kept(task: Task) -> None:
    guard = StopOnNan(progress_of(task, step=50), "Lower `learning_rate`.")
    guard.set_model(keras.Model())
    with pytest.raises(
        TrainingError, match=r"nan at step 50; best score 2\.345 bits .* kept"
    ):
        guard.on_epoch_end(0, {"loss": float("nan")})
