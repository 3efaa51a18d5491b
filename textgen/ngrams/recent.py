"""What a memory learns while it reads: what followed the same context a short while ago.

The ids read last are the memory: where the context occurs among them is looked up, so
nothing is stored beside them. Each length of context takes the probabilities of the
shorter one as its prior (MacKay & Peto 1995), in the end those of the trained model:

    p(id | context) = (count + PRIOR_IDS * p(id | shorter context)) / (total + PRIOR_IDS)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from textgen.ngrams.model import NgramModel, Probs
from textgen.ngrams.tables import NOTHING, Integers, contexts_of

NUM_RECENT = 2048
"""Ids that are remembered. Of 2,048, 8,192 and 32,768, the fewest were best on English."""

SHORTEST = 3
"""Shorter contexts occur too often to say anything new."""

PRIOR_IDS = 16.0
"""How many ids the probabilities of the trained model count for."""


def learned(probs: Probs, recent: Integers, context: Integers) -> Probs:
    """The probabilities of the next id, given also what was read a short while ago.

    Args:
        probs: `(vocab_size,)` of the trained model.
        recent: `(num_recent,)` the ids read last, the last one last.
        context: the end of them that counts; `NOTHING` before its beginning.

    Returns:
        `(vocab_size,)`, which add up to 1.

    >>> learned(np.array([0.5, 0.5]), np.array([0, 1, 1, 0, 0, 1, 1]), [0, 1, 1]).tolist()
    [0.5294117647058824, 0.47058823529411764]
    """
    for followers in _followers(recent, context):
        counts = np.bincount(followers, minlength=len(probs))
        probs = (counts + PRIOR_IDS * probs) / (len(followers) + PRIOR_IDS)
    return probs


def learned_of(prob: float, target: int, recent: Integers, context: Integers) -> float:
    """The probability of one id, as `learned` gives it.

    Args:
        prob: of the trained model, of the id `target`.
    """
    for followers in _followers(recent, context):
        count = int((followers == target).sum())
        prob = (count + PRIOR_IDS * prob) / (len(followers) + PRIOR_IDS)
    return prob


class LearningReader:
    """Predicts a text with an n-gram memory that learns from it, beside a network.

    Args:
        ngrams: the memory of the training text.
    """

    def __init__(self, ngrams: NgramModel) -> None:
        self._ngrams = ngrams
        self._recent = np.full(max(NUM_RECENT, ngrams.context_size), NOTHING)

    def mixed(self, read: Integers, predicted: Integers, probs: Probs) -> Probs:
        """The probability of each id under network and memory together.

        Args:
            read: `(time,)` the next ids of the text.
            predicted: `(time,)` the ids after them.
            probs: `(time,)` the probabilities that the network gave these.
        """
        ngrams, size = self._ngrams, len(self._recent)
        before = self._recent[-ngrams.context_size :]
        contexts = contexts_of(read, before, ngrams.tables.boundary)
        alone = ngrams.probs_of(contexts, predicted)
        mixed = (1 - ngrams.weight) * probs + ngrams.weight * alone
        text = np.concatenate([self._recent, read])
        self._recent = text[-size:]
        found = [
            learned_of(prob, target, text[start : start + size], context)
            for start, (prob, target, context) in enumerate(
                zip(mixed.tolist(), predicted.tolist(), contexts, strict=True), start=1
            )
        ]
        return np.array(found)


def _followers(recent: Integers, context: Integers) -> Iterator[Integers]:
    """For longer and longer ends of a context the ids that followed them."""
    # Places after which something was read.
    places = np.flatnonzero(recent[:-1] == context[-1])
    for length in range(1, len(context) + 1):
        if context[-length] == NOTHING or not len(places):
            return
        if length > 1:
            places = places[places >= length - 1]
            places = places[recent[places - length + 1] == context[-length]]
        if length >= SHORTEST and len(places):
            yield recent[places + 1]
