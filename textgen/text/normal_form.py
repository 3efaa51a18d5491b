"""Unicode normal forms: one spelling for characters that have several."""

from __future__ import annotations

import unicodedata

NORMAL_FORMS = ("none", "nfc", "nfkc")


def normalize_text(text: str, form: str) -> str:
    """Bring text into a Unicode normal form: "none" (as it is), "nfc" or "nfkc".

    >>> normalize_text("e\\u0301", "nfc")
    'é'
    """
    if form == "none" or text.isascii():
        return text
    return unicodedata.normalize("NFC" if form == "nfc" else "NFKC", text)
