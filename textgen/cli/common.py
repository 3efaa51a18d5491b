"""Helpers of several commands: finding a checkpoint, writing text and JSON."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import click

from textgen.disk.names import real_path
from textgen.errors import CheckpointError
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


def check_output(name: str | None, *, overwrite: bool) -> None:
    """Refuse a file for the results that must not, or cannot, be written.

    Raises:
        click.UsageError: it exists and `overwrite` is False, or there is no such folder.
    """
    if name is None or name == "-":
        return
    if os.path.exists(name) and not os.path.isfile(name):
        raise click.UsageError(
            f"--output {name}: this is not a regular file. Redirect stdout to it instead: "
            f"> {shlex.quote(name)}"
        )
    if os.path.lexists(name) and not overwrite:
        raise click.UsageError(
            f"--output {name}: this file exists. Add --overwrite to replace it, or name "
            "another."
        )
    folder = os.path.dirname(name)
    if folder and not os.path.isdir(folder):
        raise click.UsageError(
            f"--output {name}: there is no directory {folder}. Create it: mkdir -p "
            f"{shlex.quote(folder)}"
        )


@contextmanager
def results_in(name: str | None) -> Iterator[None]:
    """Let what the body writes to stdout go to a file, and say so on stderr.

    Args:
        name: the file, which is written whole or not at all; None or `-` for stdout.

    Raises:
        CheckpointError: the file cannot be written.
    """
    if name is None or name == "-":
        yield
        return
    from textgen.disk.atomic import new_file

    # A link stays a link: what it points to is replaced.
    place = real_path(name)
    with new_file(place, "Free some space or choose another --output.") as file:
        text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
        with redirect_stdout(text):
            yield
        text.flush()
        text.detach()
    say(f"Wrote {one_line(name)}")


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


def find_with_text(arguments: Sequence[str]) -> tuple[Path, str]:
    """Find the checkpoint of `[CHECKPOINT] TEXT`, and name the text.

    Raises:
        click.UsageError: the two are in the wrong order, or the text is a checkpoint.
    """
    *named, text = arguments
    if not is_text(text) and is_checkpoint(text):
        command = click.get_current_context().command_path
        if named and is_text(named[0]):
            line = f"{command} {shlex.join([text, named[0]])}"
            raise click.UsageError(
                f"{named[0]} is a text and {text} a checkpoint; the checkpoint comes "
                f"first: {line}"
            )
        raise click.UsageError(
            f"{text} is a checkpoint, not a text. Name a text file after it: {command} "
            f"{shlex.quote(text)} TEXT.txt"
        )
    return find(*named), text


_RANGE = re.compile("[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]")


def note_ranges(name: str, characters: str | None, prefix: str = "--") -> None:
    """Say on stderr that a set of characters which looks like one has no ranges.

    Args:
        name: the setting, `allow` or `forbid`.
        prefix: what stands before the name of a setting.
    """
    if not _RANGE.search(characters or ""):
        return
    named = ", ".join(map(repr, dict.fromkeys(characters or "")))
    negated = "^" * (name == "forbid")
    say(
        f"Note: {prefix}{name} has no ranges: these are the characters {one_line(named)}. "
        f"For a range: {prefix}pattern '[{negated}{one_line(characters or '')}]*'"
    )


def is_text(name: str) -> bool:
    """Whether a name leads to a text: stdin, or a file that is no checkpoint."""
    from textgen.checkpoint.single_file import is_single_file

    return name == "-" or (os.path.isfile(name) and not is_single_file(name))


def is_checkpoint(name: str) -> bool:
    """Whether a name leads to a checkpoint or a run."""
    from textgen.checkpoint.runs import find_checkpoint

    try:
        find_checkpoint(name)
    except CheckpointError:
        return False
    return True


def find(checkpoint: str | None = None) -> Path:
    """Find a checkpoint; report on stderr which one is used if the name leaves it open."""
    from textgen.checkpoint.runs import find_checkpoint

    path = find_checkpoint(checkpoint)
    why = ""
    if _is_last(path) and (checkpoint is None or not _is_last(Path(checkpoint))):
        why = ": this run has no best checkpoint, which its first evaluation writes"
    if checkpoint is None or why:
        say(f"Using {one_line(str(path))}{why}")
    return path


def _is_last(path: Path) -> bool:
    return path.name in ("last", ".last.old")
