"""`textgen export`."""

from __future__ import annotations

import click

from textgen.cli.common import check_output, find
from textgen.wording import one_line, say


@click.command()
@click.argument("checkpoint", required=False)
@click.option(
    "--format",
    type=click.Choice(("textgen",)),
    default="textgen",
    help="textgen: the checkpoint as one file.  [default: textgen]",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The file.  [default: the name of the run, here]",
)
@click.option("--overwrite", is_flag=True, help="Replace the file named by --output.")
def export(
    checkpoint: str | None, format: str, output: str | None, overwrite: bool
) -> None:
    """Write CHECKPOINT as one file that others can use.

    A file of the format textgen holds the whole checkpoint, and every command takes it in
    place of a directory. It carries a model card, which textgen info --card prints.

    \b
    Examples:
      textgen export my_book
      textgen export my_book -o shared/my_book.safetensors
      textgen sample shared/my_book.safetensors --prompt "It was "
    """
    from textgen.exporting.export import export as write
    from textgen.exporting.export import output_file

    path = find(checkpoint)
    place = output_file(path, output, format)
    check_output(str(place), overwrite=overwrite)
    write(path, place, format=format, overwrite=overwrite)
    say(f"Wrote {one_line(str(place))} ({place.stat().st_size / 1e6:.1f} MB)")
