"""The longest passages that two texts share."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Hashes: TypeAlias = NDArray[np.uint64]
Positions: TypeAlias = NDArray[np.int64]

# Odd and without pattern in its bits: 2^64 divided by the golden ratio.
_MULTIPLIER = 0x9E3779B97F4A7C15
# Blocks of this many characters, and all that is computed from them, stay in the cache.
_BLOCK_CHARS = 1 << 16
_SLOTS_PER_KEY = 16
_MOST_SLOT_BITS = 26


# --- searching -----------------------------------------------------------------


class Shelf:
    """The files of a corpus, side by side: one position means a file and a place."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        *self._starts, self.num_chars = accumulate(map(len, texts), initial=0)

    def place(self, position: int) -> tuple[int, int]:
        """Number of the file, and characters before it there."""
        file = bisect_right(self._starts, position) - 1
        return file, position - self._starts[file]

    def read(self, position: int, length: int) -> str:
        """So many characters, fewer at the end of a file."""
        file, offset = self.place(position)
        return self.texts[file][offset : offset + length]

    def blocks(self, size: int, overlap: int) -> Iterator[tuple[int, str]]:
        """Everything in blocks that overlap, each with its position.

        They run across the borders of files; what is found is compared by `read`,
        which does not.
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


class Wanted:
    """Pieces of one length that begin at `starts` of a text, and where they were found.

    `places` is `(num_starts,)`: position of the first equal piece on the shelf, or -1.
    """

    def __init__(self, text: str, length: int, starts: Positions) -> None:
        self.length = length
        self.starts = starts
        self.places = np.full(len(starts), -1)
        self._text = text
        hashes = _hashes(text, [length])[length][starts]
        # Pieces with equal hashes form a group; usually they are equal pieces.
        self._keys, groups, sizes = np.unique(
            hashes, return_inverse=True, return_counts=True
        )
        self._members = groups.argsort(kind="stable")
        self._ends = sizes.cumsum()
        self._missing = sizes
        self._make_table()

    def _make_table(self) -> None:
        """Mark the slot of every key; most slots are empty, most look-ups end there."""
        bits = min((len(self._keys) * _SLOTS_PER_KEY).bit_length(), _MOST_SLOT_BITS)
        self._shift = np.uint64(64 - bits)
        self._slots = self._slots_of(self._keys)
        self._table = np.zeros(1 << bits, bool)
        self._table[self._slots] = True
        # The keys are sorted, and so are their slots: a shared one has a neighbour.
        same = np.diff(self._slots) == 0
        self._shared = np.append(same, False) | np.append(False, same)

    def _slots_of(self, hashes: Hashes) -> Positions:
        return (hashes >> self._shift).view(np.int64)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to look for."""
        return not self._missing.any()

    @property
    def found(self) -> tuple[Positions, Positions]:
        """Starts and places of the pieces that were found, in order of the text."""
        seen = self.places >= 0
        return self.starts[seen], self.places[seen]

    @property
    def share(self) -> float:
        """Which part of the pieces was found."""
        return int((self.places >= 0).sum()) / len(self.starts)

    def look_in(self, shelf: Shelf, position: int, hashes: Hashes) -> None:
        """Compare with the pieces of a block that begins at `position` on the shelf."""
        at = self._table[self._slots_of(hashes)].nonzero()[0]
        keys = self._keys.searchsorted(hashes[at]).clip(max=len(self._keys) - 1)
        likely = (self._keys[keys] == hashes[at]) & (self._missing[keys] > 0)
        for offset, key in zip(at[likely].tolist(), keys[likely].tolist(), strict=True):
            if self._missing[key]:
                self._compare(key, shelf, position + offset)

    def _compare(self, key: int, shelf: Shelf, position: int) -> None:
        piece = shelf.read(position, self.length)
        # Shorter at the end of a file.
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


def search_hashes(shelf: Shelf, wanted: Sequence[Wanted]) -> None:
    """Read the corpus once, and note for each piece where it stands first."""
    longest = max((each.length for each in wanted), default=1)
    for position, block in shelf.blocks(max(_BLOCK_CHARS, 2 * longest), longest - 1):
        wanted = [each for each in wanted if not each.is_complete]
        if not wanted:
            return
        hashes = _hashes(block, [each.length for each in wanted])
        for each in wanted:
            each.look_in(shelf, position, hashes[each.length])


def _hashes(text: str, lengths: Sequence[int]) -> dict[int, Hashes]:
    """For each length, a hash of every piece of so many characters.

    Pieces of 1, 2, 4, 8, ... characters come first, each of two halves: a polynomial
    of its characters, modulo 2^64. Any other length is two of those that overlap.

    Returns:
        `(len(text) - length + 1,)` for each length, nothing for a longer one.
    """
    # Lone surrogates, which no file holds, are characters like any other here.
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
    """Hashes of what two pieces of one width, so far from each other, cover together."""
    if distance == 0:
        return level
    right = level[distance:]
    joined: Hashes = level[: len(right)] * np.uint64(pow(_MULTIPLIER, width, 1 << 64))
    joined += right
    return joined


# --- the longest ---------------------------------------------------------------


class Known(NamedTuple):
    """All places in a text where a piece of `length` begins that the corpus has, too.

    `starts` and `places` are `(num_starts,)`: ascending positions in the text, and
    for each the first on the shelf.
    """

    length: int
    starts: Positions
    places: Positions


def longest_match(text: str, shelf: Shelf, counted: Sequence[Wanted]) -> Known:
    """Find the greatest length that any piece in common has.

    What is known of one length sets a limit to longer pieces (`_reach`) and tells
    where to look for them (`_extended`). Usually the longest is seen at once so, and
    one more reading of the corpus, for it and for one character more, proves it.
    """
    starts = np.arange(len(text) + 1)
    known, high, step = Known(0, starts, np.zeros_like(starts)), len(text), 1
    wanted = list(counted)
    while True:
        for each in wanted:
            if each.share:
                known = Known(each.length, *each.found)
            else:
                high = min(high, each.length - 1)
        reach = _reach(known)
        high = min(high, int(reach.max()))
        if known.length == high:
            return known
        low = _extended(text, shelf, known, reach)
        lengths = sorted({low, min(low + step, high)} - {known.length})
        wanted = [Wanted(text, n, known.starts[reach >= n]) for n in lengths]
        search_hashes(shelf, wanted)
        # Repetitive texts mislead `_extended`; then longer strides save readings.
        step = 2 * step if wanted[-1].share else 1


def _reach(known: Known) -> Positions:
    """For each start, how long a piece in common can be at most.

    All shorter pieces inside it are in common, too, so at the last of several starts
    that follow each other it is the length known, and one more at the one before.
    """
    last = np.append(np.diff(known.starts) != 1, True).nonzero()[0]
    index = np.arange(len(known.starts))
    reach: Positions = known.length + last[last.searchsorted(index)] - index
    return reach


def _extended(text: str, shelf: Shelf, known: Known, reach: Positions) -> int:
    """The longest piece in common at the places known, each the first of its kind."""
    longest = known.length
    # The empty piece is everywhere, so that no place of it tells anything.
    if longest == 0:
        return 0
    follows = (np.diff(known.starts) == 1) & (np.diff(known.places) == 1)
    heads = np.append(True, ~follows).nonzero()[0]
    for head in heads[reach[heads].argsort(kind="stable")[::-1]]:
        if reach[head] <= longest:
            break
        start, place = int(known.starts[head]), int(known.places[head])
        mine = text[start : start + int(reach[head])]
        longest = max(longest, _common_length(mine, shelf.read(place, len(mine))))
    return longest


def _common_length(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda n: one[:n] != other[:n])
