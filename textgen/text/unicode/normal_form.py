"""Unicode normal forms: one spelling for characters that have several."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Literal

from textgen.errors import ConfigError

NORMAL_FORMS = ("none", "nfc", "nfkc")
_ASCII = re.compile("[\\x00-\\x7f]")
_PART_CHARS = 16_384
# No word has so many marks on one character; a hostile text has a million.
_LONG_RUN = 128


def normalize_text(text: str, form: str) -> str:
    """Bring text into a Unicode normal form: "none" (as it is), "nfc" or "nfkc".

    >>> normalize_text("e\\u0301", "nfc")
    'é'
    """
    if form == "none" or text.isascii():
        return text
    return "".join(_normalized(part, form) for part in _parts(text))


def _parts(text: str) -> Iterator[str]:
    """Parts that can be normalised one by one.

    Where a text needs work somewhere, `unicodedata` works on all of it, ten times as long
    as on text that only looks as if it might need some.
    """
    start = 0
    while start < len(text):
        # An ASCII character never joins the one before it.
        found = _ASCII.search(text, start + _PART_CHARS)
        end = found.start() if found else len(text)
        yield text[start:end]
        start = end


def _normalized(text: str, form: str) -> str:
    if text.isascii():
        return text
    if _has_long_run(text):
        text = _decomposed(text, "NFD" if form == "nfc" else "NFKD")
    return unicodedata.normalize("NFC" if form == "nfc" else "NFKC", text)


def _has_long_run(text: str) -> bool:
    """Whether a run of marks may be twice `_LONG_RUN` long.

    Python brings the marks on one character into order in time quadratic in their number:
    two minutes for a megabyte of them.
    """
    # A run of that length covers one of these pieces; most end at their first character.
    pieces = (text[i : i + _LONG_RUN] for i in range(0, len(text), _LONG_RUN))
    return any(len(p) == _LONG_RUN and all(map(_is_mark, p)) for p in pieces)


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    # Some become marks only when they are decomposed.
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) > 0


def _decomposed(text: str, form: Literal["NFD", "NFKD"]) -> str:
    """The text in NFD or NFKD, as the standard defines it: decompose, then sort marks."""
    parts: list[str] = []
    marks: list[str] = []
    for character in text:
        for part in unicodedata.normalize(form, character):
            if unicodedata.combining(part):
                marks.append(part)
            else:
                parts += sorted(marks, key=unicodedata.combining)
                parts.append(part)
                marks.clear()
    return "".join(parts + sorted(marks, key=unicodedata.combining))


# --- normal form ---


class PieceNormalizer:
    r"""Brings a text into a normal form piece by piece, exactly as if it were whole.

    An accent changes the character before it, so a piece's end waits for the next piece,
    from the last character on that nothing before it can change.

    Args:
        form: "none", "nfc" or "nfkc".

    Attributes:
        is_changed: whether the text so far was not in this form.

    Raises:
        ConfigError: another form.

    >>> normalizer = PieceNormalizer("nfc")
    >>> normalizer.feed("cafe"), normalizer.feed("\u0301"), normalizer.flush()
    ('caf', '', 'é')
    """

    def __init__(self, form: str) -> None:
        if form not in NORMAL_FORMS:
            raise ConfigError(
                f"normalize={form!r} must be one of {', '.join(NORMAL_FORMS)}."
            )
        self.form = form
        self.is_changed = False
        self._held: list[str] = []

    def feed(self, text: str) -> str:
        """The part of the text so far that nothing to come can change."""
        if self.form == "none":
            return text
        cut = self._last_start(text)
        if cut is None:
            self._held.append(text)
            return ""
        ready = "".join([*self._held, text[:cut]])
        self._held = [text[cut:]]
        return self._normalized(ready)

    def flush(self) -> str:
        """What is left at the end; the next piece then begins another text."""
        rest, self._held = "".join(self._held), []
        return self._normalized(rest)

    def normalize(self, pieces: Iterable[str]) -> Iterator[str]:
        """A text in normal form, as it becomes known."""
        for piece in pieces:
            if text := self.feed(piece):
                yield text
        if text := self.flush():
            yield text

    def _normalized(self, text: str) -> str:
        done = normalize_text(text, self.form)
        self.is_changed = self.is_changed or done != text
        return done

    def _last_start(self, text: str) -> int | None:
        places = range(len(text) - 1, -1, -1)
        return next((i for i in places if is_boundary(text[i], self.form)), None)


@cache
def is_boundary(character: str, form: str) -> bool:
    r"""Whether a normal form can be cut before a character, whatever stands there.

    So it is where the character, taken apart, begins with one that stays in its place
    (combining class 0) and is no second half of any composition (Unicode Standard Annex
    15, "Stream-Safe Text" and "Concatenation").

    Args:
        form: "nfc" or "nfkc".

    >>> [is_boundary(c, "nfc") for c in ("e", "é", "\u0301", "가", "\u1161")]
    [True, True, False, True, False]
    """
    if character.isascii():
        return True
    first = unicodedata.normalize("NFD" if form == "nfc" else "NFKD", character)[0]
    return not unicodedata.combining(first) and first not in _second_halves()


@cache
def _second_halves() -> frozenset[str]:
    """Characters that can join the one before them, in this Python's Unicode."""
    # Vowels and final consonants of Hangul join by a rule and stand in no table.
    found = set(map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))))
    # Beyond the first two planes there are only ideographs, which take no part.
    for code in range(0x20000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(chr(int(parts[1], 16)))
    return frozenset(found)
