"""Saving a run while it trains, and restoring it when it is resumed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from textgen.checkpoint.format import (
    TRAINING,
    Checkpoint,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
)
from textgen.checkpoint.parts import CONFIG
from textgen.checkpoint.previews import Preview, add_preview
from textgen.disk.atomic import ADVICE, locate, write_file
from textgen.errors import CheckpointError, TrainingError
from textgen.reporting.pictures import can_draw, history_png
from textgen.training.backend.keras import sync
from textgen.training.backend.loaded import keras
from textgen.training.distributed.peers import ALONE, Peers
from textgen.training.loop.messages import less_steep
from textgen.training.loop.progress import Progress
from textgen.training.model.build import get_weights, set_weights
from textgen.training.model.carrying import assign, to_numpy
from textgen.training.task.task import Task
from textgen.version import __version__

PLOT_SECONDS = 60.0
"""At least so many seconds of training lie between two plots; one takes half a second."""


def stored_progress(task: Task, peers: Peers = ALONE) -> Progress:
    """The progress of the run that is resumed, as process 0 knows it; zero for a new one.

    Raises:
        CheckpointError: the stored progress is damaged.
    """
    if task.resumed is None:
        return Progress()
    try:
        progress = Progress.from_dict(task.resumed.values.get("state", {}))
    except CheckpointError as error:
        raise CheckpointError(f"{task.run.last / TRAINING}: {error}") from error
    if locate(task.run.best, (CONFIG,)) is None:
        # Deleted by the user: the next score becomes the best.
        progress.best_score = None
    return Progress.from_dict(peers.from_first(progress.to_dict()))


class Saver:
    """Writes `best`, `last` and the history of one run.

    Args:
        model: compiled, with a built optimizer.
        progress: of the run; changes while it trains.
        writes: False in all but one of several processes, which save together.

    Attributes:
        saved_step: step of the checkpoint in `last`; None before the first save.
        previous_backend: the backend that the run was trained on before.
    """

    def __init__(
        self, task: Task, model: Any, progress: Progress, *, writes: bool = True
    ) -> None:
        self.task = task
        self.model = model
        self.progress = progress
        self.writes = writes
        self.backend = keras.backend.backend()
        self.previous_backend = self.backend
        self.saved_step: int | None = None if task.resumed is None else progress.step
        self._plotted_seconds = progress.seconds

    # --- saving ---

    def save_best(self) -> None:
        """Save the weights as the best ones."""
        checkpoint = self._checkpoint()
        if self.writes:
            save_checkpoint(self.task.run.best, checkpoint, advice=self._advice())

    def save_last(self) -> None:
        """Save everything that a resumed run needs."""
        values = {
            "text": asdict(self.task.text),
            "train": asdict(self.task.train),
            "state": self.progress.to_dict(),
        }
        checkpoint = self._checkpoint()
        training = TrainingState(values, self._arrays())
        if self.writes:
            save_checkpoint(self.task.run.last, checkpoint, training, self._advice())
        self.saved_step = self.progress.step

    def save_options(self) -> None:
        """Save the options, if they changed on resumption, for the resumptions to come."""
        resumed = self.task.resumed
        if resumed and resumed.values.get("train") != asdict(self.task.train):
            self.save_last()

    def save_evaluation(self) -> None:
        """Save everything, and the history with its new row."""
        self.save_last()
        self.save_history()

    def save_history(self) -> None:
        """Write the table of the evaluations, if it is out of date; at times, plot it."""
        run, rows = self.task.run, self.progress.rows
        if not (rows and self.writes):
            return
        table = history_csv(rows)
        if os.path.isfile(run.history_csv) and run.history_csv.read_bytes() == table:
            return
        write_file(run.history_csv, table, self._advice())
        if self.progress.seconds - self._plotted_seconds >= PLOT_SECONDS:
            self.plot_history()

    def plot_history(self) -> None:
        """Draw the evaluations, if matplotlib is installed."""
        rows = self.progress.rows
        if rows and self.writes and can_draw():
            write_file(self.task.run.history_png, history_png(rows), self._advice())
        self._plotted_seconds = self.progress.seconds

    def keep_preview(self, text: str) -> None:
        """Keep what the model wrote at this step."""
        preview = Preview(self.progress.step, text)
        add_preview(self.task.run.previews, preview, self._advice())

    def add_scores(self, best: Checkpoint, scores: Mapping[str, float]) -> Checkpoint:
        """Write the best checkpoint with what was measured after training; return it."""
        score = {**best.facts["score"], **scores}
        scored = replace(best, facts={**best.facts, "score": score})
        save_checkpoint(self.task.run.best, scored, advice=self._advice())
        return scored

    def _advice(self) -> str:
        if self.saved_step is None:
            return ADVICE
        return (
            f"What was saved at step {self.saved_step:,} is kept: free some space, then "
            "continue with `resume=True`."
        )

    def _checkpoint(self) -> Checkpoint:
        sync(self.model)
        row = self.progress.rows[-1] if self.progress.rows else {}
        facts = {
            "textgen_version": __version__,
            "backend": self.backend,
            "text": dict(self.task.facts),
            "train": asdict(self.task.train),
            "score": dict(row),
        }
        weights = get_weights(self.model, self.task.model)
        for name, array in weights.items():
            if not np.isfinite(array).all():
                raise TrainingError(
                    f"weight {name} is NaN or infinite at step {self.progress.step:,}. The "
                    f"last saved weights are kept. {less_steep(self.task.train)}"
                )
        return Checkpoint(self.task.model, self.task.tokenizer, weights, facts)

    def _arrays(self) -> dict[str, np.ndarray]:
        variables = self._variables()
        if not self._is_between_rounds():
            variables |= _numbered("metrics", self.model.metrics_variables)
        return {name: to_numpy(variable) for name, variable in variables.items()}

    def _is_between_rounds(self) -> bool:
        rows, step = self.progress.rows, self.progress.step
        return not step or bool(rows and rows[-1]["step"] == step)

    def _variables(self) -> dict[str, Any]:
        """What training changes besides the weights: optimizer, carried state, seeds."""
        return {
            **_numbered("optimizer", self.model.optimizer.variables),
            **_numbered("model", self.model.non_trainable_variables),
        }

    # --- restoring ---

    def restore(self, resumed: TrainingState) -> list[np.ndarray] | None:
        """Assign the stored weights and training state to the model.

        Returns:
            the running means of the metrics, if the run was stopped during a round.

        Raises:
            CheckpointError: an array is missing or has the wrong shape.
        """
        last = load_checkpoint(self.task.run.last)
        self.previous_backend = last.facts.get("backend")
        set_weights(self.model, self.task.model, last.weights)
        for name, variable in self._variables().items():
            assign(variable, self._stored(resumed, name, tuple(variable.shape)))
        num_metrics = sum(name.startswith("metrics.") for name in resumed.arrays)
        metrics = [self._stored(resumed, f"metrics.{n}", ()) for n in range(num_metrics)]
        return None if self._is_between_rounds() and not metrics else metrics

    def _stored(
        self, resumed: TrainingState, name: str, shape: tuple[int, ...]
    ) -> np.ndarray:
        array = resumed.arrays.get(name)
        if array is None or array.shape != shape or array.dtype.kind not in "fiu":
            raise CheckpointError(
                f"{self.task.run.last}: {name} of the training state is missing or has "
                "the wrong shape. Begin a new run with another `out`."
            )
        return array


def _numbered(group: str, variables: list[Any]) -> dict[str, Any]:
    return {f"{group}.{number}": variable for number, variable in enumerate(variables)}


def history_csv(rows: list[dict[str, float]]) -> bytes:
    """The evaluations as a CSV file.

    >>> history_csv([{"step": 10, "val_bits_per_char": 2.5}])
    b'step,val_bits_per_char\\r\\n10,2.5\\r\\n'
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
