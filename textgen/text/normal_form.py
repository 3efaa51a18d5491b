"""Unicode normal forms: one spelling for characters that have several."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

NORMAL_FORMS = ("none", "nfc", "nfkc")
_ASCII = re.compile("[\\x00-\\x7f]")
_PART_CHARS = 4096


def normalize_text(text: str, form: str) -> str:
    """Bring text into a Unicode normal form: "none" (as it is), "nfc" or "nfkc".

    >>> normalize_text("e\\u0301", "nfc")
    'é'
    """
    if form == "none" or text.isascii():
        return text
    name: Literal["NFC", "NFKC"] = "NFC" if form == "nfc" else "NFKC"
    return "".join(unicodedata.normalize(name, part) for part in _parts(text))


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
