"""The likely encoding of bytes that cannot be decoded, and what to do about it."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from textgen.errors import CorpusError

# Bytes before and after an invalid byte that the guess is based on.
_BEFORE, _AFTER = 1 << 15, 1 << 17
_START_BYTES = 4
_MARKS = (
    # The mark of UTF-32 begins with that of UTF-16.
    ("utf-32", (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
    ("utf-16", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
    ("utf-8", (codecs.BOM_UTF8,)),
)
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
# The more common come first: many Western texts decode equally well in several of them.
_NARROW = (
    *("cp1252", "cp1251", "koi8-r", "cp1250", "iso8859-2", "cp1253", "cp1254", "cp1255"),
    *("cp1256", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "mac-roman"),
)


class Guess(NamedTuple):
    """A likely encoding.

    Args:
        encoding: a value for `--encoding`; None for UTF-8 with a few invalid bytes.
        reason: evidence for it in a few words; may be empty.
        num_wrong: invalid UTF-8 bytes in the sample.
    """

    encoding: str | None
    reason: str = ""
    num_wrong: int = 0


def guess_encoding(start: bytes, sample: bytes, tried: str) -> Guess | None:
    r"""The likely encoding of a file that is not `tried`, or None.

    Args:
        start: the first bytes of the file.
        sample: a part of it that includes the invalid byte; whole lines, if possible.
        tried: an encoding that Python knows.

    >>> guess_encoding(b"caf\xe9 noir", b"caf\xe9 noir", "utf-8").encoding
    'cp1252'
    """
    for encoding, marks in _MARKS:
        if start.startswith(marks) and not _is(tried, encoding):
            return Guess(encoding, f"it starts with the byte order mark of {encoding}")
    if b"\0" in sample:
        return _most_readable(sample, _WIDE, tried)
    # A sample may end inside a character, which is not counted.
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample)
    num_wrong = sum("\udc80" <= c <= "\udcff" for c in text)
    num_right = len(text.encode("utf-8", "ignore")) - sum(c < "\x80" for c in text)
    if not num_wrong and not _is(tried, "utf-8"):
        return Guess("utf-8", "all of it is valid UTF-8")
    if _is(tried, "utf-8") and num_right > 8 * num_wrong:
        return Guess(None, num_wrong=num_wrong)
    # Only these lines differ between the encodings.
    telling = b"\n".join(line for line in sample.split(b"\n") if not line.isascii())
    return _most_readable(telling, _NARROW, tried)


def _most_readable(sample: bytes, encodings: Iterable[str], tried: str) -> Guess | None:
    # Imported late: few files need it.
    from charset_normalizer import from_bytes

    # By the names that the library gives them.
    own_names = {e.replace("-", "_"): e for e in encodings if not _is(tried, e)}
    found = from_bytes(
        sample,
        cp_isolation=list(own_names),
        preemptive_behaviour=False,
        enable_fallback=False,
    )
    matches = {m.encoding: m for match in found for m in (match, *match.submatch)}
    # Left to itself, the library takes the first in alphabetical order among equals.
    ranked = sorted(
        (matches[name].chaos, -matches[name].coherence, rank, own)
        for rank, (name, own) in enumerate(own_names.items())
        if name in matches
    )
    return Guess(ranked[0][-1]) if ranked else None


def _is(encoding: str, other: str) -> bool:
    own = codecs.lookup(encoding).name.removesuffix("-sig")
    # `utf-16` has a mark and stands for both byte orders.
    return own == codecs.lookup(other).name or other.startswith(f"{own}-")


class Surroundings:
    r"""Hands on the bytes of a file, and keeps those around an invalid one for a guess.

    Args:
        pieces: the bytes of a file, however they are cut.

    Attributes:
        start: the first bytes of the file.

    >>> around = Surroundings([b"one ", b"caf", b"\xe9 ", b"noir"])
    >>> next(iter(around)), around.sample(7)
    (b'one ', b'one caf\xe9 noir')
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.start = b""
        self._pieces = iter(pieces)
        self._kept = b""
        self._num_dropped = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if len(self.start) < _START_BYTES:
                self.start = (self.start + piece)[:_START_BYTES]
            # The decoder may still hold the beginning of a character.
            self._drop(len(self._kept) - 2 * _BEFORE)
            self._kept += piece
            yield piece

    def sample(self, offset: int) -> bytes:
        """Bytes around a place; reads on for as many as the guess needs.

        The sample does not depend on how the bytes are cut into pieces.
        """
        # What comes after only helps the guess, so that a fault in it does not matter.
        with suppress(CorpusError):
            for piece in self._pieces:
                self._kept += piece
                if self._num_dropped + len(self._kept) >= offset + _AFTER:
                    break
        # A multiple of four, so that no character of UTF-16 or UTF-32 is cut.
        first = max(self._num_dropped, max(0, offset - _BEFORE) // 4 * 4)
        self._drop(first - self._num_dropped)
        index = max(0, offset - first)
        return _whole_lines(self._kept[:index], self._kept[index : index + _AFTER], first)

    def _drop(self, num_bytes: int) -> None:
        if num_bytes > 0:
            self._kept = self._kept[num_bytes:]
            self._num_dropped += num_bytes


def _whole_lines(before: bytes, after: bytes, first: int) -> bytes:
    """The bytes without the lines that are cut, and with them characters that are."""
    if b"\0" not in before + after:
        before = before.partition(b"\n")[2] if first and b"\n" in before else before
        after = after.rpartition(b"\n")[0] or after
    return before + after


def advice_on(encoding: str, tried: str) -> str:
    """What to do about a file that seems to have another encoding.

    >>> advice_on("cp1252", "utf-8"), advice_on("utf-8", "cp1252")
    ("Add `encoding='cp1252'`.", "Leave out `encoding='cp1252'`.")
    >>> advice_on("koi8-r", "cp1252")
    "Use `encoding='koi8-r'`."
    """
    if encoding == "utf-8":
        return f"Leave out `encoding={tried!r}`."
    return f"{'Add' if _is(tried, 'utf-8') else 'Use'} `encoding={encoding!r}`."
