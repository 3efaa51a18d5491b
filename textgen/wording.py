"""The parts of messages (numbers, lists, suggestions), and printing them on stderr.

stdout is reserved for results.
"""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeGuard

from textgen.streams import notes

# C0, DEL and C1: a terminal interprets them.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
# Bidirectional controls, which reorder the text after them, and line separators.
MARKS = (0x200E, 0x200F, 0x061C, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\x{code:02x}" for code in _CONTROLS if chr(code) not in "\n\t"}
_ONE_LINE = {
    **_ESCAPES,
    **{code: f"\\u{code:04x}" for code in MARKS},
    ord("\n"): "\\n",
    ord("\t"): "\\t",
}


def say(line: str, *, styled: bool = False) -> None:
    """Print one line on stderr; in a notebook on stdout.

    A line that cannot be written is dropped: a log on a full disk, or a closed pipe, must
    not end a training.

    Args:
        styled: the line contains our own colour codes, so it is printed as it is. It
            must not contain text from users or files.
    """
    with suppress(OSError, ValueError):
        print(line if styled else visible(line), file=notes(), flush=True)


def visible(text: str) -> str:
    r"""Escape the control characters of a text, except line feeds and tabs.

    >>> print(visible("a\x1b[2J\tb\x9b"))
    a\x1b[2J    b\x9b
    """
    return text if text.isprintable() else text.translate(_ESCAPES)


def one_line(text: str) -> str:
    r"""Escape everything that breaks a line or reorders text, as well as controls.

    >>> print(one_line("a\nb\u202ec"))
    a\nb\u202ec
    """
    return text if text.isprintable() else text.translate(_ONE_LINE)


def clock_time(seconds: float) -> str:
    """Format a duration as `m:ss` or `h:mm:ss`.

    >>> clock_time(83), clock_time(3700)
    ('1:23', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def shown(value: object, most: int = 80) -> str:
    r"""Format a value for a message: its `repr`, at most `most` characters long.

    The result is one line and contains no control characters.

    >>> shown("a\x1b[2J"), shown([1] * 100, most=9)
    ("'a\\x1b[2J'", '[1, 1,...')
    """
    # Only the beginning of a long text is quoted, which is fast.
    try:
        text = repr(value[:most] if isinstance(value, str) else value)
    except ValueError:
        # Python refuses to print integers of thousands of digits.
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def count_of(number: float, noun: str) -> str:
    """Format a number with its noun in the singular or plural.

    >>> count_of(1, "file"), count_of(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def size_of(num_bytes: float) -> str:
    """Format a number of bytes as decimal kilobytes or megabytes.

    >>> size_of(12_345_678), size_of(999_949), size_of(300)
    ('12.3 MB', '999.9 kB', '0.3 kB')
    """
    return (
        f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 999_950 else f"{num_bytes / 1e3:.1f} kB"
    )


def percent(part: float, whole: float) -> str:
    """Format a share; only exactly nothing is 0%, and only the whole is 100%.

    >>> percent(1, 3), percent(1, 10**6), percent(999_999, 10**6), percent(0, 5)
    ('33.33%', 'less than 0.01%', 'more than 99.99%', '0%')
    """
    share = part / whole if whole else 0.0
    if share in (0, 1):
        return f"{share:.0%}"
    if share < 0.0001:
        return "less than 0.01%"
    return "more than 99.99%" if share > 0.9999 else f"{share:.2%}"


def few(names: Sequence[str], most: int = 3) -> str:
    """List the first names and count the rest.

    >>> few("abcde")
    'a, b, c and 2 more'
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def few_characters(characters: Sequence[str]) -> str:
    """List the first ten characters with their code points and count the rest.

    >>> few_characters("éa")
    "'é' (U+00E9), 'a' (U+0061)"
    """
    return few([named(character) for character in characters], most=10)


def named(character: str) -> str:
    r"""Format a character with its code point.

    >>> print(named("a"), named("\n"), named("\\"))
    'a' (U+0061) '\n' (U+000A) \ (U+005C)
    """
    # A backslash as Python writes it would read as two.
    shown = character if character == "\\" else repr(character)
    return f"{shown} (U+{ord(character):04X})"


def did_you_mean(
    name: str,
    known: Iterable[str],
    *,
    otherwise: str = "",
    most: int = 1,
    cutoff: float = 0.6,
    show: Callable[[str], str] = repr,
) -> str:
    """Suggest the known names most similar to a mistyped one.

    Args:
        otherwise: the result if no known name is similar enough.
        most: number of suggestions.
        cutoff: similarity that a suggestion needs, from 0 to 1.
        show: formats a suggestion.

    >>> did_you_mean("epoch", ["epochs", "seed"])
    "Did you mean 'epochs'?"
    >>> did_you_mean("top-", ["top-k", "top-p", "top-n"], most=3, show="/{}".format)
    'Did you mean /top-p, /top-n or /top-k?'
    """
    near = difflib.get_close_matches(name, list(known), n=most, cutoff=cutoff)
    *others, last = map(show, near) if near else [""]
    listed = f"{', '.join(others)} or {last}" if others else last
    return f"Did you mean {listed}?" if near else otherwise


def is_whole_number(value: object, least: int = 0) -> TypeGuard[int]:
    """Whether a value is an integer of at least `least`; True and False are not.

    >>> is_whole_number(3), is_whole_number(True), is_whole_number(-1)
    (True, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        return False
    return int(value) >= least


def newer_format(what: str, version: int, newest: int) -> str:
    """The message for a file whose format this version of the package cannot read.

    >>> newer_format("config.json", 2, newest=1)
    'config.json has format_version 2, but this version of textgen reads up to 1. ...'
    """
    return (
        f"{what} has format_version {version}, but this version of textgen reads up to "
        f"{newest}. Upgrade it: pip install --upgrade keras-textgen"
    )


def install_command(extra: str) -> str:
    """What installs the packages of an extra of this package.

    >>> install_command("plot")
    'pip install "keras-textgen[plot]"'
    """
    return f'pip install "keras-textgen[{extra}]"'
