"""The `textgen` command: options become one configuration, one call, one answer.

One file for each command, and nothing is computed in any of them. Modules that need
NumPy or Keras are imported inside the command that needs them, so that `--help`
answers at once.
"""

from __future__ import annotations

import click

from textgen.cli.cache import cache
from textgen.cli.corpus import corpus
from textgen.cli.demo import demo
from textgen.cli.info import info
from textgen.cli.novelty import novelty
from textgen.cli.sample import sample
from textgen.cli.score import score
from textgen.cli.train import train
from textgen.version import __version__


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command explains itself: textgen train --help",
)
@click.version_option(__version__, prog_name="textgen")
def cli() -> None:
    """Character-level text generation with Keras: train on your own text, sample at once.

    \b
    Examples:
      textgen train my_book.txt              train; writes checkpoints/my_book/
      textgen sample --prompt "It was "      write with the newest checkpoint
      textgen score other_book.txt           how well the model predicts a text
      textgen novelty page.txt               how much of it is copied
      textgen demo                           all of it in two minutes
    """


for command in (train, sample, score, novelty, info, corpus, cache, demo):
    cli.add_command(command)
