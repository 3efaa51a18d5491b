"""The n-gram memory of a run: counted and fitted when training has ended."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from textgen.generation.scoring.protocols import nats_of
from textgen.ngrams.counting import MOST_IDS, count_ngrams
from textgen.ngrams.model import NgramModel, Probs, best_weight
from textgen.ngrams.tables import NOTHING, contexts_of
from textgen.training.ending.stretches import Stretches
from textgen.training.task.task import Task
from textgen.wording import size_of

LEAST_GAIN = 0.02
"""Nats per character that a memory has to gain: it also copies, and slows sampling down."""

SCORES = ("val_ngrams_bits_per_char", "val_network_bits_per_char", "val_both_bits_per_char")
"""Of the n-grams alone, the network alone and both."""

SECONDS_PER_ID = 1.5e-6
"""How long an id takes to be counted, on a common processor; rather too long."""


@dataclass(frozen=True)
class Remembered:
    """An n-gram memory, and what it is worth.

    Args:
        scores: held-out bits per character, by the names in `SCORES`.
    """

    ngrams: NgramModel
    scores: dict[str, float]

    @property
    def is_worth_it(self) -> bool:
        """Whether it gains enough to be kept when nobody has asked for it."""
        _, network, both = (self.scores[name] for name in SCORES)
        return (network - both) * math.log(2) >= LEAST_GAIN

    def shown(self, *, is_kept: bool) -> str:
        """What it is and gains, for a person."""
        tables = self.ngrams.tables
        alone, network, both = (self.scores[name] for name in SCORES)
        shown = (
            f"N-gram memory of order {tables.order}: {tables.num_ngrams:,} n-grams, "
            f"{size_of(tables.num_bytes)}. On samples of the held-out text: {alone:.3f} "
            f"bits per character with it alone, {network:.3f} with the network alone, "
            f"{both:.3f} with both."
        )
        # As printed: a gain that cannot be seen is none.
        helps = round(both, 3) < round(network, 3)
        if helps and is_kept:
            return shown
        if helps:
            end = f"gains too little to be kept; --resume --memory {tables.order} keeps it"
            return f"{shown} It {end} all the same."
        is_worse = round(both, 3) > round(network, 3)
        effect = "makes the score worse" if is_worse else "does not help"
        end = "so it is not kept."
        if is_kept:
            end = "but was asked for; --resume --memory 0 removes it."
        return f"{shown} It {effect}, {end}"


NOTHING_TO_FIT = (
    "No n-gram memory: too little of the held-out text is predicted to fit its weight."
)


def remember(task: Task, stretches: Stretches) -> Remembered | None:
    """Count the training text, and fit the weight of the n-grams on the held-out text.

    Its scores are of the halves of the stretches on which the weight was not fitted.

    Returns:
        None if too little is predicted to have two halves.
    """
    if not stretches.scored.any():
        return None
    boundary, order = task.tokenizer.eod_id, task.train.memory_order
    tables = count_ngrams(task.windows.ids, task.model.vocab_size, order, boundary=boundary)
    own = _own(stretches)
    alone = _alone(stretches, NgramModel(tables))
    fitted, scored = stretches.fitted, stretches.scored
    weight = best_weight(own[fitted], alone[fitted])
    both = (1 - weight) * own + weight * alone
    nats = [float(-np.log(probs[scored]).mean()) for probs in (alone, own, both)]
    per_nat = task.ids_per_char[1] / math.log(2)
    bits = [value * per_nat for value in nats]
    return Remembered(NgramModel(tables, weight), dict(zip(SCORES, bits, strict=True)))


def foreseen_seconds(task: Task) -> float:
    """About how long `remember` takes."""
    if not task.train.memory_order:
        return 0.0
    return SECONDS_PER_ID * min(len(task.windows.ids), MOST_IDS)


def _own(stretches: Stretches) -> Probs:
    """`(num_stretches, time)`: the probability of each target under the network."""
    rows = zip(stretches.logits, stretches.targets, strict=True)
    nats = [nats_of(logits, ids) for logits, ids in rows]
    # A network may give 0 to an id; its logarithm must be finite.
    return np.maximum(np.exp(-np.stack(nats)), 1e-30)


def _alone(stretches: Stretches, ngrams: NgramModel) -> Probs:
    """`(num_stretches, time)`: the probability of each target under the n-grams."""
    nothing, boundary = np.full(ngrams.context_size, NOTHING), ngrams.tables.boundary
    time = stretches.targets.shape[1]
    contexts = [contexts_of(ids, nothing, boundary)[-time:] for ids in stretches.ids]
    targets = stretches.targets
    return ngrams.probs_of(np.concatenate(contexts), targets.ravel()).reshape(targets.shape)
