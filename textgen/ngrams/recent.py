"""What a memory learns while it reads: what followed the same context a short while ago.

The ids read last are the memory: where the context occurs among them is looked up, so
nothing is stored beside them. Each length of context takes the probabilities of the
shorter one as its prior (MacKay & Peto 1995), in the end those of the trained model:

    p(id | context) = (count + PRIOR_IDS * p(id | shorter context)) / (total + PRIOR_IDS)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from textgen.ngrams.model import Probs
from textgen.ngrams.tables import NOTHING, Integers

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

    >>> probs = learned(np.array([0.5, 0.5]), np.array([1, 0, 1, 1, 1, 0, 1]), [0, 0, 1])
    >>> probs.tolist()
    [0.5, 0.5]
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
