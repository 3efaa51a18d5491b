"""`textgen info`."""

from __future__ import annotations

import json

import click

from textgen.cli.common import find


@click.command()
@click.argument("checkpoint", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def info(checkpoint: str | None, as_json: bool) -> None:
    """Describe CHECKPOINT: configuration, parameters, training text, best score.

    \b
    Examples:
      textgen info
      textgen info my_book --json
    """
    from textgen.checkpoint.describe import as_text, describe
    from textgen.checkpoint.format import load_checkpoint

    path = find(checkpoint)
    description = describe(load_checkpoint(path), path)
    click.echo(json.dumps(description) if as_json else as_text(description))
