"""A progress bar for reading files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from textgen.streams import progress_bar
from textgen.text.reading.sources import Source

BAR_SECONDS = 1.0
"""The bar appears only if reading takes longer than this."""


@contextmanager
def reading_bar(
    sources: Sequence[Source], what: str = "", *, wanted: bool = True
) -> Iterator[Callable[[int], object]]:
    """Show on a terminal, or in a notebook, how many bytes have been read.

    Args:
        sources: the files that will be read.
        what: a word in front of the bar.
        wanted: False shows none.

    Yields:
        a function to call after each read with the number of bytes.

    >>> with reading_bar([Source(os.devnull)], wanted=False) as on_bytes:
    ...     _ = on_bytes(100)
    """
    with progress_bar(
        wanted=wanted,
        desc=what or None,
        total=_num_bytes(sources) if wanted else None,
        unit="B",
        unit_scale=True,
        delay=BAR_SECONDS,
    ) as bar:
        yield bar.update


def _num_bytes(sources: Sequence[Source]) -> int | None:
    """How many bytes will be read, if that is known."""
    if any(source.compression for source in sources):
        return None
    try:
        return sum(os.path.getsize(source.path) for source in sources) or None
    except OSError:
        return None  # standard input, or a missing file: its reader will name it
