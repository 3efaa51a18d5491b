"""N-gram counts as a language model, and mixed into the predictions of a network.

Interpolated Kneser-Ney smoothing with three discounts per level (Kneser & Ney 1995; Chen &
Goodman 1998): each level takes a discount from its counts, and gives what it took to the
level below:

    p(id | context) = (count - discount) / total + taken / total * p(id | shorter context)
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.ngrams.tables import NOTHING, Integers, Level, NgramTables

Probs: TypeAlias = NDArray[np.float64]

FEW = 16
"""Up to this many contexts are faster looked up one by one than all at once."""

FEW_FOLLOWERS = 6
"""Up to this many ids are faster added to predictions one by one than all at once."""

CACHED_NUMBERS = 1 << 20
"""The most numbers in all predictions that are kept."""

MOST_WEIGHT = 0.2
"""The most that n-grams weigh beside a network. More would make the text on which it is
fitted a little more probable, and copy more; see `benchmarks/README.md`."""

WEIGHTS = np.linspace(0, MOST_WEIGHT, 21)
"""The weights among which `best_weight` chooses."""


class NgramModel:
    """N-gram tables, and the weight with which they are mixed into predictions.

    Args:
        tables: the counts.
        weight: of the n-grams beside a network, from 0 to below 1.
    """

    def __init__(self, tables: NgramTables, weight: float = 0.0) -> None:
        self.tables, self.weight = tables, weight
        levels = zip(tables.levels, tables.discounts, strict=True)
        self._levels = [_Smoothed(*each, tables.vocab_size) for each in levels]
        self._kept: dict[tuple[int, int], Probs] = {}
        self._ones = np.ones(tables.vocab_size)

    @property
    def context_size(self) -> int:
        """How many ids a context has at most."""
        return self.tables.order - 1

    def mix(self, network: Probs, contexts: Integers) -> Probs:
        """The probabilities of a network, interpolated linearly with those of the n-grams.

        Args:
            network: `(batch, vocab_size)`; each row is in proportion to probabilities.
            contexts: `(batch, context_size)`; see `NgramTables.rows`.

        Returns:
            `(batch, vocab_size)`; each row adds up to 1.
        """
        shares = (1 - self.weight) / network.sum(axis=1, keepdims=True)
        mixed: Probs = shares * network + self.weight * self.probs(contexts)
        return mixed

    def mix_one(self, network: Probs, context: list[int]) -> Probs:
        """As `mix`, for the numbers `(vocab_size,)` after one context."""
        # A product takes half the time of a sum.
        mixed: Probs = (1 - self.weight) / network.dot(self._ones) * network
        mixed += self._probs_of_one(context, self.weight)
        return mixed

    def nats_beside(self, network: Probs, contexts: Integers, targets: Integers) -> Probs:
        """The surprise of one id after each context, in nats.

        Args:
            network: `(time,)` the surprise under the network alone.
            contexts, targets: as for `probs_of`.

        Returns:
            `(3, time)`: under both, under the network alone, under the n-grams alone.
        """
        alone = np.log(self.probs_of(contexts, targets))
        # A weight of 0 has no logarithm.
        with np.errstate(divide="ignore"):
            shares = np.log1p(-self.weight), np.log(self.weight)
        both = -np.logaddexp(shares[0] - network, shares[1] + alone)
        return np.stack([both, network, -alone])

    def probs(self, contexts: Integers) -> Probs:
        """The probabilities of the n-grams alone: `(batch, vocab_size)`."""
        if len(contexts) <= FEW:
            return np.stack([self._probs_of_one(each) for each in contexts.tolist()])
        size = self.tables.vocab_size
        probs = np.full((len(contexts), size), 1 / size)
        for level, rows in zip(self._levels, self.tables.rows(contexts), strict=True):
            found = np.flatnonzero(rows >= 0)
            own = rows[found]
            starts = level.starts[own]
            sizes = level.starts[own + 1] - starts
            entries = _ranges(starts, sizes)
            probs[found] *= level.backoff[own, np.newaxis]
            probs[np.repeat(found, sizes), level.ids[entries]] += level.shares[entries]
        return probs

    def _probs_of_one(self, context: list[int], scale: float = 1.0) -> Probs:
        """As `probs`, times `scale`, for one context; in as few calls as possible."""
        rows = self._rows_of_one(context)
        single: list[tuple[int, float]] = []
        while len(rows) > 1:
            level, row = self._levels[len(rows) - 1].views, rows[-1]
            start, end = level.starts[row], level.starts[row + 1]
            if end - start > FEW_FOLLOWERS:
                break
            for entry in range(start, end):
                single.append((level.ids[entry], scale * level.shares[entry]))
            scale *= level.backoff[row]
            rows.pop()
        probs: Probs = scale * self._kept_probs(rows)
        for number, share in single:
            probs[number] += share
        return probs

    def _rows_of_one(self, context: list[int]) -> list[int]:
        """The rows of longer and longer ends of a context, as far as they are known."""
        rows, size = [0], self.tables.vocab_size
        for before, level in zip(reversed(context), self._levels[1:], strict=False):
            keys, children, *_ = level.views
            above = rows[-1]
            if before == NOTHING or above + 1 >= len(children):
                break
            key, end = above * size + before, children[above + 1]
            row = bisect_left(keys, key, children[above], end)
            if row == end or keys[row] != key:
                break
            rows.append(row)
        return rows

    def _kept_probs(self, rows: list[int]) -> Probs:
        """The probabilities after a context of which all ends are known.

        They are kept, since a context that many ids followed recurs: do not change them.
        """
        length, row = len(rows) - 1, rows[-1]
        kept = self._kept.get((length, row))
        if kept is None:
            size, level = self.tables.vocab_size, self._levels[length]
            kept = self._kept_probs(rows[:-1]) if length else np.full(size, 1 / size)
            entries = slice(level.starts[row], level.starts[row + 1])
            kept = level.backoff[row] * kept
            kept[level.ids[entries]] += level.shares[entries]
            if (len(self._kept) + 1) * size > CACHED_NUMBERS:
                self._kept.clear()
            self._kept[length, row] = kept
        return kept

    def probs_of(self, contexts: Integers, targets: Integers) -> Probs:
        """The probability of one id after each context, without those of all others.

        Args:
            contexts: `(time, context_size)`.
            targets: `(time,)` ids.

        Returns:
            `(time,)`.
        """
        probs = np.full(len(targets), 1 / self.tables.vocab_size)
        for level, rows in zip(self._levels, self.tables.rows(contexts), strict=True):
            (found,) = np.nonzero(rows >= 0)
            if len(found):
                own = rows[found]
                share = level.share_of(own, targets[found])
                probs[found] = share + level.backoff[own] * probs[found]
        return probs


class _Smoothed:
    """A level after discounting.

    Attributes:
        starts, ids: as of `Level`.
        shares: `(num_ngrams,)` of the total of its context, after the discount.
        backoff: `(num_contexts,)` the share that all discounts of a context took.
    """

    def __init__(
        self, level: Level, discounts: NDArray[np.float32], vocab_size: int
    ) -> None:
        self.starts, self.ids = level.starts, level.ids
        taken = discounts.astype(np.float64)[np.minimum(level.counts, 3) - 1]
        per_ngram = 1 / np.repeat(level.totals, level.num_followers)
        self.shares = (level.counts - taken) * per_ngram
        sums = np.concatenate([[0.0], np.cumsum(self.shares)])
        self.backoff = 1 - np.diff(sums[self.starts])
        self._level, self._vocab_size = level, vocab_size

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: everything but the views, which cannot be."""
        return {name: value for name, value in self.__dict__.items() if name != "views"}

    @cached_property
    def views(self) -> _Views:
        """The arrays, to read single numbers of them."""
        keys = self._level.keys
        num_above = int(keys[-1]) // self._vocab_size + 1 if len(keys) else 0
        children = np.searchsorted(keys, np.arange(num_above + 1) * self._vocab_size)
        arrays = (keys, children, self.starts, self.ids, self.shares, self.backoff)
        views: list[memoryview[Any]] = [array.data for array in arrays]
        return _Views(*views)

    def share_of(self, rows: Integers, ids: Integers) -> Probs:
        """The share of each id after the context in each row; 0 if it never followed."""
        wanted = rows * self._vocab_size + ids
        places = np.searchsorted(self._entries, wanted)
        places[places == len(self._entries)] = 0
        return np.where(self._entries[places] == wanted, self.shares[places], 0.0)

    @cached_property
    def _entries(self) -> Integers:
        """`(num_ngrams,)` ascending: the row of each n-gram and its id as one number."""
        level = self._level
        rows = np.repeat(np.arange(len(level.keys)), level.num_followers)
        return rows * self._vocab_size + level.ids


class _Views(NamedTuple):
    """Views of a level's arrays: a number of them is a plain one, and read much faster.

    Args:
        children: `(num_rows_above + 1,)` where the keys of the contexts begin that are one
            id longer than each of the level above, up to the last that has any.
    """

    keys: memoryview[int]
    children: memoryview[int]
    starts: memoryview[int]
    ids: memoryview[int]
    shares: memoryview[float]
    backoff: memoryview[float]


def best_weight(network: Probs, ngrams: Probs) -> float:
    """The weight of the n-grams, up to `MOST_WEIGHT`, with which a text is most probable.

    Args:
        network, ngrams: `(num_ids,)` the probability that each gave the ids of a text.

    >>> best_weight(np.array([0.5, 0.1]), np.array([0.1, 0.2]))
    0.12
    >>> best_weight(np.array([0.5, 0.1]), np.array([0.1, 0.9]))
    0.2
    """
    nats = [-np.log((1 - w) * network + w * ngrams).sum() for w in WEIGHTS]
    return round(float(WEIGHTS[int(np.argmin(nats))]), 2)


def _ranges(starts: Integers, sizes: Integers) -> Integers:
    """The numbers from each start on, as many as each size says.

    >>> _ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(sizes.sum())
