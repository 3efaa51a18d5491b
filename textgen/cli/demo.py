"""`textgen demo`."""

from __future__ import annotations

import os
import shlex
from typing import Any

import click

from textgen.cli.common import write_text
from textgen.wording import say


@click.command()
@click.option(
    "--out",
    default="checkpoints/demo",
    metavar="DIR",
    help="Directory of the run.  [default: checkpoints/demo]",
)
def demo(out: str) -> None:
    """Train on a small book that comes with the package, and generate a page.

    The run in --out is replaced each time.
    """
    from textgen.corpora.bundled import bundled_corpus
    from textgen.generation.generator import Generator
    from textgen.training.train import train as train_on

    book = bundled_corpus("little_harbour.txt")
    say(f"Training on {book.name}, a book of fables written for this package.")
    run = train_on([book], out, overwrite=True, tune=True, **DEMO_OPTIONS)
    say("\nA page by the new model:\n")
    prompt = "THE "
    write_text(
        Generator.load(run).stream(prompt, length=700, temperature=0.6, seed=1, echo=True),
        blank_line_after=True,
    )
    command = os.environ.get("TEXTGEN_COMMAND", "textgen")
    out = shlex.quote(out)
    say("Try next:")
    say(f'  {command} sample {out} --prompt "One evening " --temperature 0.6')
    say(f"  {command} info {out}")
    say(f"  {command} train YOUR_TEXT.txt")


# Limited by time, so that the demo takes as long on a slow machine.
DEMO_OPTIONS: dict[str, Any] = {"max_minutes": 1.4, "eval_every": 150}
