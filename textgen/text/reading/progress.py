"""A bar on a terminal for readings that take long."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from textgen.text.reading.sources import decompressed_name

BAR_SECONDS = 1.0
"""A bar comes into view only when reading takes longer."""


@contextmanager
def reading_bar(
    names: Sequence[str], what: str = "", *, wanted: bool = True
) -> Iterator[Callable[[int], object]]:
    """A bar on stderr, where that is a terminal, which counts the bytes that are read.

    Args:
        names: of the files that will be read.
        what: a word in front of the bar.
        wanted: False shows none.

    Yields:
        what is to be told how many bytes were read each time.

    >>> with reading_bar([os.devnull], wanted=False) as on_bytes:
    ...     _ = on_bytes(100)
    """
    from tqdm import tqdm

    is_shown = wanted and sys.stderr.isatty()
    with tqdm(
        desc=what or None,
        total=_num_bytes(names) if is_shown else None,
        unit="B",
        unit_scale=True,
        delay=BAR_SECONDS,
        leave=False,
        disable=not is_shown,
    ) as bar:
        yield bar.update


def _num_bytes(names: Sequence[str]) -> int | None:
    """How much will be read, where that can be known."""
    if any(decompressed_name(name) != name for name in names):
        return None
    try:
        return sum(map(os.path.getsize, names)) or None
    except OSError:
        return None  # standard input, or a file that is gone: its reader will say so
