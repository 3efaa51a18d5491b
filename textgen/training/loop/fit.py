"""Train a task with `keras.Model.fit`, and save along the way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgen.errors import TrainingError
from textgen.training.backend.devices import data_parallel, is_on_cpu
from textgen.training.backend.floats import float32_by_default
from textgen.training.backend.keras import limits
from textgen.training.distributed.meeting import Meeting
from textgen.training.distributed.peers import ALONE, Peers
from textgen.training.loop.callbacks import (
    Clock,
    LearningRate,
    PeriodicSave,
    RecordEvaluation,
    ResetCarriedState,
    RestoreMetrics,
    StopOnNan,
    StopOnRequest,
    StopRequested,
)
from textgen.training.loop.datasets import endless, held_out
from textgen.training.loop.finishing import (
    Finishing,
    foreseen_seconds,
    held_out_windows,
    wants_temperature,
)
from textgen.training.loop.loggers import loggers
from textgen.training.loop.messages import (
    conclusion,
    introduction,
    less_steep,
    nothing_left,
    stopped,
    why_ended,
)
from textgen.training.loop.previews import KeepPreview
from textgen.training.loop.progress import Budget
from textgen.training.loop.report import Report
from textgen.training.loop.saving import Saver, stored_progress
from textgen.training.loop.schedule import WarmupCosine
from textgen.training.loop.signals import STOPPING, stop_requests
from textgen.training.loop.status import KeepStatus
from textgen.training.model.build import build_model, set_weights
from textgen.training.model.compiling import compile_model
from textgen.training.model.kernels import debugging_mode
from textgen.training.model.precision import check_dtype, choose_dtype
from textgen.training.task.memory import check_memory
from textgen.training.task.task import Task
from textgen.wording import say


@float32_by_default()
def fit(
    task: Task,
    *,
    quiet: bool = False,
    callbacks: Sequence[Any] = (),
    peers: Peers = ALONE,
) -> Path:
    """Train, and write `best`, `last` and the history along the way.

    Args:
        quiet: print nothing on stderr.
        callbacks: more of them, called after those of this package.
        peers: the processes that train together; the first one writes.

    Returns:
        the run's directory.

    Raises:
        ConfigError: the lanes cannot be shared out equally among the processes.
        OutOfMemoryError: the task takes more memory than this process may use.
        TrainingError: the loss is NaN or infinite.
        CheckpointError: a checkpoint cannot be written.
        KeyboardInterrupt: the user asked to stop; `last` holds the last step.
    """
    check_memory(task, on_cpu=is_on_cpu(), num_processes=peers.number)
    if task.resumed is None:
        # A run may be resumed on an older processor, and cannot change its type.
        check_dtype(task.model, task.train)
    with data_parallel(task.train.batch_size, task.train.accumulate):
        dtype = peers.from_first(choose_dtype(task.model, task.train))
        if task.train.compute_dtype == "auto":
            # Stored, so that a resumed run uses the same type.
            task = replace(task, train=replace(task.train, compute_dtype=dtype))
        return _Session(task, quiet, dtype, callbacks, peers).run()


class _Session:
    """One session of a run: from its start or a resumption until it ends or is stopped."""

    def __init__(
        self,
        task: Task,
        quiet: bool,
        dtype: str,
        callbacks: Sequence[Any],
        peers: Peers,
    ) -> None:
        self.task = task
        self.peers = peers
        self.callbacks = callbacks
        self.dtype = dtype
        self.say: Callable[[str], None] = (lambda line: None) if quiet else say
        self.quiet = quiet
        train = task.train
        self.lanes = peers.lanes(train.batch_size)
        self.windows = replace(task.windows, lanes=self.lanes)
        self.model = build_model(task.model, train.batch_size, train.seed, dtype)
        compile_model(self.model, task.model, train)
        self.model.optimizer.build(self.model.trainable_variables)
        if task.base is not None:
            initial = task.base.weights(task.tokenizer, task.model)
            set_weights(self.model, task.model, initial)
        self.progress = stored_progress(task, peers)
        self.saver = Saver(task, self.model, self.progress, writes=peers.is_first)
        self.metrics = self.saver.restore(task.resumed) if task.resumed else None
        self.val_windows = held_out_windows(task, self.lanes)
        self.budget = Budget(
            train.epochs * len(self.windows) if train.epochs else None,
            train.max_minutes * 60 if train.max_minutes else None,
            foreseen_seconds(task),
            evaluations=2 if wants_temperature(task) else 1,
        )
        self.status = KeepStatus(
            task.run.status if peers.is_first else None,
            self.progress,
            self.budget,
            window_chars=train.window_chars * task.num_chars[0] / len(self.windows.ids),
            ids_per_char=task.ids_per_char[0],
            steps_per_pass=len(self.windows),
        )
        self.finishing = Finishing(
            task, self.model, self.saver, self.val_windows, peers, self.say
        )

    def run(self) -> Path:
        """Train until the budget is used up, nothing improves, or the user stops it."""
        # A crash may have come between the last checkpoint and its row in the history.
        self.saver.save_history()
        if reason := nothing_left(self.task, self.progress, self.budget):
            self.say(reason)
            self.saver.save_options()
            self.finishing.run()
            return self.task.run.path
        with self._loggers() as logging:
            self._begin()
            with stop_requests(note=None if self.quiet else STOPPING) as wants_stop:
                # Only now does Ctrl-C do what the introduction says.
                self._introduce()
                with self.status.kept(), self._saved_on_request():
                    self._fit(logging, Meeting(self.peers, wants_stop))
        self.status.end(why_ended(self.task, self.progress, self.budget, limits()))
        self.say(conclusion(self.task, self.progress, self.budget, limits()))
        self.finishing.run()
        return self.task.run.path

    def _loggers(self) -> AbstractContextManager[list[Any]]:
        return loggers(self.task) if self.peers.is_first else nullcontext([])

    def _begin(self) -> None:
        run = self.task.run
        if not self.peers.is_first:
            if self.task.resumed is None:
                self.saver.save_last()
        elif self.task.resumed is not None:
            run.remove_leftovers()
        else:
            # Fails at once if the directory cannot be written.
            run.begin(self.saver.save_last, overwrite=self.task.overwrite)

    def _introduce(self) -> None:
        if self.quiet:
            return  # what is said there takes a second to find out
        backend, before = self.saver.backend, self.saver.previous_backend
        self.say(introduction(self.task, self.progress, backend, self.dtype))
        if mode := debugging_mode():
            self.say(
                f"{mode} is on: training is many times slower, and its numbers differ in "
                "their last digits."
            )
        if before != backend:
            self.say(
                f"This run was trained on {before} before: it continues, but not bit for "
                "bit as it would have there."
            )

    @contextmanager
    def _saved_on_request(self) -> Iterator[None]:
        """Save when the user asks to stop, and report what is saved."""
        try:
            try:
                yield
            except StopRequested:
                self.saver.save_last()
                self.say(stopped(self.task, self.progress))
                self.peers.part()
                self.saver.plot_history()
                raise KeyboardInterrupt from None
        except KeyboardInterrupt:
            if self.saver.saved_step != self.progress.step:
                # A second Ctrl-C did not even wait for the save.
                self.say(
                    f"Stopped at once at step {self.progress.step:,}; step "
                    f"{self.saver.saved_step:,} is saved."
                )
            raise

    # --- the rounds of fit ---

    def _fit(self, logging: list[Any], meeting: Meeting) -> None:
        """Train in rounds of `eval_every` steps; a resumed round is finished first."""
        preview = report = None
        if self.task.train.preview and self.peers.is_first:
            preview = KeepPreview(self.task, self.progress, self.saver.keep_preview)
        if not self.quiet:
            report = Report(self.progress, self.budget, self.status, preview)
        callbacks = self._callbacks(logging, preview, report, meeting)
        every = self.task.train.eval_every
        assert every is not None  # resolved by `build_task`
        rounds_done, steps_into_round = divmod(self.progress.step, every)
        try:
            if steps_into_round:
                steps_left = every - steps_into_round
                self._rounds(steps_left, rounds_done, rounds_done + 1, callbacks)
                rounds_done += 1
            if not self.model.stop_training and self.budget.share_used(self.progress) < 1:
                # Without a limit of its own, Keras would need one.
                steps = self.budget.total_steps or sys.maxsize
                rounds = -(-steps // every)
                self._rounds(every, rounds_done, rounds, callbacks)
        except TrainingError:
            self.saver.plot_history()
            raise
        finally:
            if report is not None:
                report.close()

    def _rounds(self, steps: int, first: int, end: int, callbacks: list[Any]) -> None:
        self.model.fit(
            endless(self.windows, self.progress.step),
            steps_per_epoch=steps,
            initial_epoch=first,
            epochs=end,
            validation_data=held_out(self.val_windows),
            shuffle=False,
            callbacks=callbacks,
            verbose=0,
        )

    # --- callbacks ---

    def _callbacks(
        self,
        logging: list[Any],
        preview: KeepPreview | None,
        report: Report | None,
        meeting: Meeting,
    ) -> list[Any]:
        """The callbacks, in the order in which Keras calls them for each event.

        The order matters:

        - `ResetCarriedState`, `RestoreMetrics` and `LearningRate` prepare a step, so they
          come first.
        - `Clock` counts the step and may end the round; all below read both.
        - `StopOnNan` comes before all that save, so that NaN is never saved.
        - `PeriodicSave` comes before all that print, which may fail.
        - `RecordEvaluation` adds the row that those after it show.
        - `TensorBoard`, and what else logs elsewhere, is told of it.
        - `KeepStatus` and `KeepPreview` find out what `Report` prints beside it.
        - Those of the caller find everything recorded and saved.
        - `StopOnRequest` raises, which skips all that come after it.
        """
        train, progress, saver = self.task.train, self.progress, self.saver
        steps_per_pass = len(self.windows)
        schedule = WarmupCosine(train.learning_rate, train.warmup_steps, train.final_rate)
        return [
            ResetCarriedState(progress, steps_per_pass),
            RestoreMetrics(self.metrics, self.task.model.vocab_size),
            LearningRate(schedule, self.budget, progress),
            Clock(progress, self.budget, len(self.val_windows), meeting),
            StopOnNan(progress, less_steep(self.task.train)),
            PeriodicSave(
                progress,
                every_steps=train.save_every,
                every_minutes=train.save_minutes,
                save=saver.save_last,
            ),
            RecordEvaluation(
                progress,
                steps_per_pass=steps_per_pass,
                patience=train.patience,
                ids_per_char=self.task.ids_per_char[:2],
                save_best=saver.save_best,
                save_last=saver.save_evaluation,
            ),
            *logging,
            self.status,
            *(each for each in (preview, report) if each is not None),
            *self.callbacks,
            StopOnRequest(meeting.is_to_stop),
        ]
