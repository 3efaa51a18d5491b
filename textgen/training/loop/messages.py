"""Messages printed at the beginning and at the end of a run."""

from __future__ import annotations

from textgen.training.loop.progress import Budget, Progress
from textgen.training.task.task import Task
from textgen.wording import clock_time


def introduction(task: Task, progress: Progress, framework: str, dtype: str) -> str:
    """Describe the model, the text and the backend, and say what Ctrl-C does.

    Args:
        framework: name of the Keras backend.
        dtype: of the factors of matrix products in the recurrent layers.
    """
    wanted = task.train.compute_dtype
    if dtype != wanted:
        framework += f", {dtype}: no kernel for {wanted} here"
    elif dtype != "float32":
        framework += f", {dtype} products"
    verb = "Training" if task.resumed is None else f"Resuming at step {progress.step:,}:"
    train_rate, val_rate, _ = task.ids_per_char
    num_val, most = len(task.val_ids), task.train.eval_chars
    validation = f"{num_val / val_rate:,.0f}"
    if num_val > most:
        validation = f"{most / val_rate:,.0f} of {validation}"
    return (
        f"{verb} {task.model.num_parameters:,} parameters on "
        f"{len(task.windows.ids) / train_rate:,.0f} characters, validating on {validation} "
        f"({framework}). Ctrl-C saves and stops."
    )


def nothing_left(task: Task, progress: Progress, budget: Budget) -> str | None:
    """Why a resumed run has already ended, or None if it has not."""
    if budget.share_used(progress) >= 1:
        return (
            f"Nothing left to do after {progress.step:,} steps and "
            f"{clock_time(progress.seconds)}: raise --epochs or --max-minutes."
        )
    if progress.evals_since_best >= task.train.patience:
        return (
            f"Nothing left to do: {progress.evals_since_best} evaluations brought no "
            "better score. Raise --patience to continue."
        )
    return None


def conclusion(task: Task, progress: Progress) -> str:
    """The best score of a run, after the reason if it ended early."""
    patience = task.train.patience
    early = (
        f"Stopped early: {progress.evals_since_best} evaluations brought no better score "
        f"(--patience {patience}).\n"
        if progress.evals_since_best >= patience
        else ""
    )
    return (
        f"{early}Best: {progress.best_score:.3f} bits per character at step "
        f"{progress.best_step:,}, after {clock_time(progress.seconds)} of training."
    )
