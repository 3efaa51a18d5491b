"""Texts that occur more than once, found by 64-bit hashes in bounded memory."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np

MAX_TEXTS = 10_000_000
"""How many texts are compared, in 160 MB; later ones are not."""
BLOCK_CHARS = 1 << 16


class TextHash:
    """The hash of a text that comes in pieces, independent of where they are cut.

    Python's own hash of a text has 64 bits and a key that is drawn for every process, so
    that nobody can construct two texts with the same hash. Among n different texts the
    probability of a collision is n * n / 2**65, below one in 300,000 for ten million.

    >>> one, two = TextHash(), TextHash()
    >>> one.feed("Kit went"), two.feed("Kit "), two.feed("went")
    (None, None, None)
    >>> one.num_chars, one.close() == two.close()
    (8, True)
    """

    __slots__ = ("_hash", "_held", "num_chars")

    def __init__(self) -> None:
        self._hash = 0
        self.num_chars = 0
        self._held = ""

    def feed(self, text: str) -> None:
        """Take the next piece."""
        self.num_chars += len(text)
        self._held += text
        if len(self._held) > BLOCK_CHARS:
            whole = len(self._held) // BLOCK_CHARS * BLOCK_CHARS
            for start in range(0, whole, BLOCK_CHARS):
                block = self._held[start : start + BLOCK_CHARS]
                self._hash = hash((self._hash, hash(block)))
            self._held = self._held[whole:]

    def close(self) -> tuple[int, int]:
        """Hash and length; the next piece then begins another text."""
        found = hash((self._hash, hash(self._held))), self.num_chars
        self._hash, self.num_chars, self._held = 0, 0, ""
        return found


def hash_of(text: str) -> int:
    """The hash of a whole text of at most `BLOCK_CHARS` characters.

    >>> text_hash = TextHash()
    >>> text_hash.feed("Kit")
    >>> text_hash.close() == (hash_of("Kit"), 3)
    True
    """
    return hash((0, hash(text)))


class RepeatedTexts(NamedTuple):
    """The texts that repeat an earlier one.

    Args:
        num_repeats: how many there are.
        num_chars: their characters.
        first: number of the text whose repetitions have the most characters, from 0.
        second: number of its first repetition.
        num_compared: how many texts were compared.
    """

    num_repeats: int
    num_chars: int
    first: int
    second: int
    num_compared: int


class Repeats:
    """Collects texts and finds those that occur more than once.

    >>> repeats = Repeats()
    >>> for text in ("Ada", "Kit", "Ada"):
    ...     repeats.add(hash(text), len(text))
    >>> repeats.found()
    RepeatedTexts(num_repeats=1, num_chars=3, first=0, second=2, num_compared=3)
    """

    def __init__(self, max_texts: int = MAX_TEXTS) -> None:
        self._max_texts = max_texts
        self._hashes = array("q")
        self.lengths = array("q")
        self.count = 0

    def add(self, hashed: int, num_chars: int) -> None:
        """Take one text."""
        self.count += 1
        if self.count <= self._max_texts:
            self._hashes.append(hashed)
            self.lengths.append(num_chars)

    def found(self) -> RepeatedTexts | None:
        """The repetitions, or None if there are none."""
        if len(self._hashes) < 2:
            return None
        hashes = np.frombuffer(self._hashes, np.int64)
        lengths = np.frombuffer(self.lengths, np.int64)
        # Stable, so that equal texts stay in order.
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
        if not len(again):
            return None
        repeated = lengths[order[again]]
        begins = again[np.concatenate([[True], np.diff(again) > 1])]
        # Repeated characters of each group of equal texts.
        group = np.searchsorted(begins, again, side="right") - 1
        weights = np.bincount(group, weights=repeated)
        # The order of hashes differs between processes; of equal groups take the first.
        firsts = np.where(weights == weights.max(), order[begins - 1], len(hashes))
        most = begins[np.argmin(firsts)]
        return RepeatedTexts(
            len(again),
            int(repeated.sum()),
            int(order[most - 1]),
            int(order[most]),
            len(hashes),
        )
