"""`textgen corpus list|fetch|check`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import click

from textgen.cli.common import fit_to_show
from textgen.cli.options import CONFIGS, Command, Option, config_options, given
from textgen.config.fields import from_dict, pick
from textgen.config.model import ModelConfig
from textgen.config.sizes import SIZES, size_options
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig

# What else than the text decides whether there is enough of it.
SIZE_FLAGS = ("num_layers", "units", "batch_size", "seq_length", "seed")


@click.group()
def corpus() -> None:
    """List and fetch well-known public corpora; check a text before it is trained on.

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
@click.option("--to", "folder", default="corpora", metavar="DIR", show_default=True)
def fetch_corpus(name: str, folder: str) -> None:
    """Download the corpus NAME, verify its SHA-256, and print its path."""
    from textgen.corpora.download import fetch

    click.echo(fetch(name, folder, progress=sys.stderr.isatty()))


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
    help="The model that is to be trained, as for train.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def check_corpus(paths: tuple[str, ...], size: str, as_json: bool, **options: Any) -> int:
    """Say what is wrong with the text in PATHS, and what to do about it.

    PATHS and flags mean what they mean to train. Looked at are encoding, line endings,
    control and invisible characters, normal forms, rare characters, repeated documents
    and the amount of text, which may be of any size. Equal documents are found by 64-bit
    hashes: for ten million of them the chance of an error is below one in 300,000.

    \b
    Examples:
      textgen corpus check my_book.txt
      textgen corpus check poems/ --glob "*.md" --documents files
      textgen corpus check old.txt --encoding cp1252 --json

    The exit code is 0 where train would take the text, and 1 where it would refuse it.
    """
    from textgen.checking.report import examine
    from textgen.text.reading.progress import reading_bar

    chosen = given(options)
    text = from_dict(TextConfig, pick(TextConfig, chosen))
    train = from_dict(TrainConfig, pick(TrainConfig, chosen))
    model = pick(ModelConfig, chosen)
    from_dict(ModelConfig, {"vocab_size": 1, **model})

    def choose_model(num_chars: int, vocab_size: int) -> tuple[ModelConfig, ModelConfig]:
        usual, _ = size_options("auto", num_chars)
        sized, _ = size_options(size, num_chars)
        made = {**sized, **model, "vocab_size": vocab_size}
        return (
            from_dict(ModelConfig, made),
            from_dict(ModelConfig, {**usual, "vocab_size": vocab_size}),
        )

    with ExitStack() as stack:
        bars: list[Callable[[int], object]] = []
        report = examine(
            paths,
            text,
            train,
            choose_model,
            on_start=lambda names: bars.append(stack.enter_context(reading_bar(names))),
            on_bytes=lambda num_bytes: bars[0](num_bytes),
        )
    data = report.to_dict()
    click.echo(fit_to_show(json.dumps(data)) if as_json else report.as_text())
    return 0 if report.can_train else 1
