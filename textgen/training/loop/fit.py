"""Train a model on a text: `keras.Model.fit`, with nothing lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint.format import TRAINING, load_checkpoint
from textgen.errors import CheckpointError
from textgen.generation.generator import Generator
from textgen.text.encoded.windows import evaluation_windows
from textgen.training.backend.devices import data_parallel
from textgen.training.backend.keras import load_keras, quiet_import
from textgen.training.loop.callbacks import (
    CarryState,
    Clock,
    Evaluation,
    Interrupted,
    LearningRate,
    RunningMetrics,
    SaveInside,
    StopOnNan,
    StopOnRequest,
)
from textgen.training.loop.datasets import endless, held_out
from textgen.training.loop.report import Report
from textgen.training.loop.run_state import Budget, RunState
from textgen.training.loop.saving import Keeper
from textgen.training.loop.schedule import WarmupCosine
from textgen.training.loop.signals import stop_requests
from textgen.training.model.build import build_model, get_weights, set_weights
from textgen.training.model.compiling import compile_model
from textgen.training.model.precision import choose_dtype
from textgen.training.task.task import Task
from textgen.wording import clock_time, say

keras = load_keras()


def fit(task: Task, *, quiet: bool = False) -> Path:
    """Train, and write `best`, `last` and the history as training goes.

    Args:
        task: text, options and place; see `textgen.training.task.task`.
        quiet: print nothing on stderr.

    Returns:
        The run's directory.

    Raises:
        TrainingError: the loss is no longer a number.
        CheckpointError: a checkpoint cannot be written.
        KeyboardInterrupt: a person asked to stop; `last` holds where.
    """
    with data_parallel(task.train.batch_size):
        dtype = choose_dtype(task.model, task.train)
        if task.train.compute_dtype == "auto":
            # Stored, so that a resumed run goes on with it.
            task = replace(task, train=replace(task.train, compute_dtype=dtype))
        return _Fit(task, quiet, dtype).run()


def _stored_state(stored: Any, place: Path) -> RunState:
    try:
        return RunState.from_dict(stored)
    except CheckpointError as error:
        raise CheckpointError(f"{place / TRAINING}: {error}") from error


class _Fit:
    """One session of training: the model, how far it is, and how it is saved."""

    def __init__(self, task: Task, quiet: bool, dtype: str) -> None:
        self.task = task
        self.dtype = dtype
        self.say: Callable[[str], None] = (lambda line: None) if quiet else say
        self.quiet = quiet
        train = task.train
        self.windows = task.windows
        self.model = build_model(task.model, train.batch_size, train.seed, dtype)
        compile_model(self.model, task.model, train)
        self.model.optimizer.build(self.model.trainable_variables)
        if task.start is not None:
            first = task.start.weights(task.tokenizer, task.model)
            set_weights(self.model, task.model, first)
        stored = task.resumed.values.get("state", {}) if task.resumed else None
        self.state = RunState() if stored is None else _stored_state(stored, task.run.last)
        self.keeper = Keeper(task, self.model, self.state)
        self.metrics = self.keeper.take_up(task.resumed) if task.resumed else []
        assert train.epochs is not None  # a task has settled it
        self.budget = Budget(
            train.epochs * len(self.windows),
            train.max_minutes * 60 if train.max_minutes else None,
        )

    def run(self) -> Path:
        """Train until the budget is used up, nothing improves, or a person stops it."""
        run = self.task.run
        # A crash may have come between the last checkpoint and its row in the table.
        self.keeper.save_history()
        if self._is_finished():
            self._score_test()
            return run.path
        if self.task.resumed is not None:
            run.remove_leftovers()
        else:
            # Shows at once whether the place can be written, and marks it as a run.
            run.begin(self.keeper.save_last, overwrite=self.task.overwrite)
        with stop_requests(quiet=self.quiet) as wants_stop:
            # Said only now: it promises what a stop request does.
            self.say(self._introduction())
            if self.keeper.begun_on != self.keeper.backend:
                self.say(
                    f"It was trained on {self.keeper.begun_on} until now: it goes on, but "
                    "not bit for bit as it would have there."
                )
            callbacks = self._callbacks(wants_stop)
            try:
                self._fit_or_save(callbacks)
            except KeyboardInterrupt:
                if self.keeper.kept_step != self.state.step:
                    # Not even the saving was waited for.
                    self.say(
                        f"Stopped at once, at step {self.state.step:,}; saved is step "
                        f"{self.keeper.kept_step:,}."
                    )
                raise
            finally:
                for callback in callbacks:
                    if isinstance(callback, Report):
                        callback.close()
        self._conclude()
        return run.path

    # --- the rounds of fit ---

    def _fit_or_save(self, callbacks: list[Any]) -> None:
        try:
            self._fit(callbacks)
        except Interrupted:
            self.keeper.save_last()
            self.say(
                f"Stopped at step {self.state.step:,}; all is saved in "
                f"{self.task.run.last}."
            )
            raise KeyboardInterrupt from None

    def _fit(self, callbacks: list[Any]) -> None:
        """Run fit, evaluating each `eval_every` steps, also when resumed in between."""
        every = self.task.train.eval_every
        assert every is not None  # a task has settled it
        rounds_done, steps_into_round = divmod(self.state.step, every)
        if steps_into_round:
            self._rounds(every - steps_into_round, rounds_done, rounds_done + 1, callbacks)
            rounds_done += 1
        if not self.model.stop_training and self.budget.progress(self.state) < 1:
            rounds = -(-self.budget.total_steps // every)
            self._rounds(every, rounds_done, rounds, callbacks)

    def _rounds(self, steps: int, first: int, end: int, callbacks: list[Any]) -> None:
        self.model.fit(
            endless(self.windows, self.state.step),
            steps_per_epoch=steps,
            initial_epoch=first,
            epochs=end,
            validation_data=self._held_out(
                self.task.val_ids, self.windows.ids, self.task.train.eval_chars
            ),
            shuffle=False,
            callbacks=callbacks,
            verbose=0,
        )

    def _held_out(
        self, ids: np.ndarray, context: np.ndarray, max_chars: int | None = None
    ) -> Any:
        size = self.task.train
        return held_out(
            evaluation_windows(ids, size.batch_size, size.seq_length, context, max_chars)
        )

    def _callbacks(self, wants_stop: Callable[[], bool]) -> list[Any]:
        train, state, run = self.task.train, self.state, self.task.run
        schedule = WarmupCosine(train.learning_rate, train.warmup_steps, train.final_rate)
        callbacks = [
            CarryState(state, len(self.windows)),
            RunningMetrics(self.metrics, self.task.model.vocab_size),
            LearningRate(schedule, self.budget, state),
            Clock(state, self.budget),
            StopOnNan(state),
            SaveInside(
                state,
                every_steps=train.save_every,
                every_minutes=train.save_minutes,
                save=self.keeper.save_last,
            ),
            Evaluation(
                state,
                steps_per_pass=len(self.windows),
                patience=train.patience,
                ids_per_char=self.task.ids_per_char[:2],
                save_best=self.keeper.save_best,
                save_last=self.keeper.save_evaluation,
            ),
        ]
        if train.tensorboard:
            with quiet_import():
                # Keras writes these logs with TensorFlow, also when it trains on JAX.
                import tensorflow as tf

                tf.constant(0)
            callbacks.append(keras.callbacks.TensorBoard(str(run.logs), write_graph=False))
        return [*callbacks, *self._report(), StopOnRequest(wants_stop)]

    def _report(self) -> list[Report]:
        if self.quiet:
            return []
        train, ids_per_char = self.task.train, self.task.ids_per_char[0]
        return [
            Report(
                self.state,
                self.budget,
                window_chars=train.window_chars / ids_per_char,
                ids_per_char=ids_per_char,
                steps_per_pass=len(self.windows),
                preview=self._preview if train.preview else None,
            )
        ]

    def _preview(self) -> str:
        generator = Generator(
            self.task.model,
            get_weights(self.model, self.task.model),
            self.task.tokenizer,
            documents=self.task.text.documents,
        )
        return generator.generate(length=160, temperature=0.8, seed=self.state.step).strip()

    # --- what is said ---

    def _introduction(self) -> str:
        task, framework = self.task, keras.backend.backend()
        if self.dtype != task.train.compute_dtype:
            framework += f", {self.dtype}: no kernel for {task.train.compute_dtype} here"
        elif self.dtype != "float32":
            framework += f", {self.dtype} products"
        verb = (
            "Training" if task.resumed is None else f"Resuming at step {self.state.step:,}:"
        )
        num_val, most = len(task.val_ids), task.train.eval_chars
        validating = f"{num_val:,}" if num_val <= most else f"{most:,} of {num_val:,}"
        return (
            f"{verb} {task.model.num_parameters:,} parameters on {len(self.windows.ids):,} "
            f"characters, validating on {validating} ({framework}). "
            "Ctrl-C saves and stops."
        )

    def _is_finished(self) -> bool:
        train = self.task.train
        if self.budget.progress(self.state) >= 1:
            self.say(
                f"Nothing left to do after {self.state.step:,} steps and "
                f"{clock_time(self.state.seconds)}: raise --epochs or --max-minutes."
            )
            return True
        if self.state.waits >= train.patience:
            self.say(
                f"Nothing left to do: {self.state.waits} evaluations brought no better "
                "score. Raise --patience to go on."
            )
            return True
        return False

    def _conclude(self) -> None:
        state, patience = self.state, self.task.train.patience
        if state.waits >= patience:
            self.say(
                f"Stopped early: {state.waits} evaluations brought no better score "
                f"(--patience {patience})."
            )
        self.say(
            f"Best: {state.best_score:.3f} bits per character at step {state.best_step:,}, "
            f"after {clock_time(state.seconds)} of training."
        )
        self._score_test()

    def _score_test(self) -> None:
        """Score the test text with the best weights, once."""
        best = load_checkpoint(self.task.run.best)
        if not len(self.task.test_ids) or "test_bits_per_char" in best.facts["score"]:
            return
        set_weights(self.model, self.task.model, best.weights)
        logs = self.model.evaluate(
            self._held_out(self.task.test_ids, self.task.val_ids),
            callbacks=[CarryState(self.state, len(self.windows))],
            verbose=0,
            return_dict=True,
        )
        bits = float(logs["bits_per_id"]) * self.task.ids_per_char[2]
        self.keeper.save_test_score(bits)
        self.say(f"Test text: {bits:.3f} bits per character.")
