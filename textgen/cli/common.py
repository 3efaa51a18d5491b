"""Helpers of several commands: finding a checkpoint, writing text and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from textgen.wording import MARKS, one_line, say, visible


def write_text(
    pieces: Iterable[str], *, blank_line_after: bool = False, styled: bool = False
) -> None:
    """Stream a text to stdout, and end it with a line feed.

    On a terminal, control characters are shown as escapes, since the terminal would obey
    them. Anywhere else the text is exact.

    Args:
        styled: the text is already safe for a terminal, and has colours.
    """
    last = ""
    is_shown = sys.stdout.isatty() and not styled
    for piece in pieces:
        sys.stdout.write(visible(piece) if is_shown else piece)
        sys.stdout.flush()
        last = piece or last
    sys.stdout.write(("" if last.endswith("\n") else "\n") + "\n" * blank_line_after)
    sys.stdout.flush()


def write_json(data: object) -> None:
    """Print data as a line of JSON."""
    sys.stdout.write(fit_to_show(json.dumps(data, ensure_ascii=False)) + "\n")
    sys.stdout.flush()


def fit_to_show(line: str) -> str:
    """The same JSON; if stdout is a terminal, with escapes for what it would obey."""
    if sys.stdout.isatty():
        # JSON already escapes the control characters below these.
        controls = (*range(0x7F, 0xA0), *MARKS)
        line = line.translate({code: f"\\u{code:04x}" for code in controls})
    return line


def find(checkpoint: str | None = None) -> Path:
    """Find a checkpoint; without a name, report on stderr which one is used."""
    from textgen.checkpoint.runs import find_checkpoint

    path = find_checkpoint(checkpoint)
    if checkpoint is None:
        say(f"Using {one_line(str(path))}")
    return path
