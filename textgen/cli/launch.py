"""`textgen launch`."""

from __future__ import annotations

import click

from textgen.cli.options import Command


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.option(
    "-n",
    "--processes",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="How many processes train together; each gets its share of the cores.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def launch(processes: int, command: tuple[str, ...]) -> None:
    """Train in several processes of this machine: COMMAND is `train` with its options.

    \b
    Examples:
      textgen launch -n 4 -- train my_book.txt --batch-size 64
      textgen launch -n 2 -- train my_book.txt --resume

    On several machines, start `textgen train --distributed` once on each of them.
    """
    from textgen.training.distributed.launching import launch as start

    name, *options = command
    if name != "train":
        raise click.UsageError(
            f"{name}: only `train` runs in several processes: textgen launch -n "
            f"{processes} -- train PATHS"
        )
    if "-" in options:
        raise click.UsageError(
            "- : several processes cannot share standard input. Name a file."
        )
    code = start(processes, ["train", "--distributed", *options])
    click.get_current_context().exit(code)
