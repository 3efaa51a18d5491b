"""The text of a corpus as it stands in its files: counted and searched."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from textgen.checking.characters import CONTROLS, HALVES, INVISIBLE, REPLACEMENT
from textgen.checking.finding import Place
from textgen.checking.repeats import Fingerprint, Repeats
from textgen.text.reading.sources import Source
from textgen.text.unicode.code_points import (
    BATCH_CHARS,
    NUM_CODE_POINTS,
    CodePointCounts,
    code_bytes,
    code_points,
)
from textgen.text.unicode.normal_form import PieceNormalizer

# UTF-8 read as Windows-1252 or Latin-1: the first byte of a character becomes a letter
# with an accent, and those behind it signs that hardly ever follow such a letter.
_TAIL = (
    "[\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039"
    "\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a"
    "\u0153\u017e\u0178]"
)
_MOJIBAKE = re.compile(f"[ÂÃÐÑ]{_TAIL}|[âãäåæçè]{_TAIL}{{2}}")
_MOJIBAKE_LEADS = np.array([ord(c) for c in "ÂÃÐÑâãäåæçè"])


def no_counts() -> np.ndarray:
    """`(0x110000,)` zeros."""
    return np.zeros(NUM_CODE_POINTS, np.int64)


@dataclass
class TextFacts:
    """What is known of the text as it stands in the files.

    Args:
        raw: `(0x110000,)` how often each code point occurs.
        nfc: the same in the normal form NFC.
        places: where each suspicious character stands first.
        mojibake: characters that seem to be read in a wrong encoding, and how often.
        mojibake_place: where the first of these stands.
        longest_line: its characters.
        files: hash and length of the text of each file that is not blank.
        num_lines: of each file.
    """

    raw: np.ndarray = field(default_factory=no_counts)
    nfc: np.ndarray = field(default_factory=no_counts)
    places: dict[int, Place] = field(default_factory=dict)
    mojibake: Counter[str] = field(default_factory=Counter)
    mojibake_place: Place | None = None
    longest_line: int = 0
    longest_line_place: Place | None = None
    files: Repeats = field(default_factory=Repeats)
    num_lines: list[int] = field(default_factory=list)


class RawText:
    """Gathers facts about texts that come in pieces.

    Args:
        is_named: whether places name the file.

    >>> text = RawText(is_named=False)
    >>> text.begin(Source("a.txt")), text.add("one\\ntwo\\x0c"), text.end(), text.flush()
    (None, None, None, None)
    >>> str(text.facts.places[0x0C])
    'line 2'
    """

    def __init__(self, *, is_named: bool) -> None:
        self.facts = TextFacts()
        self._is_named = is_named
        self._suspicious = np.zeros(NUM_CODE_POINTS, bool)
        self._suspicious[[*HALVES, *CONTROLS, *INVISIBLE, REPLACEMENT]] = True
        self._held: list[tuple[str, int, str]] = []
        self._num_held = 0
        self._normalizer = PieceNormalizer("nfc")
        self._normal = CodePointCounts()
        self._whole = Fingerprint()
        self._name, self._line, self._tail = "", 1, 0

    def begin(self, source: Source, line: int = 1) -> None:
        """Another text follows."""
        self._name = source.shown if self._is_named else ""
        self._line, self._tail = line, 0

    def add(self, text: str) -> None:
        """Take a piece of it."""
        self._whole.feed(text)
        self._held.append((self._name, self._line, text))
        self._normal.add(self._normalizer.feed(text))
        self._num_held += len(text)
        self._measure_lines(text)
        if self._num_held >= BATCH_CHARS:
            self.flush()

    def _measure_lines(self, text: str) -> None:
        lengths = list(map(len, text.split("\n")))
        lengths[0] += self._tail
        longest = max(lengths)
        if longest > self.facts.longest_line:
            line = self._line + lengths.index(longest)
            self.facts.longest_line = longest
            self.facts.longest_line_place = Place(self._name, line)
        self._line += len(lengths) - 1
        self._tail = lengths[-1]

    def end(self, *, is_blank: bool = False) -> None:
        """The text ends here; one that is blank is not compared with others."""
        self._normal.add(self._normalizer.flush())
        hashed, num_chars = self._whole.close()
        if not is_blank:
            self.facts.files.add(hashed, num_chars)
        self.facts.num_lines.append(self._line - (self._tail == 0))

    def abandon(self) -> None:
        """The text cannot be read any further."""
        self._normal.add(self._normalizer.flush())
        self._whole.close()
        self.facts.num_lines.append(0)

    def flush(self) -> None:
        """Count what is held back, and look for places of what is suspicious."""
        held = "".join(text for _, _, text in self._held)
        found = np.bincount(code_points(code_bytes(held)))
        self.facts.raw[: len(found)] += found
        self.facts.nfc = self._normal.total()
        codes = np.flatnonzero(found)
        for code in codes[self._suspicious[codes]].tolist():
            if code not in self.facts.places:
                self.facts.places[code] = self._place_of(chr(code))
        if np.isin(_MOJIBAKE_LEADS, codes).any():
            self._look_for_mojibake()
        self._held, self._num_held = [], 0

    def _place_of(self, character: str) -> Place:
        for name, line, text in self._held:
            at = text.find(character)
            if at >= 0:
                return Place(name, line + text.count("\n", 0, at))
        raise AssertionError("it was counted, so it is here")

    def _look_for_mojibake(self) -> None:
        facts = self.facts
        for name, line, text in self._held:
            for match in _MOJIBAKE.finditer(text):
                if not is_mojibake(match[0]):
                    continue
                if facts.mojibake_place is None:
                    before = text.count("\n", 0, match.start())
                    facts.mojibake_place = Place(name, line + before)
                facts.mojibake[match[0]] += 1


def is_mojibake(text: str) -> bool:
    """Whether a text is UTF-8 that was read as something else.

    >>> is_mojibake("Ã©"), is_mojibake("é")
    (True, False)
    """
    return mended(text) is not None


def mended(text: str) -> str | None:
    """What stood there before it was read in the wrong encoding, or None.

    >>> mended("Ã©")
    'é'
    """
    for encoding in ("cp1252", "latin-1"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return None
