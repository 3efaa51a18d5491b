"""Convert text to arrays of code points, and count them."""

from __future__ import annotations

import numpy as np

NUM_CODE_POINTS = 0x110000
SEPARATOR = "\ufdd0"
"""Stands between the prompt and the completion of a record.

One of Unicode's noncharacters, which are for use inside a program and never part of a text;
normal forms leave it and its neighbours as they are.
"""
BATCH_CHARS = 1 << 18
"""Characters per NumPy call: few calls, yet small enough for the CPU cache."""
_UTF32 = "utf-32-le"


def code_bytes(text: str) -> bytes:
    """Encode text in UTF-32, four bytes per character; lone surrogates are allowed."""
    return text.encode(_UTF32, "surrogatepass")


def code_points(data: bytes) -> np.ndarray:
    """`(num_chars,)` code points from the result of `code_bytes`."""
    return np.frombuffer(data, "<u4")


def characters_of(codes: np.ndarray) -> str:
    """Convert `(num_chars,)` code points to text.

    >>> characters_of(np.array([233, 33]))
    'é!'
    """
    return codes.astype("<u4").tobytes().decode(_UTF32, "surrogatepass")


class CodePointCounts:
    """Counts the code points of texts that are added one by one.

    >>> counts = CodePointCounts()
    >>> counts.add("banana")
    >>> int(counts.total()[ord("a")])
    3
    """

    def __init__(self) -> None:
        self._counts = np.zeros(NUM_CODE_POINTS, np.int64)
        self._pending: list[str] = []
        self._num_pending = 0

    def add(self, text: str) -> None:
        """Add a text."""
        self._pending.append(text)
        self._num_pending += len(text)
        if self._num_pending >= BATCH_CHARS:
            self._flush()

    def total(self) -> np.ndarray:
        """`(NUM_CODE_POINTS,)` int64 counts so far."""
        self._flush()
        return self._counts

    def _flush(self) -> None:
        text, self._pending, self._num_pending = "".join(self._pending), [], 0
        for start in range(0, len(text), BATCH_CHARS):
            codes = code_points(code_bytes(text[start : start + BATCH_CHARS]))
            found = np.bincount(codes)
            self._counts[: len(found)] += found


def surrogates(text: str) -> list[str]:
    r"""The lone surrogates of a text, each once, in order of appearance.

    Encodings of text cannot represent them; they come from decoding with the wrong
    encoding or from escapes in JSON.

    >>> surrogates("a\udce9b")
    ['\udce9']
    """
    return [c for c in dict.fromkeys(text) if "\ud800" <= c <= "\udfff"]
