"""Tables of n-gram counts: which contexts a text has, and what followed each.

The contexts form a trie over reversed text. A context of length m is a row of level m; its
key is the row of its last m - 1 ids in level m - 1, times the size of the vocabulary, plus
the id before them. So keys are exact, without hashing, for any vocabulary and length:

    level 0    ""                             row 0
    level 1    "a", "b"                       keys 0 * V + a, 0 * V + b
    level 2    "ba", "ab"                     keys (row of "a") * V + b, ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Integers: TypeAlias = NDArray[Any]

NOTHING = -1
"""Stands in a context for what lies before its beginning."""


@dataclass(frozen=True)
class Level:
    """The contexts of one length, and what followed each.

    Args:
        keys: `(num_contexts,)` int64, ascending; see the module.
        num_followers: `(num_contexts,)` different ids that followed each.
        ids: `(num_ngrams,)` those ids, context by context, ascending in each.
        counts: `(num_ngrams,)` of the longest n-grams how often each occurred; of all
            others how many different ids came before it, plus one for each time that
            nothing did.
    """

    keys: Integers
    num_followers: Integers
    ids: Integers
    counts: Integers

    @cached_property
    def starts(self) -> Integers:
        """`(num_contexts + 1,)`: where the followers of each context begin."""
        return np.concatenate([[0], np.cumsum(self.num_followers, dtype=np.int64)])

    @cached_property
    def totals(self) -> Integers:
        """`(num_contexts,)`: the sum of the counts of each context."""
        sums = np.cumsum(self.counts, dtype=np.int64)
        return np.diff(np.concatenate([[0], sums])[self.starts])

    def find(self, keys: Integers) -> Integers:
        """The row of each key, or -1."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        rows = np.searchsorted(self.keys, keys)
        rows[rows == len(self.keys)] = 0
        return np.where(self.keys[rows] == keys, rows, -1)


@dataclass(frozen=True)
class NgramTables:
    """The n-gram counts of a text.

    Args:
        vocab_size: ids are below it.
        boundary: the id of the end of a document, before which no context looks; None for
            one whole text.
        levels: of contexts of length 0, 1, ...; at least one.
        discounts: `(order, 3)` what is taken from counts of 1, of 2, and of 3 and more in
            each level.
    """

    vocab_size: int
    boundary: int | None
    levels: tuple[Level, ...]
    discounts: NDArray[np.float32]

    @property
    def order(self) -> int:
        """Ids of the longest n-grams."""
        return len(self.levels)

    @property
    def num_ngrams(self) -> int:
        """How many different n-grams there are, of all lengths."""
        return sum(len(level.ids) for level in self.levels)

    @property
    def num_bytes(self) -> int:
        """The size of the arrays."""
        parts = (
            (level.keys, level.num_followers, level.ids, level.counts)
            for level in self.levels
        )
        return sum(array.nbytes for arrays in parts for array in arrays)

    def rows(self, contexts: Integers) -> Iterator[Integers]:
        """The row of each context in each level, or -1 from where it is unknown.

        Args:
            contexts: `(batch, order - 1)` ids, the last one read last; `NOTHING` before
                the beginning.

        Yields:
            `(batch,)` for contexts of length 0, 1, ...
        """
        rows = np.zeros(len(contexts), np.int64)
        yield rows
        for length, level in enumerate(self.levels[1:], start=1):
            before = contexts[:, -length]
            known = (rows >= 0) & (before != NOTHING)
            rows = np.where(known, level.find(rows * self.vocab_size + before), -1)
            yield rows


def id_dtype(vocab_size: int) -> DTypeLike:
    """The smallest unsigned type that holds all ids."""
    return np.min_scalar_type(max(vocab_size - 1, 0))


def contexts_of(
    ids: Integers, before: Sequence[int] | Integers, boundary: int | None
) -> Integers:
    """The context after each id of a text.

    Args:
        ids: `(time,)`.
        before: `(width,)` the context before the first of them.
        boundary: see `NgramTables`.

    Returns:
        `(time, width)`: row t holds the last `width` ids up to and with `ids[t]`.

    >>> contexts_of(np.array([5, 0, 6]), [NOTHING, 4], boundary=0).tolist()
    [[4, 5], [-1, 0], [0, 6]]
    """
    width = len(before)
    whole = np.concatenate([np.asarray(before, np.int64), np.asarray(ids, np.int64)])
    windows = np.lib.stride_tricks.sliding_window_view(whole, width)[1:]
    return within_document(windows, boundary)


def within_document(contexts: Integers, boundary: int | None) -> Integers:
    """Contexts without the ids before their last boundary, which are of other documents.

    >>> within_document(np.array([[5, 0, 6], [5, 6, 7]]), boundary=0).tolist()
    [[-1, 0, 6], [5, 6, 7]]
    """
    if boundary is None:
        return contexts
    is_end = contexts == boundary
    ends_after = np.cumsum(is_end[:, ::-1], axis=1)[:, ::-1] - is_end
    return np.where(ends_after > 0, NOTHING, contexts)
