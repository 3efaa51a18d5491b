"""Texts that occur more than once, found by 64-bit hashes in bounded memory."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np

MOST_TEXTS = 10_000_000
"""So many texts are compared, which takes 160 MB; those after them are not."""
_BLOCK_CHARS = 1 << 16


class Fingerprint:
    """The hash of a text that comes in pieces, however it is cut into them.

    Python's own hash of a text has 64 bits and a key that is drawn anew for every
    process: nobody can make two texts that agree. Among n different texts the chance of
    an agreement is n * n / 2**65, below one in 300,000 for ten millions.

    >>> one, two = Fingerprint(), Fingerprint()
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
        if len(self._held) > _BLOCK_CHARS:
            whole = len(self._held) // _BLOCK_CHARS * _BLOCK_CHARS
            for start in range(0, whole, _BLOCK_CHARS):
                block = self._held[start : start + _BLOCK_CHARS]
                self._hash = hash((self._hash, hash(block)))
            self._held = self._held[whole:]

    @staticmethod
    def of(text: str) -> int | None:
        """The hash of a whole text at once, or None where it is too long for that.

        >>> fingerprint = Fingerprint()
        >>> fingerprint.feed("Kit")
        >>> fingerprint.close() == (Fingerprint.of("Kit"), 3)
        True
        """
        return hash((0, hash(text))) if len(text) <= _BLOCK_CHARS else None

    def close(self) -> tuple[int, int]:
        """Hash and length; the next piece then begins another text."""
        found = hash((self._hash, hash(self._held))), self.num_chars
        self._hash, self.num_chars, self._held = 0, 0, ""
        return found


class RepeatedTexts(NamedTuple):
    """What occurs more than once.

    Args:
        num_repeats: texts that an equal one stands before.
        num_chars: characters of these.
        first: number of a text that is repeated, the one where most is; counted from 0.
        second: number of its first repetition.
        num_compared: how many texts were looked at.
    """

    num_repeats: int
    num_chars: int
    first: int
    second: int
    num_compared: int


class Repeats:
    """Gathers texts and tells which occur more than once.

    >>> repeats = Repeats()
    >>> for text in ("Ada", "Kit", "Ada"):
    ...     repeats.add(hash(text), len(text))
    >>> repeats.found()
    RepeatedTexts(num_repeats=1, num_chars=3, first=0, second=2, num_compared=3)
    """

    def __init__(self, most: int = MOST_TEXTS) -> None:
        self._most = most
        self._hashes = array("q")
        self.lengths = array("q")
        self.longest = 0
        self.count = 0
        self.num_chars = 0

    def add(self, hashed: int, num_chars: int) -> None:
        """Take one text."""
        self.count += 1
        self.num_chars += num_chars
        if num_chars > self.longest:
            self.longest = num_chars
        if self.count <= self._most:
            self._hashes.append(hashed)
            self.lengths.append(num_chars)

    def found(self) -> RepeatedTexts | None:
        """All that is repeated, or None where nothing is."""
        if len(self._hashes) < 2:
            return None
        hashes = np.frombuffer(self._hashes, np.int64)
        lengths = np.frombuffer(self.lengths, np.int64)
        # Stable, so that equal texts stay in the order in which they came.
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
        if not len(again):
            return None
        repeated = lengths[order[again]]
        begins = again[np.concatenate([[True], np.diff(again) > 1])]
        # Characters of repetitions, group by group.
        group = np.searchsorted(begins, again, side="right") - 1
        weights = np.bincount(group, weights=repeated)
        # Hashes are drawn anew each time; of equal groups take the first in the text.
        firsts = np.where(weights == weights.max(), order[begins - 1], len(hashes))
        most = begins[np.argmin(firsts)]
        return RepeatedTexts(
            len(again),
            int(repeated.sum()),
            int(order[most - 1]),
            int(order[most]),
            len(hashes),
        )
