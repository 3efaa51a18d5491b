"""The trials of a study, one after the other: each is a run of `textgen.train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from textgen.checkpoint.format import load_checkpoint, save_checkpoint
from textgen.config.flags import as_flags
from textgen.cores import num_cores
from textgen.errors import ConfigError, CorpusError, OutOfMemoryError, TrainingError
from textgen.training.backend.choice import choose_backend
from textgen.training.backend.process import num_shares, tune_process
from textgen.training.loop.signals import keras_loading, signals_as_ctrl_c
from textgen.training.task.task import Task
from textgen.training.train import train
from textgen.tuning.space import as_options, defaults, recipe, said
from textgen.tuning.study import Study, storage_errors
from textgen.wording import say


@dataclass(frozen=True)
class Result:
    """How a trial ended.

    Args:
        score: bits per character of the validation text, or None.
        facts: JSON data for the table.
        reason: why there is no score.
    """

    score: float | None
    facts: Mapping[str, Any]
    reason: str = ""


class Trials:
    """Asks the study for options, trains with them, and tells it the score.

    Args:
        paths: of the text.
        folder: of the study.
        storage: its database.
        task: a run with all defaults, as the first trial is.
        options: those that a person has fixed.
        varied: names of those that vary.
    """

    def __init__(
        self,
        paths: list[str],
        folder: Path,
        storage: str,
        task: Task,
        options: dict[str, Any],
        varied: Sequence[str],
    ) -> None:
        self.paths = paths
        self.task = task
        self.options = options
        self.varied = varied
        self.study = Study(folder, storage, seed=task.train.seed)

    def begin(self, trial_minutes: float, *, is_given: bool, minutes: float) -> None:
        """Begin the study, or check that it can be continued.

        Args:
            is_given: whether a person chose `trial_minutes`; if not, those of an older
                study remain.

        Raises:
            ConfigError: one trial takes more than `minutes`, or the study is another.
        """
        if not is_given:
            trial_minutes = self.study.about.get("trial_minutes", trial_minutes)
        if trial_minutes > minutes:
            raise ConfigError(
                f"minutes={minutes:g} does not suffice for one trial, which takes "
                f"trial_minutes={trial_minutes:g}. Raise `minutes`, or lower "
                "`trial_minutes`."
            )
        facts = self.task.facts
        self.study.begin(
            {
                "sha256": facts["sha256"],
                "text": f"{facts['num_chars']:,} characters",
                "options": self.options,
                "default": defaults(self.task, self.varied),
                "recipe": recipe(self.task, (*self.varied, *self.options)),
                "trial_minutes": trial_minutes,
            }
        )

    def run(self, minutes: float, *, quiet: bool, tune: bool, **settings: Any) -> None:
        """Run trials until the minutes are used up.

        Args:
            settings: further arguments of `textgen.train`.

        Raises:
            TextgenError: the trial with all defaults cannot be run.
        """
        self._load_keras(settings["backend"], quiet=quiet, tune=tune)
        if not quiet:
            self._announce(minutes)
        num_run = 0
        try:
            while self._run_next(minutes, settings, quiet=quiet):
                num_run += 1
        except KeyboardInterrupt:
            if not quiet:
                say("Stopped. Trials that have ended are kept; the same command goes on.")
            raise
        if not num_run and not quiet:
            say(
                f"The {minutes:g} minutes of this study leave no time for another trial. "
                "For more: a larger --minutes."
            )
        with self.study.locked():
            # A process may have been killed before it did.
            if (best := self.study.best()) is not None:
                self._publish(best)

    def _run_next(
        self, minutes: float, settings: Mapping[str, Any], *, quiet: bool
    ) -> bool:
        """Run one trial; False if there is no time for another."""
        with signals_as_ctrl_c(), ExitStack() as stack:
            trial = self.study.next(minutes, stack)
            if trial is None:
                return False
            result = self._trained(trial, settings)
            with storage_errors(self.study.storage):
                self._tell(trial, result)
            if not quiet:
                say(self._line(trial, result))
        return True

    def _announce(self, minutes: float) -> None:
        """Say how long it takes, and what trials begin with, if that is not nothing."""
        each = self.study.about["trial_minutes"]
        say(
            f"Trials of at most {each:g} minutes each, {minutes:g} minutes in all. Ctrl-C "
            "stops; the same command goes on."
        )
        if self.task.base is not None:
            say(
                f"Trials begin with {self.task.base.name} and keep its network. To search "
                "for a network that begins from nothing: --init-from none."
            )

    def _load_keras(self, backend: str, *, quiet: bool, tune: bool) -> None:
        """Load it as `textgen.train` would: the callback of the trials needs it before."""
        choose_backend(backend, self.task.model, None)
        if tune:
            shares = num_shares(self.task.train.batch_size, num_cores())
            tune_process(share_lanes=self.task.model.has_kernel and shares > 1)
        with keras_loading(quiet=quiet):
            import textgen.tuning.pruning  # noqa: F401

    def _trained(self, trial: optuna.Trial, settings: Mapping[str, Any]) -> Result:
        """Train with the options of a trial; those that cannot work are a result, too."""
        from textgen.tuning.pruning import Pruning

        minutes = self.study.about["trial_minutes"]
        pruning = Pruning(trial, 60 * minutes, self.task.ids_per_char[1])
        try:
            run = train(
                self.paths,
                self.study.run_of(trial.number),
                quiet=True,
                callbacks=[pruning],
                max_minutes=minutes,
                **{"preview": False, **self.options},
                **self.study.about["recipe"],
                **as_options(trial.params),
                **settings,
            )
        except (TrainingError, OutOfMemoryError, CorpusError, ConfigError) as error:
            if trial.params == self.study.about["default"]:
                self.study.optuna.tell(trial, state=TrialState.FAIL)
                raise
            return Result(None, {}, as_flags(str(error)))
        scores = load_checkpoint(run).facts["score"]
        facts = {name: scores[name] for name in TEST if name in scores}
        if pruning.is_pruned:
            return Result(None, facts, "worse than the median at the same time")
        return Result(scores["val_bits_per_char"], facts)

    def _tell(self, trial: optuna.Trial, result: Result) -> None:
        """Record a result, and publish the checkpoint if it is the best."""
        study = self.study
        for name, value in result.facts.items():
            trial.set_user_attr(name, value)
        if result.score is None:
            study.optuna.tell(trial, state=TrialState.PRUNED)
            return
        with study.locked():
            study.optuna.tell(trial, result.score)
            best = study.best()
            if best is not None and best.number == trial.number:
                self._publish(best)

    def _publish(self, best: FrozenTrial) -> None:
        found = load_checkpoint(self.study.run_of(best.number))
        save_checkpoint(self.study.folder / "best", found)

    def _line(self, trial: optuna.Trial, result: Result) -> str:
        what = said(trial.params, self.study.about["default"])
        if result.score is None:
            return f"Trial {trial.number}: pruned, {result.reason}; {what}"
        best = self.study.best()
        shown = f", best so far {best.value:.3f}" if best is not None else ""
        return f"Trial {trial.number}: {result.score:.3f} bits per character{shown}; {what}"


TEST = ("test_bits_per_char",)
"""Scores of a checkpoint that the table shows and the search does not see."""
