"""`textgen runs`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textgen.cli.common import write_json
from textgen.wording import count_of, one_line, say

if TYPE_CHECKING:
    from textgen.checkpoint.listing import RunSummary

HEADINGS = ("run", "bits/char", "parameters", "age", "text")
MAX_NAME = 40
"""Characters of a name that are shown; `--json` has all."""


@click.command()
@click.argument("folder", default="checkpoints")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def runs(folder: str, as_json: bool) -> None:
    """List the runs in FOLDER, by default checkpoints/, newest first.

    Shows the score on held-out text in bits per character, the number of parameters, how
    long ago the run was last saved, and the text that it was trained on.

    \b
    Examples:
      textgen runs
      textgen runs /scratch/experiments --json
      textgen runs --json | jq -r 'sort_by(.bits_per_char)[0].name'
    """
    from textgen.checkpoint.listing import list_runs
    from textgen.checkpoint.runs import RUNS

    place = Path(folder)
    # Before the first training there is no such folder, which is no mistake.
    found = list_runs(place) if place != RUNS or place.exists() else []
    if as_json:
        write_json([_data(run) for run in found])
        return
    for line in _table(found, time.time()):
        click.echo(line)
    if not found:
        say(f"No runs in {one_line(folder)}. Train one: textgen train YOUR_TEXT.txt")


def _data(run: RunSummary) -> dict[str, object]:
    data = asdict(run)
    written_at = datetime.fromtimestamp(data.pop("written_at"), UTC)
    return {**data, "written_at": written_at.isoformat(timespec="seconds")}


def _table(found: Sequence[RunSummary], now: float) -> Iterator[str]:
    """The lines of a table whose columns are as wide as they must be."""
    if not found:
        return
    rows = [HEADINGS, *(_row(run, now) for run in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, *numbers, text in rows:
        cells = [f"{cell:>{w}}" for cell, w in zip(numbers, widths[1:], strict=True)]
        yield "  ".join([f"{name:{widths[0]}}", *cells, text])


def _row(run: RunSummary, now: float) -> tuple[str, str, str, str, str]:
    bits, size = run.bits_per_char, run.num_parameters
    return (
        _short(run.name),
        "-" if bits is None else f"{bits:.3f}",
        "-" if size is None else f"{size:,}",
        age(now - run.written_at),
        one_line(run.fault) if run.fault else _text(run),
    )


def _text(run: RunSummary) -> str:
    if not run.sources:
        return "-"
    others = (run.num_files or 1) - 1
    more = f" and {count_of(others, 'other file')}" if others > 0 else ""
    return f"{_short(run.sources[0])}{more}"


def _short(name: str) -> str:
    name = one_line(name)
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."


def age(seconds: float) -> str:
    """How long ago something was, in its largest whole unit.

    >>> age(5), age(3 * 3600 + 5), age(400 * 86_400), age(-9)
    ('5 s', '3 h', '400 d', '0 s')
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
