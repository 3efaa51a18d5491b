"""What several commands share: finding a checkpoint, writing a text."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from textgen.console import say


def write_text(pieces: Iterable[str], *, blank_line_after: bool = False) -> None:
    """Stream a text to stdout; it always ends with a line feed."""
    last = ""
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
        last = piece or last
    sys.stdout.write(("" if last.endswith("\n") else "\n") + "\n" * blank_line_after)
    sys.stdout.flush()


def find(checkpoint: str | None = None) -> Path:
    """Find a checkpoint; name it on stderr when nobody did."""
    from textgen.run_directory import find_checkpoint

    path = find_checkpoint(checkpoint)
    if checkpoint is None:
        say(f"Using {path}")
    return path
