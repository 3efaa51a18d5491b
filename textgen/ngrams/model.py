"""N-gram counts as a language model, and mixed into the predictions of a network.

Interpolated Kneser-Ney smoothing with three discounts per level (Kneser & Ney 1995; Chen &
Goodman 1998): each level takes a discount from its counts, and gives what it took to the
level below:

    p(id | context) = (count - discount) / total + taken / total * p(id | shorter context)
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.ngrams.tables import NOTHING, Integers, Level, NgramTables

Probs: TypeAlias = NDArray[np.float64]

CACHED_LENGTH = 3
"""Contexts of up to this length recur, so the predictions after them are kept."""

CACHED_NUMBERS = 1 << 20
"""The most numbers in all predictions that are kept."""

FEW = 16
"""Up to this many contexts are faster looked up one by one than all at once."""

WEIGHTS = np.linspace(0, 0.99, 100)
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
        self._levels = [_Smoothed(level, rates) for level, rates in levels]
        self._kept: dict[tuple[int, ...], tuple[list[int], Probs]] = {}

    @property
    def context_size(self) -> int:
        """How many ids a context has at most."""
        return self.tables.order - 1

    def mix(self, probs: Probs, contexts: Integers) -> Probs:
        """The probabilities of a network, interpolated linearly with those of the n-grams.

        Args:
            probs: `(batch, vocab_size)`; each row adds up to 1.
            contexts: `(batch, context_size)`; see `NgramTables.rows`.

        Returns:
            `(batch, vocab_size)`; each row adds up to 1.
        """
        mixed: Probs = (1 - self.weight) * probs + self.weight * self.probs(contexts)
        return mixed

    def mix_one(self, probs: Probs, context: list[int]) -> Probs:
        """As `mix`, for the probabilities `(vocab_size,)` after one context."""
        mixed: Probs = (1 - self.weight) * probs
        mixed += self._probs_of_one(context, self.weight)
        return mixed

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
        rows, short = self._after_short(tuple(context[-CACHED_LENGTH:]))
        found = rows
        if len(rows) > CACHED_LENGTH:
            found = self._rows_of_one(context, rows)
        ids, shares, single = [], [], []
        for length in range(len(found) - 1, len(rows) - 1, -1):
            level, row = self._levels[length], found[length]
            start, end = level.starts.item(row), level.starts.item(row + 1)
            if end == start + 1:
                # Most long contexts were followed by one id only.
                single.append((level.ids.item(start), scale * level.shares.item(start)))
            else:
                ids.append(level.ids[start:end])
                shares.append(scale * level.shares[start:end])
            scale *= level.backoff.item(row)
        probs: Probs = scale * short
        if ids:
            probs += np.bincount(np.concatenate(ids), np.concatenate(shares), len(probs))
        for number, share in single:
            probs[number] += share
        return probs

    def _rows_of_one(self, context: list[int], rows: list[int]) -> list[int]:
        """The rows of longer and longer ends of a context, as far as they are known.

        Args:
            rows: those of the shortest ends.
        """
        found, size = rows.copy(), self.tables.vocab_size
        for length in range(len(rows), len(context) + 1):
            keys, before = self.tables.levels[length].keys, context[-length]
            key = found[-1] * size + before
            row = int(keys.searchsorted(key))
            if before == NOTHING or row == len(keys) or keys.item(row) != key:
                break
            found.append(row)
        return found

    def _after_short(self, context: tuple[int, ...]) -> tuple[list[int], Probs]:
        """The rows of all ends of a short context, and the probabilities after it.

        Neither may be changed: they are kept.
        """
        kept = self._kept.get(context)
        if kept is None:
            size = self.tables.vocab_size
            rows, probs = self._rows_of_one(list(context), [0]), np.full(size, 1 / size)
            for level, row in zip(self._levels, rows, strict=False):
                probs *= level.backoff[row]
                entries = slice(level.starts[row], level.starts[row + 1])
                probs[level.ids[entries]] += level.shares[entries]
            if len(self._kept) * size > CACHED_NUMBERS:
                self._kept.clear()
            kept = self._kept[context] = rows, probs
        return kept

    def probs_of(self, contexts: Integers, targets: Integers) -> Probs:
        """The probability of one id after each context, without those of all others.

        Args:
            contexts: `(time, context_size)`.
            targets: `(time,)` ids.

        Returns:
            `(time,)`.
        """
        size = self.tables.vocab_size
        probs = np.full(len(targets), 1 / size)
        for level, rows in zip(self._levels, self.tables.rows(contexts), strict=True):
            (found,) = np.nonzero(rows >= 0)
            if len(found):
                own = rows[found]
                share = level.share_of(own, targets[found], size)
                probs[found] = share + level.backoff[own] * probs[found]
        return probs


class _Smoothed:
    """A level after discounting.

    Attributes:
        starts, ids: as of `Level`.
        shares: `(num_ngrams,)` of the total of its context, after the discount.
        backoff: `(num_contexts,)` the share that all discounts of a context took.
    """

    def __init__(self, level: Level, discounts: NDArray[np.float32]) -> None:
        self.starts, self.ids = level.starts, level.ids
        taken = discounts.astype(np.float64)[np.minimum(level.counts, 3) - 1]
        per_ngram = 1 / np.repeat(level.totals, level.num_followers)
        self.shares = (level.counts - taken) * per_ngram
        sums = np.concatenate([[0.0], np.cumsum(self.shares)])
        self.backoff = 1 - np.diff(sums[self.starts])
        self._level = level

    def share_of(self, rows: Integers, ids: Integers, vocab_size: int) -> Probs:
        """The share of each id after the context in each row; 0 if it never followed."""
        level = self._level
        owners = np.repeat(np.arange(len(level.keys)), level.num_followers)
        entries = owners * vocab_size + level.ids
        wanted = rows * vocab_size + ids
        places = np.minimum(np.searchsorted(entries, wanted), len(entries) - 1)
        return np.where(entries[places] == wanted, self.shares[places], 0.0)


def best_weight(network: Probs, ngrams: Probs) -> float:
    """The weight of the n-grams with which a text is most probable.

    Args:
        network, ngrams: `(num_ids,)` the probability that each gave the ids of a text.

    >>> best_weight(np.array([0.5, 0.1]), np.array([0.1, 0.5]))
    0.5
    """
    nats = [-np.log((1 - w) * network + w * ngrams).sum() for w in WEIGHTS]
    return float(WEIGHTS[int(np.argmin(nats))])


def _ranges(starts: Integers, sizes: Integers) -> Integers:
    """The numbers from each start on, as many as each size says.

    >>> _ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(sizes.sum())
