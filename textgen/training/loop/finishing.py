"""What is measured when training has ended, and added to the best checkpoint, once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from textgen.checkpoint.describe import label_accuracy_shown
from textgen.checkpoint.format import Checkpoint, load_checkpoint
from textgen.generation.network.network import Network
from textgen.generation.scoring.labels import label_accuracy
from textgen.text.encoded.windows import EvaluationWindows, evaluation_windows
from textgen.training.distributed.peers import Peers
from textgen.training.ending import remembering, stretches
from textgen.training.ending.calibration import best_temperature, calibrated
from textgen.training.ending.remembering import NOTHING_TO_FIT, remember
from textgen.training.ending.stretches import Stretches, read_stretches
from textgen.training.loop.callbacks import ResetCarriedState
from textgen.training.loop.datasets import held_out
from textgen.training.loop.saving import Saver
from textgen.training.model.build import get_weights, set_weights
from textgen.training.task.task import Task


class Finishing:
    """The end of a session.

    Every process of a job takes part, but only the first one sees the run's folder.

    Args:
        windows: of the held-out text, as for the evaluations.
        say: prints a line.
    """

    def __init__(
        self,
        task: Task,
        model: Any,
        saver: Saver,
        windows: EvaluationWindows,
        peers: Peers,
        say: Callable[[str], None],
    ) -> None:
        self.task, self.model, self.saver = task, model, saver
        self.windows, self.peers, self.say = windows, peers, say

    def run(self) -> None:
        """Plot the history; measure what has not been measured of the best weights."""
        self.saver.plot_history()
        if self.saver.progress.best_score is not None:
            found = self._read() if self.peers.is_first else None
            temperature = self.peers.from_first(self._temperature(found))
            if temperature is not None:
                self._calibrate(temperature)
            self._score_test()
            if self.peers.is_first:
                self._score_labels()
                self._remember(found, temperature)
        self.peers.part()

    def _best(self) -> Checkpoint:
        return load_checkpoint(self.task.run.best)

    # --- what is fitted on the held-out text ---

    def _read(self) -> Stretches | None:
        """The network's predictions, if something is to be fitted on them."""
        best = self._best()
        if not (self._wants_temperature(best) or self._wants_memory(best)):
            return None
        return read_stretches(self.task, Network(best.model, best.weights))

    def _wants_temperature(self, best: Checkpoint) -> bool:
        return is_calibrated(self.task) and "temperature" not in best.facts["score"]

    def _wants_memory(self, best: Checkpoint) -> bool:
        order = best.ngrams.tables.order if best.ngrams else 0
        return self.task.train.memory not in (0, order)

    def _temperature(self, found: Stretches | None) -> float | None:
        """The temperature of the logits; None if it is not to be fitted, or has been."""
        if found is None or not self._wants_temperature(self._best()):
            return None
        return best_temperature(found)

    def _calibrate(self, temperature: float) -> None:
        """Divide the logits by the temperature, and score the held-out text with it."""
        best = self._best() if self.peers.is_first else None
        if temperature == 1:
            if best is not None:
                self.saver.add_scores(best, {"temperature": temperature})
            return
        if best is not None:
            # A memory that was weighed beside other logits is weighed anew.
            weights = calibrated(best.weights, temperature)
            best = replace(best, weights=weights, ngrams=None)
        bits = self._bits(self.windows, best, self.task.ids_per_char[1])
        if best is None:
            return
        scores = {"temperature": temperature, "val_bits_per_char": bits}
        self.saver.add_scores(best, scores)
        self.say(
            f"The network was too {'sure' if temperature > 1 else 'unsure'}: with its "
            f"logits divided by {temperature:g}, held-out text takes {bits:.3f} bits per "
            f"character instead of {self.saver.progress.best_score:.3f}."
        )

    def _remember(self, found: Stretches | None, temperature: float | None) -> None:
        """Add the n-gram memory, or remove it."""
        best = self._best()
        if best.ngrams and not self.task.train.memory:
            self.saver.add_scores(replace(best, ngrams=None), {})
        if found is None or not self._wants_memory(best):
            return
        memory = remember(self.task, found.calibrated(temperature or 1.0))
        if memory is None:
            self.say(NOTHING_TO_FIT)
            return
        self.saver.add_scores(replace(best, ngrams=memory.ngrams), memory.scores)
        self.say(memory.shown())

    # --- scores ---

    def _score_test(self) -> None:
        """Score the test text with the best weights."""
        task = self.task
        if not len(task.test_ids):
            return
        best = self._best() if self.peers.is_first else None
        is_scored = best is not None and "test_bits_per_char" in best.facts["score"]
        if self.peers.from_first(is_scored):
            return
        windows = _evaluated(task, task.test_ids, task.val_ids, self.windows.lanes)
        bits = self._bits(windows, best, task.ids_per_char[2])
        if best is not None:
            self.saver.add_scores(best, {"test_bits_per_char": bits})
        self.say(f"Test text: {bits:.3f} bits per character.")

    def _bits(
        self, windows: EvaluationWindows, best: Checkpoint | None, ids_per_char: float
    ) -> float:
        """Bits per character of a text; `best` is None in all processes but the first."""
        weights = get_weights(self.model, self.task.model) if best is None else best.weights
        weights = self.peers.arrays_from_first(weights)
        set_weights(self.model, self.task.model, weights)
        logs = self.model.evaluate(
            held_out(windows),
            callbacks=[ResetCarriedState(self.saver.progress, len(self.task.windows))],
            verbose=0,
            return_dict=True,
        )
        return float(logs["bits_per_id"]) * ids_per_char

    def _score_labels(self) -> None:
        """Measure how well labels hold."""
        tokenizer, best = self.task.tokenizer, self._best()
        if not tokenizer.label_ids or "label_accuracy" in best.facts["score"]:
            return
        network = Network(best.model, best.weights)
        found = label_accuracy(network, tokenizer, self.task.val_ids)
        if found is not None:
            share, count = found.share, found.num_documents
            self.saver.add_scores(best, {"label_accuracy": share, "label_records": count})
            shown = label_accuracy_shown(share, count, len(tokenizer.label_ids))
            self.say(f"Labels: {shown}.")


def held_out_windows(task: Task, lanes: range) -> EvaluationWindows:
    """The windows of an evaluation.

    Args:
        lanes: those that this process reads.
    """
    # Rounded up, so that no text is evaluated in no characters.
    most = math.ceil(task.train.eval_chars * task.ids_per_char[1])
    return _evaluated(task, task.val_ids, task.windows.ids, lanes, most)


def _evaluated(
    task: Task,
    ids: np.ndarray,
    context: np.ndarray,
    lanes: range | None,
    max_ids: int | None = None,
) -> EvaluationWindows:
    size, completions = task.train, task.windows.completions
    found = evaluation_windows(
        ids, size.batch_size, size.seq_length, context, max_ids, completions
    )
    return replace(found, lanes=lanes)


def is_calibrated(task: Task) -> bool:
    """Whether the output layer has weights of its own to calibrate, and is to be."""
    return task.train.calibrate and not task.model.tie_embeddings


def foreseen_seconds(task: Task) -> float:
    """About how long all this takes, apart from evaluations."""
    if not (is_calibrated(task) or task.train.memory):
        return 0.0
    return stretches.foreseen_seconds(task) + remembering.foreseen_seconds(task)
