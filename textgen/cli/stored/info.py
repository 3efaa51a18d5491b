"""`textgen info`."""

from __future__ import annotations

import json

import click

from textgen.cli.common import find
from textgen.wording import visible


@click.command()
@click.argument("checkpoint", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "--card",
    is_flag=True,
    help="Print a model card in Markdown, for those who are handed the model: also what "
    "it writes, and how much of that is copied.",
)
def info(checkpoint: str | None, as_json: bool, card: bool) -> None:
    """Describe CHECKPOINT: configuration, parameters, training text, best score.

    \b
    Examples:
      textgen info
      textgen info my_book --json
      textgen info my_book --card > README.md
    """
    if as_json and card:
        raise click.UsageError("--json and --card are two forms. Choose one.")
    from textgen.checkpoint.describe import as_text, describe
    from textgen.checkpoint.format import load_checkpoint

    path = find(checkpoint)
    saved = load_checkpoint(path)
    if card:
        from textgen.checkpoint.single_file import is_single_file, stored_card
        from textgen.exporting.card import model_card

        stored = stored_card(path) if is_single_file(path) else ""
        click.echo(visible(stored) or model_card(saved, path))
        return
    description = describe(saved, path)
    click.echo(json.dumps(description) if as_json else as_text(description))
