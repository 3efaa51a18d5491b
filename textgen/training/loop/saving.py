"""What a training keeps on the disk, so that nothing is lost, and takes up again."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace
from typing import Any

import numpy as np

from textgen.checkpoint.format import (
    CONFIG,
    Checkpoint,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
)
from textgen.config.fields import to_dict
from textgen.disk.atomic import ADVICE, locate, write_file
from textgen.errors import CheckpointError, TrainingError
from textgen.training.backend.keras import load_keras, sync
from textgen.training.loop.plot import can_plot, history_png
from textgen.training.loop.run_state import RunState
from textgen.training.model.build import get_weights, set_weights
from textgen.training.model.recurrent import to_numpy
from textgen.training.task.task import Task
from textgen.version import __version__

keras = load_keras()


class Keeper:
    """Writes `best`, `last` and the history of one run.

    Args:
        model: compiled, with a built optimizer.
        state: how far the run has come; changes as training goes.

    Attributes:
        kept_step: the step that `last` holds, or None while it holds nothing.
    """

    def __init__(self, task: Task, model: Any, state: RunState) -> None:
        self.task = task
        self.model = model
        self.state = state
        self.backend = keras.backend.backend()
        self.begun_on = self.backend
        self.kept_step: int | None = None if task.resumed is None else state.step

    # --- writing ---

    def save_best(self) -> None:
        """Keep the weights as the best ones."""
        save_checkpoint(self.task.run.best, self._checkpoint(), advice=self._advice())

    def save_last(self) -> None:
        """Keep everything, to go on from here."""
        values = {
            "text": to_dict(self.task.text),
            "train": to_dict(self.task.train),
            "state": self.state.to_dict(),
        }
        checkpoint = self._checkpoint()
        training = TrainingState(values, self._arrays())
        save_checkpoint(self.task.run.last, checkpoint, training, self._advice())
        self.kept_step = self.state.step

    def save_evaluation(self) -> None:
        """Keep everything after an evaluation, and its row for a person to see."""
        self.save_last()
        self.save_history()

    def save_history(self) -> None:
        """Write the evaluations, if what is there lacks any of them."""
        run, rows = self.task.run, self.state.rows
        if not rows:
            return
        table = history_csv(rows)
        if os.path.isfile(run.history_csv) and run.history_csv.read_bytes() == table:
            return
        # The picture first: the table says that both are there.
        if can_plot():
            write_file(run.history_png, history_png(rows), self._advice())
        write_file(run.history_csv, table, self._advice())

    def save_test_score(self, bits_per_char: float) -> None:
        """Note the score of the test text beside the best weights."""
        best = load_checkpoint(self.task.run.best)
        score = {**best.facts["score"], "test_bits_per_char": bits_per_char}
        scored = replace(best, facts={**best.facts, "score": score})
        save_checkpoint(self.task.run.best, scored, advice=self._advice())

    def _advice(self) -> str:
        if self.kept_step is None:
            return ADVICE
        return (
            f"What was saved at step {self.kept_step:,} is kept: free some space, then go "
            "on with --resume."
        )

    def _checkpoint(self) -> Checkpoint:
        sync(self.model)
        row = self.state.rows[-1] if self.state.rows else {}
        facts = {
            "textgen_version": __version__,
            "backend": self.backend,
            "text": dict(self.task.facts),
            "train": to_dict(self.task.train),
            "score": dict(row),
        }
        weights = get_weights(self.model, self.task.model)
        for name, array in weights.items():
            if not np.isfinite(array).all():
                raise TrainingError(
                    f"weight {name} is no longer a number at step {self.state.step:,}. The "
                    "weights last saved are kept. Lower --learning-rate, or set "
                    "--clip-norm 0.5 or smaller."
                )
        return Checkpoint(self.task.model, self.task.tokenizer, weights, facts)

    def _arrays(self) -> dict[str, np.ndarray]:
        variables = self._variables()
        if not self._is_between_rounds():
            variables |= _numbered("metrics", self.model.metrics_variables)
        return {name: to_numpy(variable) for name, variable in variables.items()}

    def _is_between_rounds(self) -> bool:
        rows = self.state.rows
        return not self.state.step or bool(rows and rows[-1]["step"] == self.state.step)

    def _variables(self) -> dict[str, Any]:
        """What changes in training beside the weights: optimizer, state, dropout seeds."""
        return {
            **_numbered("optimizer", self.model.optimizer.variables),
            **_numbered("model", self.model.non_trainable_variables),
        }

    # --- taking up ---

    def take_up(self, resumed: TrainingState) -> list[np.ndarray]:
        """Put the model where an earlier session stopped, and note on which backend.

        Returns:
            The means of the round it stopped in, if it stopped inside one.

        Raises:
            CheckpointError: what was stored does not fit.
        """
        last = load_checkpoint(self.task.run.last)
        self.begun_on = last.facts.get("backend")
        set_weights(self.model, self.task.model, last.weights)
        for name, variable in self._variables().items():
            variable.assign(self._stored(resumed, name, tuple(variable.shape)))
        if locate(self.task.run.best, (CONFIG,)) is None:
            self.state.best_score = None  # somebody has removed it: the next one is kept
        # Older runs have none; then the next row tells of its own part of the round.
        names = [name for name in resumed.arrays if name.startswith("metrics.")]
        return [self._stored(resumed, f"metrics.{n}", ()) for n in range(len(names))]

    def _stored(
        self, resumed: TrainingState, name: str, shape: tuple[int, ...]
    ) -> np.ndarray:
        array = resumed.arrays.get(name)
        if array is None or array.shape != shape or array.dtype.kind not in "fiu":
            raise CheckpointError(
                f"{self.task.run.last}: {name} of the training state is missing or of "
                "another shape. Choose another --out to begin anew."
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
