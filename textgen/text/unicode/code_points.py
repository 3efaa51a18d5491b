"""Text as arrays of code points, and how often each occurs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from textgen.text.unicode.normal_form import normalize_text

NUM_CODE_POINTS = 0x110000
BATCH_CHARS = 1 << 18
"""How much text is handed to NumPy at once: calls are seldom, a core's cache holds it."""
_UTF32 = "utf-32-le"


def code_bytes(text: str) -> bytes:
    """Four bytes for each character, of a lone surrogate, too."""
    return text.encode(_UTF32, "surrogatepass")


def code_points(data: bytes) -> np.ndarray:
    """`(num_chars,)` the code points in what `code_bytes` gave."""
    return np.frombuffer(data, "<u4")


def characters_of(codes: np.ndarray) -> str:
    """The text of `(num_chars,)` code points.

    >>> characters_of(np.array([233, 33]))
    'é!'
    """
    return codes.astype("<u4").tobytes().decode(_UTF32, "surrogatepass")


class CodePointCounts:
    """Counts how often each code point occurs in texts that come one by one.

    >>> counts = CodePointCounts()
    >>> counts.add("banana")
    >>> int(counts.total()[ord("a")])
    3
    """

    def __init__(self) -> None:
        self._counts = np.zeros(NUM_CODE_POINTS, np.int64)
        self._held: list[str] = []
        self._num_held = 0

    def add(self, text: str) -> None:
        """Count one more text."""
        self._held.append(text)
        self._num_held += len(text)
        if self._num_held >= BATCH_CHARS:
            self._flush()

    def total(self) -> np.ndarray:
        """`(NUM_CODE_POINTS,)` int64: the counts so far."""
        self._flush()
        return self._counts

    def _flush(self) -> None:
        text, self._held, self._num_held = "".join(self._held), [], 0
        for start in range(0, len(text), BATCH_CHARS):
            codes = code_points(code_bytes(text[start : start + BATCH_CHARS]))
            found = np.bincount(codes)
            self._counts[: len(found)] += found


def count_code_points(texts: Iterable[str], form: str) -> np.ndarray:
    """Count the code points of texts in a normal form; see `CodePointCounts`."""
    counts = CodePointCounts()
    for text in texts:
        counts.add(normalize_text(text, form))
    return counts.total()


def surrogates(text: str) -> list[str]:
    r"""The halves of characters in a text, each once, in order of appearance.

    >>> surrogates("a\udce9b")
    ['\udce9']
    """
    return [c for c in dict.fromkeys(text) if "\ud800" <= c <= "\udfff"]
