"""Count the n-grams of a text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textgen.ngrams.tables import Integers, Level, NgramTables, id_dtype

MOST_IDS = 1 << 24
"""The most ids that are counted; of a longer text, stretches from all over it are."""

MOST_NGRAMS = 1 << 23
"""The most n-grams that are kept. Rarer contexts are dropped until they fit."""

STRETCH = 1 << 20
"""Ids of one stretch of a text that is too long to be counted as a whole."""

LEAST_COUNT = 2
"""Contexts of two ids or more that occur less often are dropped: they are most of a table,
and predict little; see `benchmarks/ngram_memory.py`."""


def count_ngrams(
    ids: Integers,
    vocab_size: int,
    order: int,
    *,
    boundary: int | None = None,
    most_ids: int = MOST_IDS,
    most_ngrams: int = MOST_NGRAMS,
    least_count: int = LEAST_COUNT,
) -> NgramTables:
    """Count all n-grams of up to `order` ids, in bounded memory.

    The longest n-grams are counted as they occur, shorter ones by the different ids before
    them, as smoothing by Kneser and Ney needs it.

    Args:
        ids: `(num_ids,)` unsigned integers, at least one, in memory or memory-mapped.
        order: ids of the longest n-grams, at least 1.
        boundary: the id of the end of a document; no n-gram reaches from one document into
            another, except that it may begin with this id.
        most_ids: see `MOST_IDS`.
        most_ngrams: see `MOST_NGRAMS`; contexts of one id always fit.
        least_count: how often a context of two ids or more must occur to be kept.

    >>> tables = count_ngrams(np.array([0, 1, 0, 1, 1]), vocab_size=2, order=2)
    >>> tables.levels[0].counts.tolist(), tables.levels[1].counts.tolist()
    ([2, 2], [2, 1, 1])
    >>> after_0, after_1 = np.split(tables.levels[1].ids, tables.levels[1].starts[1:-1])
    >>> after_0.tolist(), after_1.tolist()
    ([1], [0, 1])
    """
    text, stretch = _spread(ids, most_ids)
    places = _Places(np.arange(len(text)), np.zeros(len(text), np.int64))
    levels: list[Level] = []
    num_once: list[int] = []
    for length in range(order):
        if length:
            is_inside = places.at % stretch >= length
            if boundary is not None and length > 1:
                # A context that begins with an end of document is not extended.
                is_inside &= text[places.at - length + 1] != boundary
            alone = np.bincount(places.ngrams[~is_inside], minlength=len(levels[-1].ids))
            places = places.extended(is_inside, text, length, vocab_size)
        order_of = _sorted_by(places.rows, text[places.at], vocab_size)
        places = places.take(order_of)
        least = 1 if length < 2 else least_count
        level, is_ngram, rows, ngrams = _level(
            places.rows, text[places.at], vocab_size, least
        )
        if length:
            before = np.bincount(places.ngrams[is_ngram], minlength=len(alone))
            counts = (alone + before).astype(np.uint32)
            levels[-1] = replace(levels[-1], counts=counts)
        levels.append(level)
        # Each dropped place is an n-gram that occurs once, at this length and at all above.
        num_once.append(len(text) - int((rows >= 0).sum()))
        places = _Places(places.at, rows, ngrams).take(np.flatnonzero(rows >= 0))
    rates = [_discounts(level.counts, n) for level, n in zip(levels, num_once, strict=True)]
    tables = NgramTables(vocab_size, boundary, tuple(levels), np.array(rates, np.float32))
    if tables.num_ngrams <= most_ngrams or not any(len(each.ids) for each in levels[2:]):
        return tables
    limits = {"most_ids": most_ids, "most_ngrams": most_ngrams}
    least_count *= 2
    return count_ngrams(
        ids, vocab_size, order, boundary=boundary, least_count=least_count, **limits
    )


class _Places(NamedTuple):
    """Places of a text whose contexts are in a level.

    Args:
        at: `(num_places,)` where they are.
        rows: `(num_places,)` the row of each context, or a key.
        ngrams: `(num_places,)` which n-gram of the level ends there.
    """

    at: Integers
    rows: Integers
    ngrams: Integers = np.zeros(0, np.int64)

    def take(self, which: Integers) -> _Places:
        """Some of the places."""
        ngrams = self.ngrams[which] if len(self.ngrams) else self.ngrams
        return _Places(self.at[which], self.rows[which], ngrams)

    def extended(
        self, is_inside: Integers, text: Integers, length: int, vocab_size: int
    ) -> _Places:
        """The places whose contexts have an id before them, with the keys of those."""
        found = self.take(np.flatnonzero(is_inside))
        return found._replace(rows=found.rows * vocab_size + text[found.at - length])


def _spread(ids: Integers, most: int) -> tuple[Integers, int]:
    """All ids, or stretches in equal steps with `most` ids together.

    Returns:
        int64 ids, and how many of them follow each other in the text.
    """
    if len(ids) <= most:
        return np.asarray(ids, np.int64), max(1, len(ids))
    size = min(STRETCH, most)
    starts = np.linspace(0, len(ids) - size, most // size).astype(np.int64)
    parts = [np.asarray(ids[start : start + size], np.int64) for start in starts]
    return np.concatenate(parts), size


def _sorted_by(keys: Integers, followers: Integers, vocab_size: int) -> Integers:
    """The order of places by key, then by follower."""
    if len(keys) and int(keys.max()) < (2**63 - vocab_size) // vocab_size:
        return np.argsort(keys * vocab_size + followers)
    return np.lexsort((followers, keys))


def _level(
    keys: Integers, followers: Integers, vocab_size: int, least_count: int
) -> tuple[Level, NDArray[np.bool_], Integers, Integers]:
    """Group places, sorted by key and follower, by their contexts.

    Returns:
        The level; whether each place is the first of its n-gram; the row of each context,
        or -1 if it is dropped; which n-gram of the level ends at each place.
    """
    is_context = _changes(keys)
    is_ngram = is_context | _changes(followers)
    totals = np.diff(np.flatnonzero(np.append(is_context, True)))
    is_kept = totals >= least_count
    rows = np.where(is_kept, np.cumsum(is_kept) - 1, -1)[np.cumsum(is_context) - 1]
    keeps = rows >= 0
    counts = np.diff(np.flatnonzero(np.append(is_ngram, True)))
    level = Level(
        keys[is_context][is_kept],
        np.bincount(rows[is_ngram & keeps], minlength=int(is_kept.sum())).astype(np.uint32),
        followers[is_ngram & keeps].astype(id_dtype(vocab_size)),
        counts[keeps[is_ngram]].astype(np.uint32),
    )
    return level, is_ngram, rows, np.cumsum(is_ngram & keeps) - 1


def _changes(values: Integers) -> NDArray[np.bool_]:
    """Whether each value differs from the one before it; the first one does."""
    changes: NDArray[Any] = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def _discounts(counts: Integers, num_once: int) -> list[float]:
    """What is taken from counts of 1, of 2, and of 3 and more (Chen & Goodman 1998).

    Args:
        num_once: n-grams that occur once and are not among them.

    >>> _discounts(np.array([1, 1, 2, 3, 4]), num_once=0)
    [0.5, 0.5, 1.0]
    """
    ones, twos, threes, fours = np.bincount(counts[counts < 5], minlength=5)[1:].tolist()
    ones += num_once
    if not ones * twos * threes * fours:
        # Too little text to estimate them.
        return [0.5, 1.0, 1.5]
    share = ones / (ones + 2 * twos)
    found = (
        1 - 2 * share * twos / ones,
        2 - 3 * share * threes / twos,
        3 - 4 * share * fours / threes,
    )
    # Unusual counts of counts give useless discounts. Without any, an id that has never
    # followed would be impossible.
    clipped: list[float] = np.clip(found, 0.1, (0.95, 1.9, 2.85)).tolist()
    return clipped
