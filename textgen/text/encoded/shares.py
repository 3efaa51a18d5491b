"""Cut the files of a corpus into shares that can be read independently of each other.

The documents of all shares, one after the other, are those of the corpus. A file is cut
where reading has nothing to remember: after a newline, which ends a character, a line
ending and a normal form; for paragraphs, after an empty line.
"""

from __future__ import annotations

import codecs
import mmap
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from textgen.config.text import TextConfig
from textgen.text.reading.sources import Source, is_single_use, reading_errors

SHARE_BYTES = 8 << 20
MOST_BYTES = 4 * SHARE_BYTES
"""A worker holds a share in memory, so that a larger one is not made."""

# What is left out, 0xef, begins a byte order mark, which a share would drop.
_AFTER_NEWLINE = re.compile(rb"\n(?=[^\xef])")
_ENDS = {
    "whole": _AFTER_NEWLINE,
    "lines": _AFTER_NEWLINE,
    "paragraphs": re.compile(rb"\n\r?\n(?=[^\xef])"),
}
# In these, the byte of a newline is nothing else.
_ENCODINGS = {"utf-8", "utf-8-sig", "ascii", "iso8859-1", "iso8859-15", "cp1252"}


@dataclass(frozen=True)
class Share:
    """Files that are read together, or a span of one file.

    Args:
        first: position of the first of them among the files of the corpus.
        sources: they follow each other.
        is_last: whether the corpus ends with this share.
    """

    first: int
    sources: tuple[Source, ...]
    is_last: bool = False

    @property
    def is_span(self) -> bool:
        """Whether this is a part of a file."""
        return self.sources[0].span is not None

    @property
    def num_bytes(self) -> int:
        """Bytes on the disk."""
        return sum(map(num_bytes_of, self.sources))


def cut_into_shares(sources: Sequence[Source], text: TextConfig) -> list[Share]:
    """Cut a corpus into shares of about `SHARE_BYTES`, in reading order.

    Args:
        sources: standard input and pipes must be spooled.

    Returns:
        none if the corpus cannot be cut: records may contain newlines and must agree with
        each other, and a share would be larger than `MOST_BYTES`.

    Raises:
        CorpusError: a file cannot be read.
    """
    if text.documents == "records" or any(map(is_single_use, sources)):
        return []
    *shares, last = _shares(sources, text)
    shares.append(replace(last, is_last=True))
    return [] if any(share.num_bytes > MOST_BYTES for share in shares) else shares


def _shares(sources: Sequence[Source], text: TextConfig) -> Iterator[Share]:
    together: list[Source] = []
    num_bytes = 0
    for number, source in enumerate(sources):
        spans = _spans(source, text)
        if len(spans) > 1:
            if together:
                yield Share(number - len(together), tuple(together))
                together, num_bytes = [], 0
            yield from (Share(number, (replace(source, span=span),)) for span in spans)
            continue
        together.append(source)
        ((_, end),) = spans
        num_bytes += end
        if num_bytes >= SHARE_BYTES:
            yield Share(number + 1 - len(together), tuple(together))
            together, num_bytes = [], 0
    if together:
        yield Share(len(sources) - len(together), tuple(together))


def _spans(source: Source, text: TextConfig) -> list[tuple[int, int]]:
    num_bytes = num_bytes_of(source)
    ends = _ENDS.get(text.documents)
    can_cut = codecs.lookup(text.encoding).name in _ENCODINGS and not source.compression
    if ends is None or not can_cut or num_bytes < 2 * SHARE_BYTES:
        return [(0, num_bytes)]
    count = num_bytes // SHARE_BYTES
    with (
        reading_errors(source),
        open(source.path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        wanted = (number * num_bytes // count for number in range(1, count))
        found = (ends.search(data, place) for place in wanted)
        cuts = sorted({0, num_bytes, *(end.end() for end in found if end)})
    return list(pairwise(cuts))


def num_bytes_of(source: Source) -> int:
    """The size of a file, or of the span of it.

    Raises:
        CorpusError: it cannot be read.
    """
    if source.span is not None:
        return source.span[1] - source.span[0]
    with reading_errors(source):
        return os.path.getsize(source.path)
