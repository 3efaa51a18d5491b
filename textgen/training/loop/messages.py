"""Messages printed at the beginning and at the end of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from textgen.config.train import TrainConfig
from textgen.training.backend.devices import is_on_cpu
from textgen.training.backend.keras import MAX_STEPS
from textgen.training.loop.progress import Budget, Progress
from textgen.training.task.expectation import expected_bits, is_usual
from textgen.training.task.pace import chars_to_read, minutes_to_read
from textgen.training.task.task import Task
from textgen.wording import clock_time, count_of

FEW_STEPS = 10
"""In fewer of them a network has learned nothing yet."""

LEAST_KEPT = 0.05
"""The share of the minutes that is worth a word if training leaves it for what follows."""

NO_LIMITS: Mapping[str, int] = MappingProxyType({})


def introduction(task: Task, progress: Progress, framework: str, dtype: str) -> str:
    """Describe the model, the text and the backend, and say what Ctrl-C does.

    Args:
        framework: name of the Keras backend.
        dtype: of the factors of matrix products in the recurrent layers.
    """
    pace = _pace(task, progress, framework)
    expected = _expected(task, progress, framework)
    wanted = task.train.compute_dtype
    if dtype != wanted:
        framework += f", {dtype}: no kernel for {wanted} here"
    elif dtype != "float32":
        framework += f", {dtype} products"
    verb = "Training" if task.resumed is None else f"Resuming at step {progress.step:,}:"
    num_train, num_val, _ = task.num_chars
    validation, most = f"{num_val:,}", task.train.eval_chars
    if num_val > most:
        validation = f"{most:,} of {validation}"
    return (
        f"{verb} {task.model.num_parameters:,} parameters on "
        f"{num_train:,} characters, validating on {validation} "
        f"({framework}), for {_limits(task.train)} at most{pace}.{expected} Ctrl-C saves "
        "and stops."
    )


def less_steep(train: TrainConfig) -> str:
    """What to change where a loss or a weight is no number.

    >>> less_steep(TrainConfig(optimizer="lars", learning_rate=10.0))
    'Lower `learning_rate`.'
    """
    # A step of LARS does not depend on how large the gradient is.
    if train.optimizer == "lars":
        return "Lower `learning_rate`."
    return "Lower `learning_rate`, or set `clip_norm` to 0.5 or less."


def nothing_left(task: Task, progress: Progress, budget: Budget) -> str | None:
    """Why a resumed run has already ended, or None if it has not."""
    more = _flags_to_go_on(task, progress, budget)
    if budget.share_used(progress) >= 1:
        return (
            f"Training is complete, after {progress.step:,} steps and "
            f"{clock_time(progress.seconds)}. To continue: --resume {more}."
        )
    if progress.evals_since_best >= task.train.patience:
        return (
            f"Training is complete: {progress.evals_since_best} evaluations brought no "
            f"better score. To go on all the same: --resume {more}."
        )
    return None


def _limits(train: TrainConfig) -> str:
    """How long a run may take."""
    limits = [
        f"{value:g} {noun}{'s' * (value != 1)}"
        for value, noun in ((train.epochs, "epoch"), (train.max_minutes, "minute"))
        if value is not None
    ]
    return " or ".join(limits)


def _pace(task: Task, progress: Progress, backend: str) -> str:
    """How long the remaining epochs take on a CPU; empty if `max_minutes` is the limit."""
    epochs = task.train.epochs
    if epochs is None or task.train.max_minutes is not None or not is_on_cpu():
        return ""
    if progress.step:
        left = epochs * len(task.windows) - progress.step
        minutes = left * progress.seconds / progress.step / 60
    else:
        num_chars, dtype = epochs * task.num_chars[0], task.train.compute_dtype
        minutes = minutes_to_read(num_chars, task.model, backend, dtype)
    return f", about {count_of(max(1, round(minutes)), 'minute')}"


def _expected(task: Task, progress: Progress, backend: str) -> str:
    """The score to expect of a new run; empty where it cannot be foreseen."""
    is_known = is_on_cpu() or task.train.max_minutes is None
    if progress.step or not is_known or not is_usual(task):
        return ""
    num_chars = chars_to_read(task.num_chars[0], task.model, task.train, backend)
    bits = expected_bits(task, num_chars)
    return "" if bits is None else f" Expect about {bits:.1f} bits per character."


def _limit(task: Task, progress: Progress, budget: Budget) -> tuple[str, float]:
    """The flag that ends the run first at its pace, and its value."""
    train = task.train
    if budget.is_short_of_time(progress):
        return "--max-minutes", train.max_minutes or 0
    return "--epochs", train.epochs or 0


def _flags_to_go_on(task: Task, progress: Progress, budget: Budget) -> str:
    """Flags that raise what was reached; time and passes together, or one is dropped."""
    train, flags = task.train, []
    if budget.share_used(progress) >= 1:
        if train.epochs is not None:
            passes = math.ceil(progress.step / len(task.windows))
            flags.append(f"--epochs {_doubled(train.epochs, passes):.0f}")
        if train.max_minutes is not None:
            minutes = _doubled(train.max_minutes, progress.seconds / 60)
            flags.append(f"--max-minutes {minutes:g}")
    if progress.evals_since_best >= train.patience:
        patience = _doubled(train.patience, progress.evals_since_best)
        flags.append(f"--patience {patience:.0f}")
    return " ".join(flags)


def _doubled(limit: float, used: float) -> float:
    """Twice a limit, or as often as it takes to leave room for more than was used.

    >>> _doubled(10, used=9.8), _doubled(2, used=10)
    (20, 16)
    """
    limit *= 2
    while limit <= used:
        limit *= 2
    return limit


def why_ended(
    task: Task, progress: Progress, budget: Budget, limits: Mapping[str, int] = NO_LIMITS
) -> str:
    """What ended a run that nobody interrupted: one of `ENDINGS`.

    Args:
        limits: those of Keras itself, by environment variable.
    """
    if budget.share_used(progress) >= 1:
        return "time" if budget.is_short_of_time(progress) else "epochs"
    if progress.evals_since_best >= task.train.patience:
        return "patience"
    return "limit" if limits else "callback"


def conclusion(
    task: Task, progress: Progress, budget: Budget, limits: Mapping[str, int] = NO_LIMITS
) -> str:
    """What ended a run, its best score and when that was, and how to go on.

    Args:
        limits: as for `why_ended`.
    """
    why = why_ended(task, progress, budget, limits)
    when = f"{progress.step / len(task.windows):.1f}, after {clock_time(progress.seconds)}"
    if why == "limit":
        return _cut_short(f"epoch {when}", progress, limits)
    if why == "callback":
        best = progress.best_shown() or "there is no score yet"
        return f"Stopped by a callback at epoch {when}; {best}. Go on with --resume."
    ended = (
        f"Stopped early at epoch {when}: {progress.evals_since_best} evaluations in a row "
        f"brought no better score (--patience {task.train.patience})"
    )
    if why != "patience":
        flag, value = _limit(task, progress, budget)
        ended = f"Reached {flag} {value:g} at epoch {when}"
        if why == "time" and progress.step < FEW_STEPS:
            ended += f", in {count_of(progress.step, 'step')}, too few to learn from"
        elif why == "time" and _keeps_time(progress, budget):
            ended += " (the rest is reserved for measurements after training)"
    more = _flags_to_go_on(task, progress, budget)
    how = f"{_how_to_go_on(task, progress)} --resume {more}."
    return f"{ended}; {progress.best_shown()}. {how}{_partial(limits)}"


def _keeps_time(progress: Progress, budget: Budget) -> bool:
    """Whether training ended early for the sake of what is measured after it."""
    if budget.max_seconds is None or progress.seconds >= budget.max_seconds:
        return False
    return budget.seconds_kept(progress) >= LEAST_KEPT * budget.max_seconds


def _how_to_go_on(task: Task, progress: Progress) -> str:
    since = progress.evals_since_best
    # A base is fine-tuned in as many passes as pay.
    if since == 0 and task.base is None:
        return "It was still improving; go on with"
    if since >= task.train.patience:
        return "The weights of that score are kept; to go on all the same:"
    if since > 1:
        return "It has not improved since; to go on all the same:"
    return "Go on with"


def _cut_short(when: str, progress: Progress, limits: Mapping[str, int]) -> str:
    names = " and ".join(f"{name}={value}" for name, value in limits.items())
    best = progress.best_shown() or "there is no score yet"
    unset = f"Unset {' and '.join(limits)}, then go on with --resume."
    return f"Cut short by {names} at {when}; {best}. {unset}{_partial(limits)}"


def _partial(limits: Mapping[str, int]) -> str:
    """What a limit of Keras means for the scores, if it applies to evaluations."""
    steps = limits.get(MAX_STEPS)
    if steps is None:
        return ""
    return f" Scores are of the first {count_of(steps, 'window')} only ({MAX_STEPS})."


def stopped(task: Task, progress: Progress) -> str:
    """Where a run stopped because the user asked for it, and what is saved."""
    epochs, best = progress.step / len(task.windows), progress.best_shown()
    return (
        f"Stopped at step {progress.step:,} (epoch {epochs:.1f}){best and f'; {best}'}; "
        f"everything is saved in {task.run.last}."
    )
