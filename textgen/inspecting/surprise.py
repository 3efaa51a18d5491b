"""Where a model is surprised: by kind of character, and the places that cost most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KINDS = (
    "first letter of a word",
    "letter inside a word",
    "space",
    "punctuation",
    "digit",
    "line end",
)
SHOWN_AROUND = 30
"""Characters before and after a surprising place that are shown."""


@dataclass(frozen=True)
class KindTotal:
    """The surprise of all characters of a kind."""

    kind: str
    num_chars: int
    bits: float

    @property
    def bits_per_char(self) -> float:
        """The mean; 0 without any."""
        return self.bits / self.num_chars if self.num_chars else 0.0


@dataclass(frozen=True)
class Place:
    """A surprising character.

    Args:
        offset: characters before it.
        line: counted from 1.
        before, after: the text around it.
    """

    offset: int
    line: int
    character: str
    bits: float
    before: str
    after: str


def kinds_of(text: str) -> NDArray[np.int64]:
    r"""The kind of each character, as its place in `KINDS`.

    >>> [KINDS[kind][:6] for kind in kinds_of("No 1.\n")]
    ['first ', 'letter', 'space', 'digit', 'punctu', 'line e']
    """
    found, inside = np.zeros(len(text), np.int64), False
    for place, character in enumerate(text):
        # Accents that combine with a letter are not letters, but part of a word.
        is_letter = character.isalpha() or (inside and _is_mark(character))
        found[place] = _kind(character, is_letter, inside)
        inside = is_letter
    return found


def _is_mark(character: str) -> bool:
    # Cheaper than the category, which only few characters need.
    import unicodedata

    return not character.isascii() and unicodedata.category(character)[0] == "M"


def _kind(character: str, is_letter: bool, inside: bool) -> int:
    if is_letter:
        return int(inside)
    if character == "\n":
        return 5
    if character.isspace():
        return 2
    return 4 if character.isnumeric() else 3


def totals_by_kind(
    text: str, bits: NDArray[np.float64], counts: NDArray[np.bool_]
) -> list[KindTotal]:
    """Sums over the characters that count, for each of `KINDS`.

    Args:
        bits: `(num_chars,)`.
        counts: `(num_chars,)` whether a character was predicted.

    >>> bits, counts = np.array([4.0, 1, 2, 9]), np.array([True, True, True, False])
    >>> [(each.num_chars, each.bits) for each in totals_by_kind("ab c", bits, counts)][:3]
    [(1, 4.0), (1, 1.0), (1, 2.0)]
    """
    kinds = kinds_of(text)[counts]
    sums = np.bincount(kinds, bits[counts], minlength=len(KINDS))
    numbers = np.bincount(kinds, minlength=len(KINDS))
    rows = zip(KINDS, numbers.tolist(), sums.tolist(), strict=True)
    return [KindTotal(*row) for row in rows]


def most_surprising(
    text: str, bits: NDArray[np.float64], counts: NDArray[np.bool_], most: int = 20
) -> list[Place]:
    """The characters that surprised the model most, first the greatest surprise.

    >>> found = most_surprising("abc", np.array([1.0, 3, 2]), np.ones(3, bool), most=2)
    >>> [(place.offset, place.character) for place in found]
    [(1, 'b'), (2, 'c')]
    """
    order = np.argsort(-np.where(counts, bits, -1.0), kind="stable")[:most]
    return [_place(text, bits, each) for each in order.tolist() if counts[each]]


def _place(text: str, bits: NDArray[np.float64], offset: int) -> Place:
    return Place(
        offset,
        text.count("\n", 0, offset) + 1,
        text[offset],
        float(bits[offset]),
        text[max(0, offset - SHOWN_AROUND) : offset],
        text[offset + 1 : offset + 1 + SHOWN_AROUND],
    )
