"""Unicode normal forms: one spelling for characters that have several."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

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
