"""The `textgen` command, one module per subcommand.

Subcommands only translate options into calls. They import modules that need NumPy or
Keras when they run, so that `--help` is fast.
"""

from __future__ import annotations

import click

from textgen.cli.corpus import corpus
from textgen.cli.demo import demo
from textgen.cli.inside.inspect import inspect
from textgen.cli.inside.report import report
from textgen.cli.inside.watch import watch
from textgen.cli.judging.novelty import novelty
from textgen.cli.judging.score import score
from textgen.cli.launch import launch
from textgen.cli.sample import sample
from textgen.cli.serve import serve
from textgen.cli.stored.bases import bases
from textgen.cli.stored.cache import cache
from textgen.cli.stored.export import export
from textgen.cli.stored.info import info
from textgen.cli.stored.runs import runs
from textgen.cli.train import train
from textgen.cli.tune import tune
from textgen.version import __version__


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="For help on a command: textgen train --help",
)
@click.version_option(__version__, prog_name="textgen")
def cli() -> None:
    """Train a character-level model on your own text with Keras; generate more like it.

    \b
    Examples:
      textgen sample english                 write with the bundled model
      textgen train my_book.txt              train; writes checkpoints/my_book/
      textgen launch -n 2 -- train big.txt   train in several processes together
      textgen watch my_book                  follow its training in the browser
      textgen tune my_book.txt --minutes 30  search for better options of training
      textgen sample --prompt "It was "      generate text with the newest checkpoint
      textgen serve my_book                  let other programs use it, as they do OpenAI
      textgen score other_book.txt           measure how well the model predicts a text
      textgen novelty page.txt               measure how much of a text is copied
      textgen inspect my_book                look inside: gates, units, memory
      textgen report my_book                 the same as a page with pictures
      textgen export my_book --format html   a page that writes in any browser
      textgen runs                           list the trained models, newest first
      textgen demo                           train and generate in two minutes
    """


for command in (
    train,
    launch,
    watch,
    tune,
    sample,
    serve,
    score,
    novelty,
    inspect,
    report,
    info,
    export,
    runs,
    bases,
    corpus,
    cache,
    demo,
):
    cli.add_command(command)
