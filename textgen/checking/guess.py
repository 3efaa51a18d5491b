"""How a file that is not what it should be is encoded, as far as its bytes tell."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

_MARKS = (
    # The mark of UTF-32 begins with that of UTF-16.
    ("utf-32", (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
    ("utf-16", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
    ("utf-8", (codecs.BOM_UTF8,)),
)
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
# Encodings by what most of a text in them is, when it is read rightly.
_TELLING = (
    ("cp1251", re.compile("[\u0430-\u045f]"), 0.85),
    ("koi8-r", re.compile("[\u0430-\u045f]"), 0.85),
    ("shift_jis", re.compile("[\u3040-\u30ff]"), 0.3),
    ("euc_jp", re.compile("[\u3040-\u30ff]"), 0.3),
    ("euc_kr", re.compile("[\uac00-\ud7a3]"), 0.95),
)
_CHINESE = ("gb18030", "big5")
_HIGH = re.compile(rb"[\x80-\xff]+")
_ESCAPED = re.compile("[\udc80-\udcff]")
# The share of a text that can be printed, or is white space.
_PRINTABLE = 0.97


class Guess(NamedTuple):
    """An encoding that fits, and what speaks for it.

    Args:
        encoding: what `--encoding` takes; None where a text in the right encoding has
            a few wrong bytes.
        reason: the end of "it looks like ... ".
        num_wrong: bytes that are no UTF-8 in what was looked at.
        is_sure: whether the bytes leave little doubt.
    """

    encoding: str | None
    reason: str
    num_wrong: int = 0
    is_sure: bool = True


def guess_encoding(start: bytes, sample: bytes, tried: str) -> Guess | None:
    r"""How a file seems to be encoded that is not `tried`.

    Args:
        start: the file's first bytes.
        sample: a part of it with the place that is wrong.
        tried: an encoding that Python knows.

    >>> guess_encoding(b"caf\xe9 noir", b"caf\xe9 noir", "utf-8").encoding
    'cp1252'
    """
    for encoding, marks in _MARKS:
        if start.startswith(marks) and not _is(tried, encoding):
            return Guess(encoding, f"it starts with the byte order mark of {encoding}")
    if b"\0" in sample:
        return _guess_wide(sample, tried)
    text = sample.decode("utf-8", "surrogateescape")
    num_wrong = _num_wrong(text)
    num_good = len(text.encode("utf-8", "ignore")) - sum(c < "\x80" for c in text)
    if not num_wrong and not _is(tried, "utf-8"):
        return Guess("utf-8", "all of it is valid UTF-8")
    if _is(tried, "utf-8") and num_good > 8 * num_wrong:
        return Guess(None, "damaged UTF-8", num_wrong)
    return _guess_narrow(sample, tried, num_wrong)


def _guess_wide(sample: bytes, tried: str) -> Guess | None:
    """UTF-16 or UTF-32 without a mark, where the sample has such an order."""
    if _has_strays(sample):
        return None
    found = []
    for encoding in _WIDE:
        whole = sample[: len(sample) // 4 * 4]
        text = whole.decode(encoding, "replace")
        text = text[:4000]
        share = _share_printable(text)
        # In the wrong order a space or a line feed becomes a rare character.
        common = sum(c < "\x80" for c in text)
        if share > _PRINTABLE and common > len(text) / 100 and not _is(tried, encoding):
            found.append((share, common, encoding))
    if not found:
        return None
    best = max(found)[2]
    return Guess(best, "its NUL bytes stand as in that encoding, which has no mark here")


def _has_strays(sample: bytes) -> bool:
    """Whether it is a text of single bytes that has a NUL byte here and there.

    Pairs of its letters would make Chinese ones in UTF-16.
    """
    if sample.count(0) > len(sample) / 8:
        return False
    text = sample.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    return not _num_wrong(text) and _share_printable(text[:4000]) > _PRINTABLE


def _share_printable(text: str) -> float:
    return sum(c.isprintable() or c in "\n\r\t" for c in text) / max(1, len(text))


def _guess_narrow(sample: bytes, tried: str, num_wrong: int) -> Guess | None:
    runs = [len(run) for run in _HIGH.findall(sample)]
    lonely = sum(length == 1 for length in runs)
    if lonely > len(runs) / 2:
        return _guess_western(sample, tried, num_wrong)
    for encoding, usual, share in _TELLING:
        letters = [c for c in _decoded(sample, encoding) if c > "\x7f" and c.isalpha()]
        num_usual = len(usual.findall("".join(letters)))
        # Koi8-r read as cp1251 has capitals for small letters.
        if num_usual > share * len(letters) and not _is(tried, encoding):
            return Guess(encoding, "its bytes make ordinary letters there", num_wrong)
    fits = [e for e in _CHINESE if _decoded(sample, e) and not _is(tried, e)]
    if not fits:
        return _guess_western(sample, tried, num_wrong)
    others = f", and in {fits[1]}, too" if fits[1:] else ""
    return Guess(fits[0], f"its bytes are valid there{others}", num_wrong, is_sure=False)


def _guess_western(sample: bytes, tried: str, num_wrong: int) -> Guess | None:
    for encoding in ("cp1252", "latin-1"):
        if not _is(tried, encoding) and _decoded(sample, encoding):
            return Guess(encoding, "single bytes stand for accented letters", num_wrong)
    return None


def _decoded(sample: bytes, encoding: str) -> str:
    """The text, or nothing where it is not in this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    # A sample may end within a character, which is forgiven.
    try:
        return decoder.decode(sample)
    except UnicodeDecodeError:
        return ""


def _num_wrong(text: str) -> int:
    # The sample may be cut within a character at both ends: three bytes at most.
    edges = 3
    return sum(
        edges <= match.start() < max(len(text) - edges, edges) or len(text) < 64
        for match in _ESCAPED.finditer(text)
    )


def _is(encoding: str, other: str) -> bool:
    own = codecs.lookup(encoding).name.removesuffix("-sig")
    # `utf-16` has a mark and stands for both orders.
    return own == codecs.lookup(other).name or other.startswith(f"{own}-")
