"""The text of a corpus as its files have it: counted, and searched for oddities."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from textgen.checking.characters import CONTROLS, INVISIBLE, REPLACEMENT, SURROGATES
from textgen.checking.finding import Place
from textgen.text.unicode.code_points import (
    BATCH_CHARS,
    NUM_CODE_POINTS,
    CodePointCounts,
    code_bytes,
    code_points,
)
from textgen.text.unicode.normal_form import PieceNormalizer

# UTF-8 decoded as Windows-1252 or Latin-1: each character becomes a letter with an accent
# and one to three characters that hardly ever follow such a letter.
_LEADS = "\u00c2-\u00df", "\u00e0-\u00ef", "\u00f0-\u00f4"
_TAILS = "".join(
    bytes(range(0x80, 0xC0)).decode(e, "ignore") for e in ("cp1252", "latin-1")
)
_CHARACTERS = "|".join(f"[{lead}][{_TAILS}]{{{n}}}" for n, lead in enumerate(_LEADS, 1))
_MOJIBAKE = re.compile(f"(?:{_CHARACTERS}){{1,12}}")
_MAX_EXAMPLES = 3


def _marked(codes: np.ndarray) -> np.ndarray:
    marked = np.zeros(NUM_CODE_POINTS, bool)
    marked[codes] = True
    return marked


_IS_SUSPICIOUS = _marked(np.array([*SURROGATES, *CONTROLS, *INVISIBLE, REPLACEMENT]))
_IS_LEAD = _marked(np.arange(0xC2, 0xF5))
_IS_TAIL = _marked(np.array(list(map(ord, _TAILS))))


class TextCounter:
    """Counts and searches texts that come in pieces.

    Attributes:
        raw: `(0x110000,)` occurrences of each code point.
        places: where each suspicious character occurs first.
        num_mojibake: characters that seem to have been decoded with the wrong encoding.
        mojibake: the first of these, with the text they should have been.
        mojibake_place: where the first of these is.
        longest_line: in characters.

    >>> counter = TextCounter()
    >>> counter.begin(""), counter.add("one\\ntwo\\x0c"), counter.end(), counter.flush()
    (None, None, None, None)
    >>> str(counter.places[0x0C])
    'line 2'
    """

    def __init__(self) -> None:
        self.raw = np.zeros(NUM_CODE_POINTS, np.int64)
        self.places: dict[int, Place] = {}
        self.num_mojibake = 0
        self.mojibake: dict[str, str] = {}
        self.mojibake_place: Place | None = None
        self.longest_line = 0
        self.longest_line_place: Place | None = None
        self._pieces: list[tuple[Place, str]] = []
        self._num_held = 0
        self._normalizer = PieceNormalizer("nfc")
        self._normal = CodePointCounts()
        self._name, self._line, self._line_chars = "", 1, 0

    @property
    def nfc(self) -> np.ndarray:
        """The occurrences of each code point in the normal form NFC."""
        return self._normal.total()

    @property
    def num_lines(self) -> int:
        """Lines of the text so far."""
        return self._line - (self._line_chars == 0)

    def begin(self, name: str, line: int = 1) -> None:
        """Begin the next text.

        Args:
            name: of its file, for places.
            line: of the file that it begins in.
        """
        self._name, self._line, self._line_chars = name, line, 0

    def add(self, text: str) -> None:
        """Take a piece of the text."""
        self._pieces.append((Place(self._name, self._line), text))
        self._normal.add(self._normalizer.feed(text))
        self._measure_lines(text)
        self._num_held += len(text)
        if self._num_held >= BATCH_CHARS:
            self.flush()

    def end(self) -> None:
        """End the text."""
        self._normal.add(self._normalizer.flush())

    def flush(self) -> None:
        """Count and search the pieces taken so far."""
        text = "".join(piece for _, piece in self._pieces)
        codes = code_points(code_bytes(text))
        found = np.bincount(codes)
        self.raw[: len(found)] += found
        present = np.flatnonzero(found)
        for code in present[_IS_SUSPICIOUS[present]].tolist():
            if code not in self.places:
                self.places[code] = self._place_at(text.index(chr(code)))
        if _IS_LEAD[present].any() and _IS_TAIL[present].any():
            # Much faster than a search by the expression.
            pairs = _IS_LEAD[codes[:-1]] & _IS_TAIL[codes[1:]]
            self._find_mojibake(text, np.flatnonzero(pairs).tolist())
        self._pieces, self._num_held = [], 0

    def _measure_lines(self, text: str) -> None:
        lengths = list(map(len, text.split("\n")))
        lengths[0] += self._line_chars
        longest = max(lengths)
        if longest > self.longest_line:
            self.longest_line = longest
            line = self._line + lengths.index(longest)
            self.longest_line_place = Place(self._name, line)
        self._line += len(lengths) - 1
        self._line_chars = lengths[-1]

    def _find_mojibake(self, text: str, candidates: Iterable[int]) -> None:
        end = 0
        for start in candidates:
            found = _MOJIBAKE.match(text, start) if start >= end else None
            if found is None:
                continue
            end = found.end()
            repaired = repair(found[0])
            if repaired is not None:
                self.num_mojibake += len(repaired)
                self.mojibake_place = self.mojibake_place or self._place_at(start)
                if len(self.mojibake) < _MAX_EXAMPLES:
                    self.mojibake[found[0]] = repaired

    def _place_at(self, offset: int) -> Place:
        """The place of a character by its offset in the pieces held."""
        for place, piece in self._pieces:
            if offset < len(piece):
                return Place(place.name, place.line + piece.count("\n", 0, offset))
            offset -= len(piece)
        raise AssertionError("the offset is beyond the pieces")


@lru_cache(maxsize=1 << 14)
def repair(text: str) -> str | None:
    """The text before it was decoded with the wrong encoding, or None if it seems sound.

    >>> repair("Ã©"), repair("é")
    ('é', None)
    """
    # Imported late: few texts need it.
    import ftfy

    repaired = ftfy.fix_encoding(text)
    return None if repaired == text else repaired
