"""Words for a person: numbers, names and lists in messages, and lines on stderr.

stdout is for results alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

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


def shown(value: object, most: int = 80) -> str:
    r"""A value as a message shows it: quoted, on one line, not long.

    Nothing in it can control a terminal, whoever wrote it.

    >>> shown("a\x1b[2J"), shown([1] * 100, most=9)
    ("'a\\x1b[2J'", '[1, 1,...')
    """
    # Of a long text only the beginning is quoted, which takes no time.
    try:
        text = repr(value[:most] if isinstance(value, str) else value)
    except ValueError:
        # Python prints no number of thousands of digits.
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def count_of(number: int, noun: str) -> str:
    """A number and what there are so many of.

    >>> count_of(1, "file"), count_of(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def percent(part: float, whole: float) -> str:
    """A share as a person reads it; never 0 for something, nor 100 for less than all.

    >>> percent(1, 3), percent(1, 10**6), percent(999_999, 10**6), percent(0, 5)
    ('33.33%', 'less than 0.01%', 'more than 99.99%', '0%')
    """
    share = part / whole if whole else 0.0
    if share in (0, 1):
        return f"{share:.0%}"
    if share < 0.0001:
        return "less than 0.01%"
    return "more than 99.99%" if share > 0.9999 else f"{share:.2%}"


def few(names: Sequence[str]) -> str:
    """The first three names, and how many more there are.

    >>> few("abcde")
    'a, b, c and 2 more'
    """
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def list_of(characters: Sequence[str]) -> str:
    """The first ten characters with their code points, and how many more there are.

    >>> list_of("éa")
    "'é' (U+00E9), 'a' (U+0061)"
    """
    some = ", ".join(named(c) for c in characters[:10])
    return some + (f" and {len(characters) - 10} more" if len(characters) > 10 else "")


def named(character: str) -> str:
    """A character and its code point: `'a' (U+0061)`."""
    return f"{character!r} (U+{ord(character):04X})"
