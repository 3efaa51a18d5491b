"""`textgen score --per-char`: surprise as JSON lines, or as colours on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from textgen.generation.scoring.score import Surprise


BLACK = 16
"""Text colour on every background; terminal themes do not change it."""

LEVELS = ((1, None), (2, 230), (4, 222), (6, 215), (8, 209), (float("inf"), 196))
"""Upper bounds in bits and their background colours: none, then yellow to red."""

LEFT_OUT = 250
"""Background of characters that the model could not predict: grey."""


def colours_wanted() -> bool:
    """Whether stdout is a terminal with colours, and NO_COLOR is not set."""
    refused = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not refused


def json_lines(surprises: Iterable[Surprise]) -> Iterator[str]:
    r"""One line of JSON for each character.

    >>> from textgen.generation.scoring.score import Surprise
    >>> lines = json_lines([Surprise("é", 2.5), Surprise("\n", 1.0, ends_document=True)])
    >>> print("".join(lines), end="")
    {"char": "é", "bits": 2.5}
    {"char": "\n", "bits": 1.0, "end_of_document": true}
    """
    for each in surprises:
        values: dict[str, object] = {"char": each.character, "bits": each.bits}
        if each.ends_document:
            values["end_of_document"] = True
        if each.is_unknown:
            values["unknown"] = True
        yield json.dumps(values, ensure_ascii=False) + "\n"


def coloured(surprises: Iterable[Surprise]) -> Iterator[str]:
    r"""The text itself, the background of each character coloured by its bits.

    >>> from textgen.generation.scoring.score import Surprise
    >>> "".join(coloured([Surprise("a", 0.5), Surprise("b", 3), Surprise("\n", 5)]))
    'a\x1b[38;5;16m\x1b[48;5;222mb\x1b[0m\x1b[38;5;16m\x1b[48;5;215m↵\x1b[0m\n'
    """
    # One run of equal colour at a time. Line feeds are not coloured, or the colour would
    # fill the rest of the line.
    for background, run in groupby(surprises, key=_background):
        held = ""
        for each in run:
            held += shown(each, marked=background is not None)
            if each.character == "\n":
                yield _styled(held, background) + "\n"
                held = ""
        if held:
            yield _styled(held, background)


def shown(surprise: Surprise, *, marked: bool) -> str:
    r"""A printable form of a character: a text must not control the terminal.

    Args:
        marked: whether line feeds need a visible sign, because they are coloured.

    >>> from textgen.generation.scoring.score import Surprise
    >>> [shown(Surprise(c, 1.0), marked=True) for c in ("a", "\n", "\t", "\x1b", "\u202e")]
    ['a', '↵', '\t', '\\x1b', '\\u202e']
    """
    character = surprise.character
    if surprise.ends_document:
        return "¶"
    if character == "\n":
        return "↵" if marked else ""
    if character.isprintable() or character == "\t":
        return character
    return character.encode("unicode_escape").decode("ascii")


def legend(*, coloured: bool) -> str:
    """A line that explains the background colours.

    >>> legend(coloured=False)
    'bits: below 1, 1 to 2, 2 to 4, 4 to 6, 6 to 8, 8 and above; not predicted; ¶ end'
    """
    tops = [top for top, _ in LEVELS[:-1]]
    names = [
        f"below {tops[0]}",
        *(f"{low} to {high}" for low, high in pairwise(tops)),
        f"{tops[-1]} and above",
    ]
    backgrounds = (
        [background for _, background in LEVELS] if coloured else [None] * len(LEVELS)
    )
    samples = map(_styled, names, backgrounds)
    left_out = _styled("not predicted", LEFT_OUT if coloured else None)
    return f"bits: {', '.join(samples)}; {left_out}; ¶ end"


def _background(surprise: Surprise) -> int | None:
    if surprise.bits is None:
        return LEFT_OUT
    return next(background for top, background in LEVELS if surprise.bits < top)


def _styled(text: str, background: int | None) -> str:
    if background is None or not text:
        return text
    return click.style(text, fg=BLACK, bg=background)
