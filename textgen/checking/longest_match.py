"""Search a corpus for pieces of a text, and find the longest one in common."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Hashes: TypeAlias = NDArray[np.uint64]
Positions: TypeAlias = NDArray[np.int64]

# Odd, with well-mixed bits: 2^64 divided by the golden ratio.
_MULTIPLIER = 0x9E3779B97F4A7C15
# A block of this many characters and everything computed from it fit in the CPU cache.
_BLOCK_CHARS = 1 << 16
_SLOTS_PER_KEY = 16
_MOST_SLOT_BITS = 26


# --- searching -----------------------------------------------------------------


class JoinedFiles:
    """The files of a corpus in a row, so that one position means a file and an offset."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        *self._starts, self.num_chars = accumulate(map(len, texts), initial=0)

    def place(self, position: int) -> tuple[int, int]:
        """The number of the file at a position, and the offset in it."""
        file = bisect_right(self._starts, position) - 1
        return file, position - self._starts[file]

    def read(self, position: int, length: int) -> str:
        """Up to `length` characters, fewer at the end of a file."""
        file, offset = self.place(position)
        return self.texts[file][offset : offset + length]

    def blocks(self, size: int, overlap: int) -> Iterator[tuple[int, str]]:
        """All text in overlapping blocks, each with its position.

        Blocks cross the borders of files; candidates are verified with `read`, which does
        not.
        """
        position, block = 0, ""
        for text in self.texts:
            for start in range(0, len(text), size):
                block += text[start : start + size]
                if len(block) > size:
                    yield position, block
                    position += len(block) - overlap
                    block = block[len(block) - overlap :]
        yield position, block


class Query:
    """The pieces of one length that begin at `starts` of a text, and where they occur.

    `places` is `(num_starts,)`: the first position of each piece in the corpus, or -1.
    """

    def __init__(self, text: str, length: int, starts: Positions) -> None:
        self.length = length
        self.starts = starts
        self.places = np.full(len(starts), -1)
        self._text = text
        hashes = _hashes(text, [length])[length][starts]
        # Pieces with equal hashes, which are usually equal pieces, form a group.
        self._keys, groups, sizes = np.unique(
            hashes, return_inverse=True, return_counts=True
        )
        self._members = groups.argsort(kind="stable")
        self._ends = sizes.cumsum()
        self._missing = sizes
        self._make_table()

    def _make_table(self) -> None:
        """Mark the slot of every key; most slots are empty, so most lookups end there."""
        bits = min((len(self._keys) * _SLOTS_PER_KEY).bit_length(), _MOST_SLOT_BITS)
        self._shift = np.uint64(64 - bits)
        self._slots = self._slots_of(self._keys)
        self._table = np.zeros(1 << bits, bool)
        self._table[self._slots] = True
        # Keys are sorted, and so are their slots: equal ones are neighbours.
        same = np.diff(self._slots) == 0
        self._shared = np.append(same, False) | np.append(False, same)

    def _slots_of(self, hashes: Hashes) -> Positions:
        return (hashes >> self._shift).view(np.int64)

    @property
    def is_complete(self) -> bool:
        """Whether all pieces were found."""
        return not self._missing.any()

    @property
    def found(self) -> tuple[Positions, Positions]:
        """Starts and places of the pieces that were found, in text order."""
        seen = self.places >= 0
        return self.starts[seen], self.places[seen]

    @property
    def share(self) -> float:
        """The share of the pieces that was found."""
        return int((self.places >= 0).sum()) / len(self.starts)

    def look_in(self, corpus: JoinedFiles, position: int, hashes: Hashes) -> None:
        """Compare with all pieces of the block that begins at `position`."""
        at = self._table[self._slots_of(hashes)].nonzero()[0]
        keys = self._keys.searchsorted(hashes[at]).clip(max=len(self._keys) - 1)
        likely = (self._keys[keys] == hashes[at]) & (self._missing[keys] > 0)
        for offset, key in zip(at[likely].tolist(), keys[likely].tolist(), strict=True):
            if self._missing[key]:
                self._compare(key, corpus, position + offset)

    def _compare(self, key: int, corpus: JoinedFiles, position: int) -> None:
        piece = corpus.read(position, self.length)
        # At the end of a file it is shorter.
        if len(piece) < self.length:
            return
        end = self._ends[key]
        begin = self._ends[key - 1] if key else 0
        for member in self._members[begin:end].tolist():
            start = int(self.starts[member])
            if self.places[member] < 0 and self._text.startswith(piece, start):
                self.places[member] = position
                self._missing[key] -= 1
        if not self._missing[key] and not self._shared[key]:
            self._table[self._slots[key]] = False


def search_hashes(corpus: JoinedFiles, queries: Sequence[Query]) -> None:
    """Read the corpus once and record the first place of each piece."""
    longest = max((each.length for each in queries), default=1)
    for position, block in corpus.blocks(max(_BLOCK_CHARS, 2 * longest), longest - 1):
        queries = [each for each in queries if not each.is_complete]
        if not queries:
            return
        hashes = _hashes(block, [each.length for each in queries])
        for each in queries:
            each.look_in(corpus, position, hashes[each.length])


def _hashes(text: str, lengths: Sequence[int]) -> dict[int, Hashes]:
    """For each length, the hashes of all pieces of so many characters.

    The hash is a polynomial of the characters, modulo 2^64. Pieces of 1, 2, 4, 8, ...
    characters are combined from two halves, those of other lengths from two overlapping
    pieces.

    Returns:
        `(len(text) - length + 1,)` for each length; empty for a longer one.
    """
    # Lone surrogates, which no file contains, are treated like any character.
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    level, width = codes * np.uint64(_MULTIPLIER), 1
    hashes = {}
    while True:
        for length in lengths:
            if width <= length < 2 * width:
                hashes[length] = _joined(level, length - width, width)
        if len(hashes) == len(lengths):
            return hashes
        level, width = _joined(level, width, width), 2 * width


def _joined(level: Hashes, distance: int, width: int) -> Hashes:
    """The hashes of the ranges that two pieces of one width and distance cover."""
    if distance == 0:
        return level
    right = level[distance:]
    joined: Hashes = level[: len(right)] * np.uint64(pow(_MULTIPLIER, width, 1 << 64))
    joined += right
    return joined


# --- the longest match ---------------------------------------------------------


class Matches(NamedTuple):
    """All places in a text where a piece of `length` begins that the corpus contains.

    `starts` and `places` are `(num_starts,)`: ascending positions in the text, and the
    first position of each in the corpus.
    """

    length: int
    starts: Positions
    places: Positions


def longest_match(text: str, corpus: JoinedFiles, counted: Sequence[Query]) -> Matches:
    """Find all pieces of the greatest length that text and corpus have in common.

    The matches of one length limit those of longer pieces (`_max_lengths`) and tell where
    to look for them (`_extended`). Usually this finds the longest at once, and one more
    pass over the corpus, for its length and for one more character, proves it.
    """
    starts = np.arange(len(text) + 1)
    matches, high, step = Matches(0, starts, np.zeros_like(starts)), len(text), 1
    queries = list(counted)
    while True:
        for each in queries:
            if each.share:
                matches = Matches(each.length, *each.found)
            else:
                high = min(high, each.length - 1)
        max_lengths = _max_lengths(matches)
        high = min(high, int(max_lengths.max()))
        if matches.length == high:
            return matches
        low = _extended(text, corpus, matches, max_lengths)
        lengths = sorted({low, min(low + step, high)} - {matches.length})
        queries = [Query(text, n, matches.starts[max_lengths >= n]) for n in lengths]
        search_hashes(corpus, queries)
        # Repetitive texts mislead `_extended`; longer steps then save passes.
        step = 2 * step if queries[-1].share else 1


def _max_lengths(matches: Matches) -> Positions:
    """For each start, the greatest possible length of a match.

    All shorter pieces inside a match are matches. So at the last of consecutive starts it
    is the length of the matches, and one more at each start before.
    """
    last = np.append(np.diff(matches.starts) != 1, True).nonzero()[0]
    index = np.arange(len(matches.starts))
    max_lengths: Positions = matches.length + last[last.searchsorted(index)] - index
    return max_lengths


def _extended(
    text: str, corpus: JoinedFiles, matches: Matches, max_lengths: Positions
) -> int:
    """The greatest length to which the matches can be extended at their places."""
    longest = matches.length
    # The empty piece is everywhere, so its places are meaningless.
    if longest == 0:
        return 0
    follows = (np.diff(matches.starts) == 1) & (np.diff(matches.places) == 1)
    heads = np.append(True, ~follows).nonzero()[0]
    for head in heads[max_lengths[heads].argsort(kind="stable")[::-1]]:
        if max_lengths[head] <= longest:
            break
        start, place = int(matches.starts[head]), int(matches.places[head])
        mine = text[start : start + int(max_lengths[head])]
        longest = max(longest, _common_length(mine, corpus.read(place, len(mine))))
    return longest


def _common_length(one: str, other: str) -> int:
    """The length of the common prefix of two texts."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda n: one[:n] != other[:n])
