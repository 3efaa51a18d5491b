"""Words for a person. They go to stderr: stdout is for results alone."""

from __future__ import annotations

import sys

# C0, DEL and C1; a terminal obeys each of them, and line feeds and tabs may stand.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
# These turn the order of what follows around, or begin a line.
MARKS = (0x200E, 0x200F, 0x061C, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\x{code:02x}" for code in _CONTROLS if chr(code) not in "\n\t"}
_ONE_LINE = {
    **_ESCAPES,
    **{code: f"\\u{code:04x}" for code in MARKS},
    ord("\n"): "\\n",
    ord("\t"): "\\t",
}


def say(line: str, *, styled: bool = False) -> None:
    """Print one line on stderr.

    Args:
        styled: it has colours of ours, and nothing that others wrote.
    """
    print(line if styled else visible(line), file=sys.stderr, flush=True)


def visible(text: str) -> str:
    r"""The text with its control characters as escapes, except line feeds and tabs.

    >>> print(visible("a\x1b[2J\tb\x9b"))
    a\x1b[2J    b\x9b
    """
    return text if text.isprintable() else text.translate(_ESCAPES)


def one_line(text: str) -> str:
    r"""The same on one line, and in the order in which it was written.

    >>> print(one_line("a\nb\u202ec"))
    a\nb\u202ec
    """
    return text if text.isprintable() else text.translate(_ONE_LINE)


def clock_time(seconds: float) -> str:
    """A span of time as a person reads it.

    >>> clock_time(83), clock_time(3700)
    ('1:23', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
