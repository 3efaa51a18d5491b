"""The n-gram memory of a run: counted and fitted when training has ended."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textgen.generation.network.network import Network
from textgen.generation.network.remembering import RememberingNetwork
from textgen.generation.scoring.protocols import parts_of_rows
from textgen.ngrams.counting import MOST_IDS, count_ngrams
from textgen.ngrams.model import NgramModel, Probs, best_weight
from textgen.ngrams.tables import Integers
from textgen.training.task.task import Task

NUM_STRETCHES, STRETCH_IDS, WARM_UP = 64, 512, 64
"""The weight is fitted on that many stretches from all over the held-out text, which are
read side by side. Their first ids are read, but not predicted."""

SECONDS_PER_ID = 1.5e-6
"""How long an id takes to be counted, on a common processor; rather too long."""

PRODUCTS_PER_SECOND = 1e10
"""Multiplications with weights when the held-out text is read, likewise."""


@dataclass(frozen=True)
class Remembered:
    """An n-gram memory, and what it is worth.

    Args:
        scores: held-out bits per character of the n-grams alone, of the network alone and
            of both.
    """

    ngrams: NgramModel
    scores: dict[str, float]

    def shown(self) -> str:
        """A sentence for a person."""
        tables = self.ngrams.tables
        alone, network, both = self.scores.values()
        return (
            f"N-gram memory of order {tables.order}: {tables.num_ngrams:,} n-grams, "
            f"{tables.num_bytes / 1e6:.1f} MB. Stretches of held-out text: {alone:.3f} "
            f"bits per character with it alone, {network:.3f} with the network alone, "
            f"{both:.3f} with both."
        )


NOTHING_TO_FIT = (
    "No n-gram memory: too little of the held-out text is predicted to fit its weight."
)


def remember(task: Task, network: Network) -> Remembered | None:
    """Count the training text, and fit the weight of the n-grams on the held-out text.

    Its scores are of the halves of the stretches on which the weight was not fitted.

    Returns:
        None if too little is predicted to have two halves.
    """
    boundary, order = task.tokenizer.eod_id, task.train.memory
    size = task.model.vocab_size
    tables = count_ngrams(task.windows.ids, size, order, boundary=boundary)
    own, alone, counts = _predicted(network, NgramModel(tables), task)
    fitted = counts.cumsum(axis=1) <= (counts.sum(axis=1, keepdims=True) + 1) // 2
    scored = counts & ~fitted
    if not scored.any():
        return None
    weight = best_weight(own[counts & fitted], alone[counts & fitted])
    both = (1 - weight) * own + weight * alone
    names = ("val_ngrams", "val_network", "val_both")
    nats = [float(-np.log(probs[scored]).mean()) for probs in (alone, own, both)]
    per_nat = task.ids_per_char[1] / math.log(2)
    scores = {
        f"{name}_bits_per_char": value * per_nat
        for name, value in zip(names, nats, strict=True)
    }
    return Remembered(NgramModel(tables, weight), scores)


def foreseen_seconds(task: Task) -> float:
    """About how long `remember` takes."""
    if not task.train.memory:
        return 0.0
    num_counted = min(len(task.windows.ids), MOST_IDS)
    num_read = min(len(task.val_ids), NUM_STRETCHES * (STRETCH_IDS + WARM_UP))
    reading = num_read * task.model.num_parameters / PRODUCTS_PER_SECOND
    return SECONDS_PER_ID * num_counted + reading


def _predicted(
    network: Network, ngrams: NgramModel, task: Task
) -> tuple[Probs, Probs, NDArray[np.bool_]]:
    """Predict stretches of the held-out text.

    Returns:
        `(num_stretches, num_ids)`: the probability of each id that is predicted, under the
        network and under the n-grams; and whether it counts.
    """
    starts, stretches = _stretches(task.val_ids)
    xs, ys = stretches[:, :-1], stretches[:, 1:]
    skipped = min(WARM_UP, xs.shape[1] // 4)
    parts = parts_of_rows(RememberingNetwork(network, ngrams), list(xs), list(ys))
    _, own, alone = np.exp(-np.stack(parts, axis=1)[:, :, skipped:])
    counts = np.ones(xs.shape, bool)
    if task.windows.completions is not None:
        counts = task.windows.completions.weights(task.val_ids, starts, xs) > 0
    # A network may give 0 to an id; its logarithm must be finite.
    return np.maximum(own, 1e-30), alone, counts[:, skipped:]


def _stretches(ids: Integers) -> tuple[Integers, Integers]:
    """Stretches of one length in equal steps, none overlapping, or the whole text.

    Returns:
        `(num_stretches,)` where they begin, and their ids, a row for each.
    """
    size = min(len(ids), STRETCH_IDS + WARM_UP + 1)
    count = min(NUM_STRETCHES, len(ids) // size)
    starts = np.linspace(0, len(ids) - size, count).astype(int)
    return starts, np.stack([ids[start : start + size] for start in starts])
