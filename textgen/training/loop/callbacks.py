"""Callbacks of `keras.Model.fit`, one per idea.

They share a `Progress`, everything about a run that is not a weight, so that a resumed
run can restore it. What Keras calls an epoch is a *round* here: the steps between two
evaluations. `fit.py` puts the callbacks in order, and says why the order matters.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from textgen.errors import CheckpointError, TrainingError
from textgen.training.backend.keras import sync
from textgen.training.backend.loaded import keras
from textgen.training.distributed.meeting import Meeting
from textgen.training.loop.progress import Budget, Progress
from textgen.training.loop.schedule import WarmupCosine
from textgen.training.model.carrying import assign, carried_states, to_numpy


class StopRequested(Exception):  # noqa: N818 - not an error
    """The user asked to stop; the model's variables are up to date."""


class ResetCarriedState(keras.callbacks.Callback):
    """Zero the carried state before each pass, and preserve it across evaluations.

    Args:
        progress: counts the steps.
        steps_per_pass: steps to read the lanes once.
    """

    def __init__(self, progress: Progress, steps_per_pass: int) -> None:
        super().__init__()
        self.progress = progress
        self.steps_per_pass = steps_per_pass
        self._saved: list[np.ndarray] | None = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Zero the carried state at the first step of a pass."""
        if self.progress.step % self.steps_per_pass == 0:
            sync(self.model)
            self._assign_zeros()

    def on_test_begin(self, logs: Any = None) -> None:
        """Set the carried state of training aside; evaluation begins with zeros."""
        self._saved = [to_numpy(variable) for variable in carried_states(self.model)]
        self._assign_zeros()

    def on_test_end(self, logs: Any = None) -> None:
        """Restore the carried state of training."""
        if self._saved is not None:
            for variable, saved in zip(
                carried_states(self.model), self._saved, strict=True
            ):
                assign(variable, saved)
            self._saved = None

    def _assign_zeros(self) -> None:
        for variable in carried_states(self.model):
            assign(variable, np.zeros(variable.shape, variable.dtype))


class LearningRate(keras.callbacks.Callback):
    """Set the learning rate of each step, by the share of the budget that is used up."""

    def __init__(self, schedule: WarmupCosine, budget: Budget, progress: Progress) -> None:
        super().__init__()
        self.schedule = schedule
        self.budget = budget
        self.progress = progress

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the learning rate of the step that begins."""
        sync(self.model)
        share_used = self.budget.share_used(self.progress)
        rate = self.schedule(self.progress.step, share_used)
        assign(self.model.optimizer.learning_rate, rate)


class Clock(keras.callbacks.Callback):
    """Count steps and seconds; end the run when its budget is used up.

    Args:
        eval_steps: windows of an evaluation, from which its duration is estimated before
            the first one.
        meeting: where the processes of a job agree on the time.
    """

    def __init__(
        self, progress: Progress, budget: Budget, eval_steps: int, meeting: Meeting
    ) -> None:
        super().__init__()
        self.progress = progress
        self.budget = budget
        self.eval_steps = eval_steps
        self.meeting = meeting
        self._last = 0.0
        self._eval_seconds = progress.eval_seconds
        self._is_measured = progress.eval_seconds > 0
        self._eval_began: float | None = None
        self._first_step: tuple[int, float, float] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        self._last = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note how long the evaluation before has taken, with saves and preview."""
        if self._eval_began is not None:
            self._eval_seconds = time.monotonic() - self._eval_began
            self._eval_began = None
            self._meet()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the step; end the round when the budget is used up."""
        self.progress.step += 1
        if not self._is_measured:
            self._eval_seconds = self._estimate()
        if self.meeting.is_due(self.progress.step):
            self._meet()
        self._check_budget()

    def on_test_begin(self, logs: Any = None) -> None:
        """Measure the evaluation."""
        self._eval_began, self._is_measured = time.monotonic(), True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Start no further round if the evaluation has used up the time."""
        self._meet()
        self._check_budget()

    def _estimate(self) -> float:
        """Seconds of the first evaluation, from the steps so far; rather too many."""
        now, step = time.monotonic(), self.progress.step
        if self._first_step is None:
            # This step was also compiled; an evaluation, half as large, will be, too.
            self._first_step = step, now, now - self._last
        first, ended, seconds = self._first_step
        per_step = (now - ended) / max(1, step - first)
        return seconds / 2 + self.eval_steps * per_step

    def _meet(self) -> None:
        now, progress = time.monotonic(), self.progress
        seconds, progress.eval_seconds = self.meeting.hold(
            progress.step, now - self._last, self._eval_seconds
        )
        progress.seconds += seconds
        self._last = now

    def _check_budget(self) -> None:
        if self.budget.share_used(self.progress) >= 1:
            self.model.stop_training = True


class StopOnRequest(keras.callbacks.Callback):
    """End the run after a step if the user asks for it.

    At the end of a round the evaluation is not skipped: its row would be missing from the
    history, and the resumed run would differ from an uninterrupted one.

    Args:
        wants_stop: called after each step and each round.
    """

    def __init__(self, wants_stop: Callable[[], bool]) -> None:
        super().__init__()
        self.wants_stop = wants_stop

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop inside a round."""
        if not _is_round_over(self, batch) and self.wants_stop():
            self._stop(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop after the evaluation of a round."""
        if self.wants_stop():
            self._stop(logs)

    def _stop(self, logs: Any) -> None:
        # NaN must not be saved; `StopOnNan` reports it soon.
        if math.isfinite(float(logs["loss"])):
            sync(self.model)
            raise StopRequested


class PeriodicSave(keras.callbacks.Callback):
    """Save during a round, so that a crash loses little.

    Args:
        every_steps: steps between saves; None disables them.
        every_minutes: minutes of training between saves; 0 disables them.
        save: writes the current state of the run.
    """

    def __init__(
        self,
        progress: Progress,
        *,
        every_steps: int | None,
        every_minutes: float,
        save: Callable[[], None],
    ) -> None:
        super().__init__()
        self.progress = progress
        self.every_steps = every_steps or math.inf
        self.every_seconds = every_minutes * 60 or math.inf
        self.save = save
        self._saved = progress.step, progress.seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Save if it is time, but not at the end of a round: its evaluation saves."""
        step, seconds = self._saved
        is_due = (
            self.progress.step - step >= self.every_steps
            or self.progress.seconds - seconds >= self.every_seconds
        )
        if not is_due or _is_round_over(self, batch):
            return
        # NaN must not be saved; `StopOnNan` reports it soon.
        if math.isfinite(float((logs or {})["loss"])):
            self.save()
            self._saved = self.progress.step, self.progress.seconds

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note that an evaluation has just saved."""
        self._saved = self.progress.step, self.progress.seconds


def _is_round_over(callback: Any, batch: int) -> bool:
    is_last = batch + 1 == callback.params["steps"]
    return is_last or callback.model.stop_training


class RestoreMetrics(keras.callbacks.Callback):
    """Restore the running means of a round that was interrupted.

    Keras resets them at each call of `fit`.

    Args:
        stored: the values of `model.metrics_variables`; None if the run was not stopped
            during a round.
        vocab_size: width of the logits.
    """

    def __init__(self, stored: Sequence[np.ndarray] | None, vocab_size: int) -> None:
        super().__init__()
        self.stored = stored
        self.vocab_size = vocab_size

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Assign the stored values at the start of the first round."""
        if self.stored is None:
            return
        # TensorFlow creates the variables of metrics at their first update.
        nothing = np.zeros((1, 1), "int32"), np.zeros((1, 1, self.vocab_size), "float32")
        self.model.compute_metrics(None, *nothing, sample_weight=None)
        variables = self.model.metrics_variables
        if len(variables) != len(self.stored):
            raise CheckpointError(
                f"the training state has {len(self.stored)} means, not {len(variables)}: "
                "another version of Keras wrote it, or it is damaged. Begin a new run with "
                "another `out`."
            )
        for variable, value in zip(variables, self.stored, strict=True):
            assign(variable, value)
        self.stored = None


class StopOnNan(keras.callbacks.Callback):
    """End the run when the loss is NaN or infinite.

    Reading the loss waits for the step to finish, so it is read only every `every` steps:
    once a weight is NaN, it stays NaN.

    Args:
        advice: what to change.
    """

    def __init__(self, progress: Progress, advice: str, every: int = 10) -> None:
        super().__init__()
        self.progress = progress
        self.advice = advice
        self.every = every

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Check the loss every few steps."""
        if self.progress.step % self.every == 0 and logs:
            self._check(float(logs["loss"]))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Check both losses before the evaluation saves."""
        logs = logs or {}
        self._check(float(logs["loss"]))
        self._check(float(logs.get("val_loss", 0.0)))

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            sync(self.model)
            best = self.progress.best_shown()
            raise TrainingError(
                f"the loss is {loss} at step {self.progress.step:,}"
                f"{best and f'; {best}'}. The last saved weights are kept. {self.advice}"
            )


class RecordEvaluation(keras.callbacks.Callback):
    """Record each evaluation, save, and stop early when the score no longer improves.

    Args:
        patience: evaluations without a better score after which the run ends.
        ids_per_char: of the training and of the validation text.
        save_best: called after an evaluation with the best score so far.
        save_last: called after each evaluation, with its row in `progress.rows`.
    """

    def __init__(
        self,
        progress: Progress,
        *,
        steps_per_pass: int,
        patience: int,
        ids_per_char: tuple[float, float],
        save_best: Callable[[], None],
        save_last: Callable[[], None],
    ) -> None:
        super().__init__()
        self.progress = progress
        self.steps_per_pass = steps_per_pass
        self.patience = patience
        self.ids_per_char = ids_per_char
        self.save_best = save_best
        self.save_last = save_last

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Add a row to the history, save, and count evaluations without a better score."""
        progress, row = self.progress, self._row(logs)
        progress.rows.append(row)
        score = row["val_bits_per_char"]
        # Keras hands these logs on to the callbacks after this one.
        logs.update(bits_per_char=row["train_bits_per_char"], val_bits_per_char=score)
        if progress.best_score is None or score < progress.best_score:
            progress.best_score, progress.best_step = score, progress.step
            progress.evals_since_best = 0
            self.save_best()
        else:
            progress.evals_since_best += 1
            if progress.evals_since_best >= self.patience:
                self.model.stop_training = True
        self.save_last()

    def _row(self, logs: dict[str, Any]) -> dict[str, float]:
        train, val = self.ids_per_char
        return {
            "step": self.progress.step,
            "epoch": round(self.progress.step / self.steps_per_pass, 4),
            "train_bits_per_char": float(logs["bits_per_id"]) * train,
            "val_bits_per_char": float(logs["val_bits_per_id"]) * val,
            "learning_rate": float(to_numpy(self.model.optimizer.learning_rate)),
            "seconds": round(self.progress.seconds, 3),
        }
