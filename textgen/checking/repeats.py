"""Texts that occur more than once, found by 64-bit hashes in bounded memory."""

from __future__ import annotations

import hashlib
import os
from array import array
from typing import NamedTuple

import numpy as np

MAX_TEXTS = 10_000_000
"""How many texts are compared, in 160 MB; later ones are not.

Lines take 80 MB more, for their numbers.
"""
LONG_CHARS = 1 << 16
MIN_LINE_CHARS = 60
"""Shorter lines repeat by nature: headings, refrains, short answers."""
# Python's own hash, too, has a key that is drawn for every process.
_KEY = os.urandom(16)


class TextHash:
    """The 64-bit hash of a text that comes in pieces, independent of where they are cut.

    It is Python's `hash` for a text of at most `LONG_CHARS` characters, else BLAKE2. Both
    have a secret key, so that nobody can construct two texts with the same hash. Among n
    different texts the probability of a collision is n * n / 2**65, below one in 300,000
    for ten million.

    >>> text_hash = TextHash()
    >>> text_hash.feed("Kit "), text_hash.feed("went")
    (None, None)
    >>> text_hash.close() == (hash("Kit went"), 8)
    True
    """

    def __init__(self) -> None:
        self.num_chars = 0
        self._held = ""
        self._long: hashlib.blake2b | None = None

    def feed(self, text: str) -> None:
        """Take the next piece."""
        self.num_chars += len(text)
        self._held += text
        if self.num_chars > LONG_CHARS:
            self._long = self._long or hashlib.blake2b(digest_size=8, key=_KEY)
            self._long.update(self._held.encode("utf-8", "surrogatepass"))
            self._held = ""

    def close(self) -> tuple[int, int]:
        """Hash and length; the next piece then begins another text."""
        if self._long is None:
            found = hash(self._held), self.num_chars
        else:
            found = int.from_bytes(self._long.digest(), signed=True), self.num_chars
        self.num_chars, self._held, self._long = 0, "", None
        return found


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


class RepeatedLines:
    r"""Finds long lines that occur more than once in texts that come in pieces.

    Attributes:
        repeats: the hashes of the lines with at least `MIN_LINE_CHARS` characters.

    >>> lines = RepeatedLines()
    >>> for piece in ("short\n" + "a" * 30, "a" * 30 + "\n" + "a" * 60):
    ...     lines.feed(piece)
    >>> lines.close()
    >>> found = lines.repeats.found()
    >>> lines.number_of(found.first), lines.number_of(found.second)
    (1, 2)
    """

    def __init__(self) -> None:
        self.repeats = Repeats()
        self._hash = TextHash()
        self._numbers = array("q")
        self._count = 0

    def feed(self, text: str) -> None:
        """Take the next piece of a text."""
        first, *others = text.split("\n")
        self._hash.feed(first)
        for line in others:
            self._add(*self._hash.close())
            self._hash.feed(line)

    def close(self) -> None:
        """End the text; the next piece begins another."""
        if self._hash.num_chars:
            self._add(*self._hash.close())

    def number_of(self, index: int) -> int:
        """The number of a long line among all lines of all texts, from 0."""
        return self._numbers[index]

    def _add(self, hashed: int, num_chars: int) -> None:
        if num_chars >= MIN_LINE_CHARS:
            self.repeats.add(hashed, num_chars)
            if len(self._numbers) < len(self.repeats.lengths):
                self._numbers.append(self._count)
        self._count += 1
