"""`textgen corpus list|fetch|check`."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from textgen.cli.common import fit_to_show
from textgen.cli.options import CONFIGS, Command, Option, config_options, given
from textgen.config.fields import from_dict, pick
from textgen.config.model import ModelConfig
from textgen.config.sizes import SIZES
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig

# The options beside those of the text that decide whether there is enough of it.
SIZE_FLAGS = ("num_layers", "units", "batch_size", "seq_length", "seed")


@click.group()
def corpus() -> None:
    """List and download public corpora; check a text before training on it.

    \b
    Examples:
      textgen corpus list
      textgen corpus fetch tinyshakespeare
      textgen corpus check corpora/tinyshakespeare.txt
      textgen train corpora/tinyshakespeare.txt
    """


@corpus.command("list")
def list_corpora() -> None:
    """List the corpora that can be fetched by name."""
    from textgen.corpora.public import PUBLIC_CORPORA

    width = max(len(entry.name) for entry in PUBLIC_CORPORA)
    for entry in PUBLIC_CORPORA:
        size = f"{entry.num_bytes:>13,} bytes"
        click.echo(f"{entry.name:{width}} {size}  {entry.description}")
        click.echo(f"{'':{width}} {'':19}  {entry.licence}")


@corpus.command("fetch")
@click.argument("name")
@click.option(
    "--to",
    "folder",
    default="corpora",
    metavar="DIR",
    help="Directory.  [default: corpora]",
)
def fetch_corpus(name: str, folder: str) -> None:
    """Download the corpus NAME, verify its SHA-256, and print its path."""
    from textgen.corpora.download import fetch

    click.echo(fetch(name, folder, progress=True))


def _size_flags(command: Any) -> Any:
    for section in ("Model", "Training"):
        for spec in dataclasses.fields(CONFIGS[section]):
            if spec.name in SIZE_FLAGS:
                command.params.append(Option(section, spec))
    return command


@_size_flags
@config_options("Text")
@corpus.command("check", cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
@click.option(
    "--size",
    type=click.Choice(["auto", *SIZES]),
    default="auto",
    help="Size of the model, as for train.  [default: auto]",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def check_corpus(paths: tuple[str, ...], size: str, as_json: bool, **options: Any) -> int:
    """Report what is wrong with the text in PATHS, and how to fix it.

    PATHS and flags have the same meaning as for train. Encoding, line endings, control
    and invisible characters, normal forms, rare characters, repeated documents and long
    lines, and the amount of text are checked, for text of any size. Repetitions are
    found by 64-bit hashes: among ten million documents, or lines, the probability of an
    error is below one in 300,000.

    \b
    Examples:
      textgen corpus check my_book.txt
      textgen corpus check poems/ --glob "*.md" --documents files
      textgen corpus check old.txt --encoding cp1252 --json

    The exit code is 0 if train would accept the text, and 1 if it would refuse it.
    """
    from textgen.checking.report import examine

    chosen = given(options)
    text = from_dict(TextConfig, pick(TextConfig, chosen))
    train, model = pick(TrainConfig, chosen), pick(ModelConfig, chosen)
    # Wrong options are an error before anything is read.
    from_dict(TrainConfig, train)
    from_dict(ModelConfig, {"vocab_size": 1, **model})
    report = examine(paths, text, size, {**train, **model}, progress=True)
    click.echo(fit_to_show(json.dumps(report.to_dict())) if as_json else report.as_text())
    return 0 if report.can_train else 1
