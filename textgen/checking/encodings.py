"""What the bytes of a file show before they become text: faults and encoding."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from textgen.errors import TextgenError
from textgen.text.reading.decoding import WrongByteError

# Bytes before and after a invalid byte that the guess is based on.
_BEFORE, _AFTER = 1 << 15, 1 << 17
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


# --- faults ---


@dataclass(frozen=True)
class Fault:
    """Why a file cannot be read.

    Args:
        name: of the file, as messages show it.
        message: the error with which training would refuse it.
        guess: its likely encoding, if its bytes are the reason.
        place: the invalid byte and its position, or nothing.
    """

    name: str
    message: str
    guess: Guess | None = None
    place: str = ""


def fault_of(error: TextgenError, name: str, start: bytes, encoding: str) -> Fault:
    """Explain an error that ended the reading of a file.

    Args:
        name: of the file, as messages show it.
        start: its first bytes.
        encoding: the one it was read with.
    """
    message = str(error)
    if not isinstance(error, WrongByteError):
        return Fault(name, message)
    sample = _sample(error)
    guess = guess_encoding(start, sample, encoding)
    if error.line is not None:
        byte = f"byte 0x{error.data[error.index]:02x}"
        place = f"{byte} at offset {error.offset:,}, line {error.line:,}"
        return Fault(name, message, guess, place)
    if guess is not None:
        return Fault(name, message, guess, "it has NUL bytes")
    # A text with a few stray NUL bytes, or no text at all.
    is_text = sample.decode("utf-8", "replace").count("\ufffd") < 4
    return Fault(name, message, None, f"a NUL byte at offset {error.offset:,}" * is_text)


def _sample(error: WrongByteError) -> bytes:
    data, index = error.data, error.index
    # A multiple of four, so that no character of UTF-16 or UTF-32 is cut.
    start = max(0, index - _BEFORE) // 4 * 4
    before, after = data[start:index], data[index : index + _AFTER]
    if b"\0" not in data:
        # Whole lines, so that no character of any other encoding is cut.
        before = before.partition(b"\n")[2] if start and b"\n" in before else before
        after = after.rpartition(b"\n")[0] or after
    return before + after
