"""Stretches of the held-out text, and what the network predicts in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from textgen.generation.network.layers.base import Floats
from textgen.generation.network.network import Network
from textgen.ngrams.tables import Integers
from textgen.training.task.task import Task

NUM_STRETCHES, STRETCH_IDS, WARM_UP = 64, 512, 64
"""So many stretches from all over the held-out text are read side by side. Their first ids
are read, but not predicted."""

MOST_LOGITS = 1 << 25
"""In all stretches, 128 MiB; for a large vocabulary they are shorter, then fewer."""

PRODUCTS_PER_SECOND = 1e10
"""Multiplications with weights when they are read, on a common processor; rather too
few."""


@dataclass(frozen=True)
class Stretches:
    """Stretches of one length, in which every id after the warm-up is predicted.

    Args:
        ids: `(num_stretches, warm_up + time)` what is read.
        targets: `(num_stretches, time)` what is predicted.
        logits: `(num_stretches, time, vocab_size)`.
        fitted, scored: `(num_stretches, time)` booleans: the targets on which something may
            be fitted, in the first half of each stretch, and those that show its worth.
    """

    ids: Integers
    targets: Integers
    logits: Floats
    fitted: NDArray[np.bool_]
    scored: NDArray[np.bool_]

    def divided_by(self, temperature: float) -> Stretches:
        """The same with all logits divided by a temperature."""
        if temperature == 1:
            return self
        return replace(self, logits=self.logits / np.float32(temperature))

    def rows(self, which: NDArray[np.bool_]) -> Iterator[tuple[Floats, Integers]]:
        """The logits and targets of some places, stretch by stretch.

        Args:
            which: `fitted` or `scored`.
        """
        for number, places in enumerate(which):
            yield self.logits[number, places], self.targets[number, places]


def read_stretches(task: Task, network: Network) -> Stretches:
    """Read stretches of the held-out text from a cold start, all at once."""
    starts, stretches = _stretches(task.val_ids, task.model.vocab_size)
    ids, targets = stretches[:, :-1], stretches[:, 1:]
    skipped = min(WARM_UP, ids.shape[1] // 4)
    logits = np.empty((*ids[:, skipped:].shape, task.model.vocab_size), np.float32)
    state = network.initial_state(len(ids))
    for place in range(ids.shape[1]):
        predicted, state = network.step(ids[:, place], state)
        if place >= skipped:
            logits[:, place - skipped] = predicted
    counts = np.ones(ids.shape, bool)
    if task.windows.completions is not None:
        counts = task.windows.completions.weights(task.val_ids, starts, ids) > 0
    counts = counts[:, skipped:]
    half = (counts.sum(axis=1, keepdims=True) + 1) // 2
    fitted = counts & (counts.cumsum(axis=1) <= half)
    return Stretches(ids, targets[:, skipped:], logits, fitted, counts & ~fitted)


def foreseen_seconds(task: Task) -> float:
    """About how long `read_stretches` takes."""
    count, length = stretch_sizes(task.model.vocab_size)
    num_read = min(len(task.val_ids), count * (WARM_UP + length))
    return num_read * task.model.num_parameters / PRODUCTS_PER_SECOND


def stretch_sizes(vocab_size: int) -> tuple[int, int]:
    """The most stretches, and how many ids are predicted in each."""
    length = MOST_LOGITS // (NUM_STRETCHES * vocab_size)
    length = min(STRETCH_IDS, max(WARM_UP, length))
    return min(NUM_STRETCHES, max(1, MOST_LOGITS // (length * vocab_size))), length


def _stretches(ids: Integers, vocab_size: int) -> tuple[Integers, Integers]:
    """Stretches of one length in equal steps, none overlapping, or the whole text.

    Returns:
        `(num_stretches,)` where they begin, and their ids, a row for each.
    """
    most, length = stretch_sizes(vocab_size)
    size = min(len(ids), WARM_UP + length + 1)
    count = min(most, len(ids) // size)
    starts = np.linspace(0, len(ids) - size, count).astype(int)
    return starts, np.stack([ids[start : start + size] for start in starts])
