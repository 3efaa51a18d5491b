"""A study: its folder, its database, and which trial comes next.

checkpoints/my_book-tune/
    study.db          what Optuna knows of all trials (SQLite)
    best/             the checkpoint of the best trial
    trial-0000/       an ordinary run with all defaults; trial-0001/ and so on vary them
    trials.csv, history.png, importance.png
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from textgen.checkpoint.runs import RunDirectory
from textgen.disk.atomic import make_directory, writing_errors
from textgen.disk.lock import locked
from textgen.errors import CheckpointError, ConfigError
from textgen.tuning.space import distributions, neighbours

NAME = "textgen"
DATABASE = "study.db"
"""The name of the storage in the folder, unless another is given."""

ABOUT = "textgen"
"""The attribute of the study that holds what all of its trials share."""

WAIT_SECONDS = 0.1
STARTUP_TRIALS = 4
"""Trials before any is pruned, and before the sampler learns from them."""

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "unfinished",
    TrialState.RUNNING: "running",
}


class Study:
    """The trials of one text, shared by all processes that name the same storage.

    Args:
        folder: of the runs; created if it is missing.
        storage: a SQLite file, or a URL of SQLAlchemy.
        seed: of the sampler.

    Raises:
        ConfigError: the folder is that of a run.
        CheckpointError: the folder cannot be written, or the storage cannot be read.
    """

    def __init__(self, folder: Path, storage: str, seed: int) -> None:
        self.folder = folder
        self.storage = storage
        # NumPy takes no larger ones.
        self.seed = seed % 2**32
        _check_no_run(folder)
        with writing_errors(folder, "use this directory", "Choose another `out`."):
            make_directory(folder)
        with storage_errors(storage), self.locked():
            self.optuna = _load(storage)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time decide which trial comes next."""
        with ExitStack() as stack:
            while not _lock(self.folder, stack):
                time.sleep(WAIT_SECONDS)
            yield

    @property
    def about(self) -> dict[str, Any]:
        """What all trials share; empty before `begin`."""
        return dict(self.optuna.user_attrs.get(ABOUT, {}))

    def begin(self, about: Mapping[str, Any]) -> None:
        """Put the defaults first in the queue, or check that an older study is this one.

        Args:
            about: JSON data: `sha256` of the text, `options` that are fixed, `default` of
                those that vary, `recipe` of the others, and `trial_minutes`.

        Raises:
            ConfigError: the study belongs to another text, or was begun in another way.
        """
        with storage_errors(self.storage), self.locked():
            if self.about:
                self._check(about)
                return
            if any(self.folder.glob("trial-*")):
                raise ConfigError(
                    f"{self.folder} holds the trials of another study than that of "
                    f"{self.storage}. Choose another `out`, or remove the directory."
                )
            self.optuna.enqueue_trial(about["default"], skip_if_exists=True)
            self.optuna.set_user_attr(ABOUT, dict(about))

    def _check(self, about: Mapping[str, Any]) -> None:
        known = self.about
        advice = "Choose another `out`, and another `storage` if you have named one."
        if known["sha256"] != about["sha256"]:
            raise ConfigError(
                f"the study in {self.storage} belongs to another text ({known['text']}), "
                f"and scores of two texts cannot be compared. {advice}"
            )
        for name in ("options", "trial_minutes"):
            if known[name] != about[name]:
                raise ConfigError(
                    f"the study in {self.storage} was begun with {_said(name, known)}, not "
                    f"{_said(name, about)}, so its scores cannot be compared. Give the "
                    f"same, or begin a new study: choose another `out`, and another "
                    "`storage` if you have named one."
                )

    def next(self, minutes: float, stack: ExitStack) -> optuna.Trial | None:
        """The next trial, locked until `stack` is closed; None if the time is used up.

        Trials whose process has died are queued again.

        Args:
            minutes: for all trials of the study, of all processes.
        """
        with storage_errors(self.storage), self.locked():
            self._requeue_dead()
            used = self.minutes_used()
            if used + self.about["trial_minutes"] > minutes * (1 + 1e-9):
                return None
            # By the number of the trial: processes would draw the same from one seed.
            seed = (self.seed + len(self.optuna.get_trials(deepcopy=False))) % 2**32
            self.optuna.sampler = _sampler(seed)
            self._enqueue_neighbour()
            trial = self.optuna.ask(distributions(self.about["default"]))
            _lock(self._lock_of(trial.number), stack)
            return trial

    def _enqueue_neighbour(self) -> None:
        """Queue the best options so far with the next of the `STEPS`, if one is left."""
        trials = self.optuna.get_trials()
        if any(trial.state is TrialState.WAITING for trial in trials):
            return
        complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
        # Its options are known even if its run has been removed.
        best = min(complete, key=score_of, default=None)
        default = self.about["default"]
        tried = [trial.params for trial in trials]
        options = default if best is None else best.params
        # One that failed has been begun anew.
        num_begun = sum(trial.state is not TrialState.FAIL for trial in trials)
        for near in neighbours(options, default, num_begun - 1):
            if near not in tried:
                self.optuna.enqueue_trial(near)
                return

    def _requeue_dead(self) -> None:
        for trial in self.optuna.get_trials(states=(TrialState.RUNNING,)):
            with ExitStack() as stack:
                # The lock of a process ends with it.
                if _lock(self._lock_of(trial.number), stack):
                    # One that was itself begun anew has some options fixed; a kill may
                    # come before the rest are drawn.
                    fixed = trial.system_attrs.get("fixed_params", {})
                    # A kill between the two repeats a trial; the other way round, it
                    # would lose one.
                    self.optuna.enqueue_trial(fixed | trial.params)
                    self.optuna.tell(trial.number, state=TrialState.FAIL)

    def minutes_used(self) -> float:
        """Minutes of all trials; one that runs counts in full, one that died not at all."""
        return sum(self._minutes(trial) for trial in self.optuna.get_trials())

    def _minutes(self, trial: FrozenTrial) -> float:
        if trial.state is TrialState.RUNNING:
            return float(self.about["trial_minutes"])
        if trial.state is TrialState.WAITING:
            return 0.0
        return minutes_of(trial)

    def run_of(self, number: int) -> Path:
        """The directory of a trial's run.

        A directory that another study has left there is not touched.
        """
        return self.folder / f"trial-{number:04}"

    def trials(self) -> list[FrozenTrial]:
        """All trials that have begun, oldest first."""
        found = self.optuna.get_trials()
        return [trial for trial in found if trial.state in STATES]

    def best(self) -> FrozenTrial | None:
        """The complete trial with the lowest score whose run is still here."""
        complete = self.optuna.get_trials(states=(TrialState.COMPLETE,))
        here = [t for t in complete if RunDirectory(self.run_of(t.number)).holds_run()]
        return min(here, key=score_of, default=None)

    def default(self) -> FrozenTrial | None:
        """The best complete trial with all defaults: TPE may have drawn them again."""
        complete = self.optuna.get_trials(states=(TrialState.COMPLETE,))
        known = self.about["default"]
        usual = [trial for trial in complete if trial.params == known]
        return min(usual, key=score_of, default=None)

    def _lock_of(self, number: int) -> Path:
        return self.folder / f".trial-{number:04}.lock"


def score_of(trial: FrozenTrial) -> float:
    """Bits per character of a complete trial."""
    assert trial.value is not None
    return trial.value


def minutes_of(trial: FrozenTrial) -> float:
    """How long a trial has taken; 0 for one that was killed and begun anew."""
    if trial.state is TrialState.FAIL:
        return 0.0
    end = trial.datetime_complete or datetime.now()
    return (end - (trial.datetime_start or end)).total_seconds() / 60


def _said(name: str, about: Mapping[str, Any]) -> str:
    if name == "options":
        given = [f"{key}={value!r}" for key, value in about[name].items()]
        return ", ".join(given)
    return f"{name}={about[name]:g}"


def _check_no_run(folder: Path) -> None:
    """Refuse the folder of a run, whose model the best trial would replace."""
    is_study = (folder / DATABASE).exists() or any(folder.glob("trial-*"))
    if RunDirectory(folder).holds_run() and not is_study:
        raise ConfigError(
            f"{folder} holds a run that is no study, whose model the best trial would "
            "replace. Choose another `out`."
        )


def _lock(place: Path, stack: ExitStack) -> bool:
    try:
        stack.enter_context(locked(place))
    except CheckpointError:
        return False
    return True


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)


def _load(storage: str) -> optuna.Study:
    # It announces every trial on stderr by itself.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url, options = storage, {}
    if "://" not in storage:
        url = f"sqlite:///{os.path.abspath(storage)}"
        # How long to wait for another process that writes.
        options = {"connect_args": {"timeout": 60}}
    return optuna.create_study(
        storage=optuna.storages.RDBStorage(url, engine_kwargs=options),
        study_name=NAME,
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=STARTUP_TRIALS, n_warmup_steps=2
        ),
        load_if_exists=True,
    )


@contextmanager
def storage_errors(storage: str) -> Iterator[None]:
    """Turn what the database says into a `CheckpointError` that names it."""
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ or error
        why = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        raise CheckpointError(
            f"{storage}: cannot use this database for a study ({why}). Name another "
            "`storage`, a SQLite file that textgen may create."
        ) from error
    except RuntimeError as error:
        raise CheckpointError(
            f"{storage}: another version of Optuna has written this database ({error}). "
            "Name another `storage`."
        ) from error
