"""`textgen demo`."""

from __future__ import annotations

import os
import re
import shlex
import textwrap
from typing import Any

import click

from textgen.cli.common import write_text
from textgen.cli.options import backend_option
from textgen.wording import say


@click.command()
@click.option(
    "--out",
    default="checkpoints/demo",
    metavar="DIR",
    help="Directory of the run.  [default: checkpoints/demo]",
)
@backend_option
def demo(out: str, backend: str) -> None:
    """Train on a small book that comes with the package, and generate a page.

    Takes about a minute, two on a slow machine. The run in --out is replaced each time.
    """
    from textgen.corpora.bundled import bundled_corpus
    from textgen.generation.generator import Generator
    from textgen.training.backend.noise import as_command
    from textgen.training.train import train as train_on

    book = bundled_corpus("little_harbour.txt")
    say(f"Training on {book.name}, a book of fables written for this package.")
    with as_command():
        run = train_on(
            [book], out, overwrite=True, tune=True, backend=backend, **DEMO_OPTIONS
        )
    say("\nA page by the new model:\n")
    pieces = Generator.load(run).stream("THE ", length=700, seed=1, echo=True)
    write_text([page("".join(pieces))], blank_line_after=True)
    command = os.environ.get("TEXTGEN_COMMAND", "textgen")
    out = shlex.quote(out)
    say("Try next:")
    say(f'  {command} sample {out} --prompt "One evening "')
    say(f"  {command} info {out}")
    say(f"  {command} train YOUR_TEXT.txt")


def page(text: str) -> str:
    """A text up to the end of its last sentence, in lines of at most 72 characters.

    >>> print(page("THE GULL\\nIt flew. It ca"))
    THE GULL
    It flew.
    """
    sentences = re.match(r".*[.!?][\"'\u2019\u201d)]*(?=\s|\Z)", text, re.DOTALL)
    words = text.rpartition(" ")[0] or text
    whole = sentences[0] if sentences else words
    return "\n".join(textwrap.fill(line, 72) for line in whole.split("\n"))


# Limited by time, so that the demo takes as long on a slow machine.
DEMO_OPTIONS: dict[str, Any] = {"max_minutes": 1.4, "eval_every": 50}
