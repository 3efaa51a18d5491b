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
    places = _Places(np.arange(len(text)), np.zeros(len(text), np.int32), np.zeros(0, int))
    levels: list[Level] = []
    num_once: list[int] = []
    for length in range(order):
        keys: Integers = places.rows
        if length:
            is_inside = _is_inside(places.at, text, length, stretch, boundary)
            alone = np.bincount(places.ngrams[~is_inside], minlength=len(levels[-1].ids))
            places = places.where(is_inside)
            keys = places.rows * np.int64(vocab_size) + text[places.at - length]
        least = 1 if length < 2 else least_count
        level, firsts, rows, ngrams = _level(keys, text[places.at], vocab_size, least)
        if length:
            before = np.bincount(places.ngrams[firsts], minlength=len(alone))
            counts = (alone + before).astype(np.uint32)
            levels[-1] = replace(levels[-1], counts=counts)
        levels.append(level)
        # Each dropped place is an n-gram that occurs once, at this length and at all above.
        places = _Places(places.at, rows, ngrams).where(rows >= 0)
        num_once.append(len(text) - len(places.at))
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
    """Places of a text whose contexts are in a level, in the order of the text.

    Args:
        at: `(num_places,)` where they are.
        rows: `(num_places,)` the row of each context.
        ngrams: `(num_places,)` which n-gram of the level ends there.
    """

    at: Integers
    rows: Integers
    ngrams: Integers

    def where(self, is_taken: NDArray[np.bool_]) -> _Places:
        """Some of the places."""
        return self if is_taken.all() else _Places(*(each[is_taken] for each in self))


def _is_inside(
    at: Integers, text: Integers, length: int, stretch: int, boundary: int | None
) -> NDArray[np.bool_]:
    """Whether a context of this length reaches back no further than it may."""
    # Division is slow, and most texts are a single stretch.
    since_start = at if stretch == len(text) else at % stretch
    is_inside: NDArray[np.bool_] = since_start >= length
    if boundary is not None and length > 1:
        # A context that begins with an end of document is not extended.
        is_inside &= text[at - length + 1] != boundary
    return is_inside


def _spread(ids: Integers, most: int) -> tuple[Integers, int]:
    """All ids, or stretches in equal steps with `most` ids together.

    Returns:
        The ids, and how many of them follow each other in the text.
    """
    if len(ids) <= most:
        return np.array(ids), max(1, len(ids))
    size = min(STRETCH, most)
    starts = np.linspace(0, len(ids) - size, most // size).astype(np.int64)
    return np.concatenate([ids[start : start + size] for start in starts]), size


def _sorted(
    keys: Integers, followers: Integers, vocab_size: int
) -> tuple[Integers, Integers, Integers]:
    """Places sorted by key, then by follower.

    Returns:
        The key, the follower and the number of each place.
    """
    numbers = np.arange(len(keys), dtype=np.uint64)
    width, num_bits = (vocab_size - 1).bit_length(), len(keys).bit_length()
    if len(keys) and int(keys.max()).bit_length() + width + num_bits <= 64:
        # All three in one integer: to sort numbers is much faster than to sort by them.
        packed = keys.astype(np.uint64) << width | followers.astype(np.uint64)
        packed = packed << num_bits | numbers
        packed.sort()
        pairs = packed >> num_bits
        parts = pairs >> width, pairs & ((1 << width) - 1), packed & ((1 << num_bits) - 1)
        return tuple(part.view(np.int64) for part in parts)  # type: ignore[return-value]
    order = np.lexsort((followers, keys))
    return keys[order], followers[order], order


def _level(
    keys: Integers, followers: Integers, vocab_size: int, least_count: int
) -> tuple[Level, Integers, Integers, Integers]:
    """Group places by their contexts.

    Returns:
        The level; the first place of each n-gram; the row of each place's context, or -1
        if it is dropped; which n-gram of the level ends at each place.
    """
    keys, followers, order = _sorted(keys, followers, vocab_size)
    is_context = _changes(keys)
    is_ngram = is_context | _changes(followers)
    starts, firsts = np.flatnonzero(is_context), np.flatnonzero(is_ngram)
    totals, counts = (np.diff(each, append=len(keys)) for each in (starts, firsts))
    is_kept = totals >= least_count
    # In the order of the text, which the next length reads fastest.
    rows, ngrams = np.empty((2, len(keys)), np.int32)
    own = np.where(is_kept, np.cumsum(is_kept) - 1, -1).astype(np.int32)
    rows[order] = np.repeat(own, totals)
    keeps = is_kept[np.cumsum(is_context[firsts]) - 1]
    ngrams[order] = np.repeat(np.cumsum(keeps, dtype=np.int32) - 1, counts)
    num_followers = np.diff(np.searchsorted(firsts, starts), append=len(firsts))
    level = Level(
        keys[starts][is_kept],
        num_followers[is_kept].astype(np.uint32),
        followers[firsts[keeps]].astype(id_dtype(vocab_size)),
        counts[keeps].astype(np.uint32),
    )
    return level, order[firsts], rows, ngrams


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
