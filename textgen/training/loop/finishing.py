"""What is measured when training has ended, and added to the best checkpoint, once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
from textgen.training.ending.calibration import best_temperature, with_temperature
from textgen.training.ending.remembering import NOTHING_TO_FIT, SCORES, remember
from textgen.training.ending.stretches import Stretches, read_stretches
from textgen.training.loop.callbacks import ResetCarriedState
from textgen.training.loop.datasets import held_out
from textgen.training.loop.progress import COLUMNS
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
        self._best: Checkpoint | None = None
        self._read: Stretches | None = None

    def run(self) -> None:
        """Plot the history; measure what has not been measured of the best weights."""
        self.saver.plot_history()
        if self.saver.progress.best_score is not None:
            if self.peers.is_first:
                self._best = load_checkpoint(self.task.run.best)
                self._read = self._stretches()
            self._calibrate()
            self._score_test()
            if self.peers.is_first:
                self._score_labels()
                self._remember()
        self.peers.part()

    def _add(self, scores: Mapping[str, float], **changes: Any) -> None:
        """Change the best checkpoint, and add scores to it."""
        assert self._best is not None
        self._best = self.saver.add_scores(replace(self._best, **changes), scores)

    # --- what is fitted on the held-out text ---

    def _stretches(self) -> Stretches | None:
        """The network's predictions, if something is to be fitted on them."""
        best = self._best
        if best is None or not (self._lacks_temperature() or self._lacks_memory()):
            return None
        return read_stretches(self.task, Network(best.model, best.weights))

    def _lacks_temperature(self) -> bool:
        return (
            self._best is not None
            and wants_temperature(self.task)
            and "temperature" not in self._best.facts["score"]
        )

    def _lacks_memory(self) -> bool:
        if self._best is None:
            return False
        ngrams, train = self._best.ngrams, self.task.train
        is_measured = set(SCORES) <= set(self._best.facts["score"])
        if train.keeps_what_gains and is_measured:
            return False
        return train.memory_order not in (0, ngrams.tables.order if ngrams else 0)

    def _calibrate(self) -> None:
        """Divide the logits by the temperature that suits them, if the score gains."""
        temperature = None
        if self._read is not None and self._lacks_temperature():
            temperature = best_temperature(self._read)
        temperature = self.peers.from_first(temperature)
        if temperature is None:
            return
        before, bits = self.saver.progress.best_score, math.inf
        weights = None
        if self._best is not None:
            weights = with_temperature(self._best.weights, temperature)
        if temperature != 1:
            bits = self._bits(self.windows, weights, self.task.ids_per_char[1])
        if self._best is None or self._read is None or before is None:
            return
        if bits >= before:
            self._add({"temperature": 1.0})
            return
        # What was measured and weighed with other logits has to be once more.
        score = self._best.facts["score"]
        row = {name: score[name] for name in COLUMNS if name in score}
        facts = {**self._best.facts, "score": row}
        scores = {"temperature": temperature, "val_bits_per_char": bits}
        self._add(scores, weights=weights, ngrams=None, facts=facts)
        self._read = self._read.divided_by(temperature)
        shown, shown_before = f"{bits:.3f}", f"{before:.3f}"
        if shown != shown_before:
            self.say(
                f"The network was too {'sure' if temperature > 1 else 'unsure'}: dividing "
                f"its logits by {temperature:g} (temperature scaling) lowers the score on "
                f"held-out text from {shown_before} to {shown} bits per character."
            )

    def _remember(self) -> None:
        """Add the n-gram memory if it was asked for or is worth it, or remove it."""
        assert self._best is not None
        if self._best.ngrams and self.task.train.memory == 0:
            self._add({}, ngrams=None)
            self.say("N-gram memory removed.")
        if self._read is None or not self._lacks_memory():
            return
        memory = remember(self.task, self._read)
        if memory is None:
            self.say(NOTHING_TO_FIT)
            return
        is_kept = memory.is_worth_it or not self.task.train.keeps_what_gains
        self._add(memory.scores, ngrams=memory.ngrams if is_kept else None)
        self.say(memory.shown(is_kept=is_kept))

    # --- scores ---

    def _score_test(self) -> None:
        """Score the test text with the best weights."""
        task, best = self.task, self._best
        if not len(task.test_ids):
            return
        is_scored = best is not None and "test_bits_per_char" in best.facts["score"]
        if self.peers.from_first(is_scored):
            return
        windows = _evaluated(task, task.test_ids, task.val_ids, self.windows.lanes)
        weights = None if best is None else best.weights
        bits = self._bits(windows, weights, task.ids_per_char[2])
        if best is not None:
            self._add({"test_bits_per_char": bits})
        self.say(f"Test text: {bits:.3f} bits per character.")

    def _bits(
        self,
        windows: EvaluationWindows,
        weights: Mapping[str, np.ndarray] | None,
        ids_per_char: float,
    ) -> float:
        """Bits per character of a text; `weights` are those of process 0."""
        model = self.task.model
        weights = weights or get_weights(self.model, model)
        set_weights(self.model, model, self.peers.arrays_from_first(weights))
        logs = self.model.evaluate(
            held_out(windows),
            callbacks=[ResetCarriedState(self.saver.progress, len(self.task.windows))],
            verbose=0,
            return_dict=True,
        )
        return float(logs["bits_per_id"]) * ids_per_char

    def _score_labels(self) -> None:
        """Measure how well labels hold."""
        tokenizer, best = self.task.tokenizer, self._best
        assert best is not None
        if not tokenizer.label_ids or "label_accuracy" in best.facts["score"]:
            return
        network = Network(best.model, best.weights)
        found = label_accuracy(network, tokenizer, self.task.val_ids)
        if found is not None:
            share, count = found.share, found.num_documents
            self._add({"label_accuracy": share, "label_records": count})
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


def wants_temperature(task: Task) -> bool:
    """Whether logits are to be calibrated, by weights of the output layer alone."""
    return task.train.calibrate and not task.model.tie_embeddings


def foreseen_seconds(task: Task) -> float:
    """About how long all this takes, apart from evaluations."""
    if not (wants_temperature(task) or task.train.memory_order):
        return 0.0
    return stretches.foreseen_seconds(task) + remembering.foreseen_seconds(task)
