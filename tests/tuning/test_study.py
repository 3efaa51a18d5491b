"""A study shares its trials among processes, and gives those of dead ones away again."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from textgen.tuning.report import importances
from textgen.tuning.space import STEPS, as_options, distributions
from textgen.tuning.study import Study

pytestmark = pytest.mark.one_backend

DEFAULT = {"units": 100, "dropout": 0.1, "learning_rate": 0.01}
ABOUT: dict[str, Any] = {
    "sha256": "0",
    "text": "9 characters",
    "options": {},
    "default": DEFAULT,
    "recipe": {},
    "trial_minutes": 1.0,
}


def begun(folder: Path) -> Study:
    study = Study(folder / "study", str(folder / "study.db"), seed=0)
    study.begin(ABOUT)
    return study


def begin_and_die(study: Study) -> None:
    """Begin the next trial in a process that ends as if it had been killed."""
    if (child := os.fork()) == 0:
        try:
            Study(study.folder, study.storage, seed=0).next(9, ExitStack())
        finally:
            os._exit(0)  # the trial is not told, its lock ends
    os.waitpid(child, 0)


def test_the_first_trial_has_the_defaults(tmp_path: Path) -> None:
    with ExitStack() as stack:
        trial = begun(tmp_path).next(9, stack)
    assert trial is not None
    assert as_options(trial.params) == DEFAULT


def test_the_space_holds_any_default() -> None:
    for name, value in {"units": 3, "dropout": 0.9, "learning_rate": 1e-6}.items():
        assert distributions({name: value})[name].to_internal_repr(value) >= 0


def test_a_trial_whose_process_was_killed_is_begun_anew(tmp_path: Path) -> None:
    study = begun(tmp_path)
    begin_and_die(study)
    assert [trial.state for trial in study.trials()] == [TrialState.RUNNING]
    with ExitStack() as stack:
        trial = study.next(9, stack)
        assert trial is not None
        assert as_options(trial.params) == DEFAULT
        assert [t.state for t in study.trials()] == [TrialState.FAIL, TrialState.RUNNING]


def test_a_trial_that_was_killed_with_half_of_its_options_keeps_the_rest_the_next_time(
    tmp_path: Path,
) -> None:
    study = begun(tmp_path)
    with ExitStack() as stack:
        # The defaults are running, so that the half is the next one to begin and to die.
        study.next(9, stack)
        study.optuna.enqueue_trial({"units": 256})
        begin_and_die(study)
        *_, killed = study.trials()
        again = study.next(9, stack)
    assert again is not None
    assert killed.params.keys() == DEFAULT.keys()
    assert again.params == killed.params


def test_the_trials_after_the_defaults_change_one_option_of_the_best_so_far(
    tmp_path: Path,
) -> None:
    study = begun(tmp_path)
    drawn = []
    # The second trial is the best, the first and the others are worse.
    for score in (2.0, 1.0, *[3.0] * len(STEPS)):
        with ExitStack() as stack:
            trial = study.next(1000, stack)
            assert trial is not None
            study.optuna.tell(trial, score)
            drawn.append(trial.params)
    faster = {**DEFAULT, "learning_rate": 0.015}
    assert drawn[:2] == [DEFAULT, faster]
    # A slower one has been tried, and there are no fewer units.
    changes = {"learning_rate": 0.0225}, {"dropout": 0.2}, {"units": 128}, {"dropout": 0.0}
    assert drawn[2:6] == [{**faster, **change} for change in changes]
    # When every change has been tried, all options are drawn.
    last = drawn[-1]
    assert len([name for name in last if last[name] != faster[name]]) > 1


def test_only_options_that_have_varied_explain_differences(tmp_path: Path) -> None:
    study = begun(tmp_path)
    for rate, dropout in [(0.01, 0.1), (0.02, 0.1), (0.03, 0.2), (0.02, 0.2)]:
        assert importances(study) == {}
        options = {**DEFAULT, "learning_rate": rate, "dropout": dropout}
        study.optuna.enqueue_trial(options, skip_if_exists=True)
        with ExitStack() as stack:
            trial = study.next(1000, stack)
            assert trial is not None
            study.optuna.tell(trial, rate)
    shares = importances(study)
    assert shares.keys() == {"learning_rate", "dropout"}
    assert shares["learning_rate"] > shares["dropout"]
    assert sum(shares.values()) == pytest.approx(1)


def test_a_kill_between_two_steps_skips_none(tmp_path: Path) -> None:
    study = begun(tmp_path)

    def options_of_next() -> dict[str, Any]:
        with ExitStack() as stack:
            trial = study.next(1000, stack)
            assert trial is not None
            study.optuna.tell(trial, 1.0 + trial.number)
            return trial.params

    assert options_of_next() == DEFAULT
    for _ in range(3):
        begin_and_die(study)
    assert options_of_next() == {**DEFAULT, "learning_rate": 0.015}
    assert options_of_next() == {**DEFAULT, "dropout": 0.2}


def test_processes_draw_different_options(tmp_path: Path) -> None:
    first, second = begun(tmp_path), begun(tmp_path)
    with ExitStack() as stack:
        drawn = [
            trial.params for s in (first, first, second) if (trial := s.next(9, stack))
        ]
    assert drawn[1] != drawn[2]


def test_several_processes_get_different_trials_and_share_the_minutes(
    tmp_path: Path,
) -> None:
    first, second = begun(tmp_path), begun(tmp_path)
    with ExitStack() as stack:
        numbers = [trial.number for s in (first, second) if (trial := s.next(2, stack))]
        assert numbers == [0, 1]
        # Both run, and each counts in full.
        assert first.next(2, stack) is None
