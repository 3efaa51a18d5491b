"""What happens around the steps of `keras.Model.fit`, one small callback an idea.

They share a `RunState`: everything about a run that is not a weight, so that it can
be stored and taken up again. Keras' word "epoch" means here: the steps between two
evaluations.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textgen.errors import CheckpointError, TrainingError
from textgen.training.backend.keras import load_keras, sync
from textgen.training.loop.run_state import Budget, RunState
from textgen.training.loop.schedule import WarmupCosine
from textgen.training.model.recurrent import carried_states, to_numpy

if TYPE_CHECKING:
    import keras  # mypy accepts base classes from a module, not from a variable
else:
    keras = load_keras()


class Interrupted(Exception):  # noqa: N818 - it reports a wish, not an error
    """A person asked to stop; the model's variables are up to date."""


class CarryState(keras.callbacks.Callback):
    """Begin each pass with a zero state; keep evaluation from disturbing training.

    Args:
        state: counts the steps.
        steps_per_pass: steps after which the lanes begin anew.
    """

    def __init__(self, state: RunState, steps_per_pass: int) -> None:
        super().__init__()
        self.state = state
        self.steps_per_pass = steps_per_pass
        self._kept: list[np.ndarray] | None = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Zero the state where the lanes begin anew."""
        if self.state.step % self.steps_per_pass == 0:
            sync(self.model)
            self._assign_zeros()

    def on_test_begin(self, logs: Any = None) -> None:
        """Put the training state aside; evaluation begins with zeros."""
        self._kept = [to_numpy(variable) for variable in carried_states(self.model)]
        self._assign_zeros()

    def on_test_end(self, logs: Any = None) -> None:
        """Put the training state back."""
        if self._kept is not None:
            for variable, kept in zip(carried_states(self.model), self._kept, strict=True):
                variable.assign(kept)
            self._kept = None

    def _assign_zeros(self) -> None:
        for variable in carried_states(self.model):
            variable.assign(np.zeros(variable.shape, variable.dtype))


class LearningRate(keras.callbacks.Callback):
    """Set the rate of each step from the share of the budget that is used up."""

    def __init__(self, schedule: WarmupCosine, budget: Budget, state: RunState) -> None:
        super().__init__()
        self.schedule = schedule
        self.budget = budget
        self.state = state

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate of the step that begins."""
        sync(self.model)
        rate = self.schedule(self.state.step, self.budget.progress(self.state))
        self.model.optimizer.learning_rate.assign(rate)


class Clock(keras.callbacks.Callback):
    """Count steps and seconds; end the run when its budget is used up."""

    def __init__(self, state: RunState, budget: Budget) -> None:
        super().__init__()
        self.state = state
        self.budget = budget
        self._last = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        self._last = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the step; end the round when nothing of the budget is left."""
        self.state.step += 1
        self._tick()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the time."""
        self._tick()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Begin no other round when the evaluation has used up the rest of the time."""
        self._tick()

    def _tick(self) -> None:
        now = time.monotonic()
        self.state.seconds += now - self._last
        self._last = now
        if self.budget.progress(self.state) >= 1:
            self.model.stop_training = True


class StopOnRequest(keras.callbacks.Callback):
    """End the run after a step when a person asks for it.

    At the end of a round its evaluation comes first: left out, it would be missing from
    the history, and the resumed run would not be the one that was never interrupted.

    Args:
        wants_stop: asked after each step and each round.
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
        # What is no number must not be saved; `StopOnNan` will soon find it.
        if math.isfinite(float(logs["loss"])):
            sync(self.model)
            raise Interrupted


class SaveInside(keras.callbacks.Callback):
    """Save inside a round, too, so that a crash costs little.

    Args:
        every_steps: steps from one saving to the next; None is off.
        every_minutes: the same in minutes of training; 0 is off.
        save: writes everything as it is now.
    """

    def __init__(
        self,
        state: RunState,
        *,
        every_steps: int | None,
        every_minutes: float,
        save: Callable[[], None],
    ) -> None:
        super().__init__()
        self.state = state
        self.every_steps = every_steps or math.inf
        self.every_seconds = every_minutes * 60 or math.inf
        self.save = save
        self._saved = state.step, state.seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Save when it is time; at the end of a round its evaluation saves."""
        step, seconds = self._saved
        is_due = (
            self.state.step - step >= self.every_steps
            or self.state.seconds - seconds >= self.every_seconds
        )
        if not is_due or _is_round_over(self, batch):
            return
        # What is no number must not be saved; `StopOnNan` will soon find it.
        if math.isfinite(float((logs or {})["loss"])):
            self.save()
            self._saved = self.state.step, self.state.seconds

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take note that an evaluation has just saved."""
        self._saved = self.state.step, self.state.seconds


def _is_round_over(callback: Any, batch: int) -> bool:
    is_last = batch + 1 == callback.params["steps"]
    return is_last or callback.model.stop_training


class RunningMetrics(keras.callbacks.Callback):
    """Go on with the means of a round that was stopped in its middle.

    Keras begins each call of `fit` with means of nothing.

    Args:
        stored: the values of `model.metrics_variables` when it was stopped.
        vocab_size: width of the logits.
    """

    def __init__(self, stored: Sequence[np.ndarray], vocab_size: int) -> None:
        super().__init__()
        self.stored = stored
        self.vocab_size = vocab_size

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Put the stored values into the first round."""
        if not self.stored:
            return
        # TensorFlow has no variables for metrics before they have seen something.
        nothing = np.zeros((1, 1), "int32"), np.zeros((1, 1, self.vocab_size), "float32")
        self.model.compute_metrics(None, *nothing, sample_weight=None)
        variables = self.model.metrics_variables
        if len(variables) != len(self.stored):
            raise CheckpointError(
                f"the training state has {len(self.stored)} means, not {len(variables)}: "
                "another version of Keras wrote it, or it is damaged. Choose another --out "
                "to begin anew."
            )
        for variable, value in zip(variables, self.stored, strict=True):
            variable.assign(value)
        self.stored = ()


class StopOnNan(keras.callbacks.Callback):
    """End the run when the loss is no longer a number.

    The check waits for the step to finish, so it is made every `every` steps; once a
    weight is not a number, it stays so.
    """

    def __init__(self, state: RunState, every: int = 10) -> None:
        super().__init__()
        self.state = state
        self.every = every

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss now and then."""
        if self.state.step % self.every == 0 and logs:
            self._check(float(logs["loss"]))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at both losses before anything is saved."""
        logs = logs or {}
        self._check(float(logs["loss"]))
        self._check(float(logs.get("val_loss", 0.0)))

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            sync(self.model)
            raise TrainingError(
                f"the loss is {loss} at step {self.state.step:,}. The weights last saved "
                "are kept. Lower --learning-rate, or set --clip-norm 0.5 or smaller."
            )


class Evaluation(keras.callbacks.Callback):
    """Record each evaluation, save what it shows, stop when nothing improves.

    Args:
        ids_per_char: of the training and of the validation text.
        save_best: called after an evaluation better than all before it.
        save_last: called after each evaluation, with its row in `state.rows`.
    """

    def __init__(
        self,
        state: RunState,
        *,
        steps_per_pass: int,
        patience: int,
        ids_per_char: tuple[float, float],
        save_best: Callable[[], None],
        save_last: Callable[[], None],
    ) -> None:
        super().__init__()
        self.state = state
        self.steps_per_pass = steps_per_pass
        self.patience = patience
        self.ids_per_char = ids_per_char
        self.save_best = save_best
        self.save_last = save_last

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add a row, save, and count the evaluations without a better score."""
        row = self._row(logs or {})
        self.state.rows.append(row)
        score = row["val_bits_per_char"]
        if self.state.best_score is None or score < self.state.best_score:
            self.state.best_score, self.state.best_step = score, self.state.step
            self.state.waits = 0
            self.save_best()
        else:
            self.state.waits += 1
            if self.state.waits >= self.patience:
                self.model.stop_training = True
        self.save_last()

    def _row(self, logs: dict[str, Any]) -> dict[str, float]:
        train, val = self.ids_per_char
        return {
            "step": self.state.step,
            "epoch": round(self.state.step / self.steps_per_pass, 4),
            "train_bits_per_char": float(logs["bits_per_id"]) * train,
            "val_bits_per_char": float(logs["val_bits_per_id"]) * val,
            "learning_rate": float(to_numpy(self.model.optimizer.learning_rate)),
            "seconds": round(self.state.seconds, 3),
        }
