"""The n-gram memory of a run: counted and fitted when training has ended."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textgen.generation.network.network import Network
from textgen.generation.scoring.protocols import nats_of_rows
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel, Probs, best_weight
from textgen.ngrams.tables import NOTHING, Integers, contexts_of
from textgen.training.task.task import Task

NUM_STRETCHES, STRETCH_IDS, WARM_UP = 64, 1024, 64
"""The weight is fitted on that many stretches from all over the held-out text, which are
read side by side. Their first ids are read, but not predicted."""


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
            f"{tables.num_bytes / 1e6:.1f} MB. Held-out text: {alone:.3f} bits per "
            f"character with it alone, {network:.3f} with the network alone, "
            f"{both:.3f} with both."
        )


def remember(task: Task, network: Network) -> Remembered:
    """Count the training text, and fit the weight of the n-grams on the held-out text.

    Its scores are of the halves of the stretches on which the weight was not fitted.
    """
    boundary, order = task.tokenizer.eod_id, task.train.memory
    size = task.model.vocab_size
    tables = count_ngrams(task.windows.ids, size, order, boundary=boundary)
    alone, own, is_first = _predicted(network, NgramModel(tables), task.val_ids)
    weight = best_weight(own[is_first], alone[is_first])
    both = (1 - weight) * own + weight * alone
    names = ("val_ngrams", "val_network", "val_both")
    nats = [float(-np.log(probs[~is_first]).mean()) for probs in (alone, own, both)]
    per_nat = task.ids_per_char[1] / math.log(2)
    scores = {
        f"{name}_bits_per_char": value * per_nat
        for name, value in zip(names, nats, strict=True)
    }
    return Remembered(NgramModel(tables, weight), scores)


def _predicted(
    network: Network, ngrams: NgramModel, ids: Integers
) -> tuple[Probs, Probs, NDArray[np.bool_]]:
    """Predict stretches of a text.

    Returns:
        For each id that is predicted: its probability under the n-grams and under the
        network, and whether it is in the first half of its stretch.
    """
    stretches = _stretches(ids)
    xs, ys = [each[:-1] for each in stretches], [each[1:] for each in stretches]
    skipped = min(WARM_UP, len(xs[0]) // 4)
    own = np.exp([-row[skipped:] for row in nats_of_rows(network, xs, ys)])
    nothing = np.full(ngrams.context_size, NOTHING)
    boundary = ngrams.tables.boundary
    contexts = [contexts_of(x, nothing, boundary)[skipped:] for x in xs]
    targets = np.concatenate([y[skipped:] for y in ys]).astype(np.int64)
    alone = ngrams.probs_of(np.concatenate(contexts), targets)
    is_first = np.arange(own.shape[1]) < (own.shape[1] + 1) // 2
    # A network may give 0 to an id; its logarithm must be finite.
    return alone, np.maximum(own, 1e-30).ravel(), np.tile(is_first, len(own))


def _stretches(ids: Integers) -> list[Integers]:
    """Stretches of one length in equal steps, none overlapping, or the whole text."""
    size = min(len(ids), STRETCH_IDS + WARM_UP + 1)
    count = min(NUM_STRETCHES, len(ids) // size)
    starts = np.linspace(0, len(ids) - size, count).astype(int)
    return [np.asarray(ids[start : start + size]) for start in starts]
