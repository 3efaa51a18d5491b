"""Words for a person. They go to stderr: stdout is for results alone."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Print one line on stderr."""
    print(line, file=sys.stderr, flush=True)


def clock_time(seconds: float) -> str:
    """A span of time as a person reads it.

    >>> clock_time(83), clock_time(3700)
    ('1:23', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
