"""`textgen score`."""

from __future__ import annotations

import json

import click

from textgen.cli.common import find
from textgen.config import TextConfig
from textgen.console import say


@click.command()
@click.argument("arguments", nargs=-1, required=True, metavar="[CHECKPOINT] FILE")
@click.option("--encoding", default="utf-8", help="Encoding of FILE.  [default: utf-8]")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def score(arguments: tuple[str, ...], encoding: str, as_json: bool) -> None:
    """Measure how well CHECKPOINT predicts FILE, in bits per character.

    Fewer bits mean that the text surprises the model less. Characters it has never
    seen are counted (num_unknown) and left out, unless the model has a token for them
    (--min-count). Without CHECKPOINT the newest one under checkpoints/ is taken.

    \b
    Examples:
      textgen score other_book.txt
      textgen score my_book chapter.txt --json
    """
    if len(arguments) > 2:
        raise click.UsageError("expected [CHECKPOINT] FILE, found more arguments.")
    *checkpoint, file = arguments
    from textgen.generation.generator import Generator
    from textgen.text.corpus import read_text

    # The model's own normal form comes later, with its tokenizer.
    text = read_text(file, TextConfig(encoding=encoding, normalize="none"))
    result = Generator.load(find(*checkpoint)).score(text).to_dict()
    if result["num_unknown"]:
        say(
            f"Warning: {result['num_unknown']:,} characters of this text are unknown to "
            "the model; they are left out unless it has a token for them."
        )
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"{result['bits_per_char']:.4f} bits per character ({result['protocol']})")
    click.echo(f"{result['bits_per_byte']:.4f} bits per byte")
    click.echo(f"{result['nats_per_char']:.4f} nats per character")
    click.echo(f"{result['perplexity']:.3f} perplexity per character")
    click.echo(f"{result['num_chars']:,} characters, {result['num_unknown']:,} unknown")
