"""Unicode normal forms, for a whole text or piece by piece."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Literal

from textgen.config.arguments import one_text
from textgen.errors import ConfigError

NORMAL_FORMS = ("none", "nfc", "nfkc")
_ASCII = re.compile("[\\x00-\\x7f]")
_PART_CHARS = 16_384
# Real text never has this many marks on one character; hostile text may have a million.
_LONG_RUN = 128


def normalize_text(text: str, form: str) -> str:
    """Convert text to a Unicode normal form: "none" (unchanged), "nfc" or "nfkc".

    Every text that is encoded passes through here, so a value that is not a text is
    refused here.

    Raises:
        ConfigError: `text` is not a `str`.

    >>> normalize_text("e\\u0301", "nfc")
    'é'
    """
    if not isinstance(text, str):
        one_text("text", text)
    if form == "none" or text.isascii():
        return text
    return "".join(_normalized(part, form) for part in _parts(text))


def _parts(text: str) -> Iterator[str]:
    """Split text into parts that can be normalised independently.

    If any character must change, `unicodedata` processes the whole string, ten times as
    slowly as a string that turns out to be normalised already.
    """
    start = 0
    while start < len(text):
        # An ASCII character never combines with the one before it.
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
    """Whether the text may contain `2 * _LONG_RUN` marks in a row.

    Python sorts the marks on one character in quadratic time: two minutes for a megabyte.
    """
    # Such a run covers one of these pieces; most checks end at the first character.
    pieces = (text[i : i + _LONG_RUN] for i in range(0, len(text), _LONG_RUN))
    return any(len(p) == _LONG_RUN and all(map(_is_mark, p)) for p in pieces)


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    # Some characters become marks only when decomposed.
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) > 0


def _decomposed(text: str, form: Literal["NFD", "NFKD"]) -> str:
    """Convert text to NFD or NFKD as the standard defines it: decompose, sort the marks."""
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


class PieceNormalizer:
    r"""Normalises a text that arrives in pieces; the result equals that for the whole text.

    A combining mark changes the character before it, so the end of each piece, from its
    last boundary on, is held until the next piece arrives.

    Args:
        form: "none", "nfc" or "nfkc".

    Attributes:
        is_changed: whether the text so far differs from its normal form.

    Raises:
        ConfigError: an unknown form.

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
        self._pending: list[str] = []

    def feed(self, text: str) -> str:
        """Add a piece; returns the text that later pieces can no longer change."""
        if self.form == "none":
            return text
        cut = self._last_start(text)
        if cut is None:
            self._pending.append(text)
            return ""
        ready = "".join([*self._pending, text[:cut]])
        self._pending = [text[cut:]]
        return self._normalized(ready)

    def flush(self) -> str:
        """End the text; returns the rest. The next piece then begins a new text."""
        rest, self._pending = "".join(self._pending), []
        return self._normalized(rest)

    def normalize(self, pieces: Iterable[str]) -> Iterator[str]:
        """Normalise a whole text that arrives in pieces."""
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
        positions = range(len(text) - 1, -1, -1)
        return next((i for i in positions if is_boundary(text[i], self.form)), None)


@cache
def is_boundary(character: str, form: str) -> bool:
    r"""Whether text can be split before a character without changing its normal form.

    This holds if the decomposition of the character starts with a starter (combining
    class 0) that never composes with a preceding character (Unicode Standard Annex 15,
    "Stream-Safe Text" and "Concatenation").

    Args:
        form: "nfc" or "nfkc".

    >>> [is_boundary(c, "nfc") for c in ("e", "é", "\u0301", "가", "\u1161")]
    [True, True, False, True, False]
    """
    if character.isascii():
        return True
    first = unicodedata.normalize("NFD" if form == "nfc" else "NFKD", character)[0]
    return not unicodedata.combining(first) and first not in _composing_starters()


@cache
def _composing_starters() -> frozenset[str]:
    """Characters that can compose with the one before them, in Python's Unicode version."""
    # Hangul vowels and final consonants compose by a rule, not by a table.
    found = set(map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))))
    # Beyond the first two planes there are only ideographs, which never compose.
    for code in range(0x20000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(chr(int(parts[1], 16)))
    return frozenset(found)
