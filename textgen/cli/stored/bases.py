"""`textgen bases`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from textgen.wording import one_line, say

if TYPE_CHECKING:
    from textgen.checkpoint.bases import Base


@click.group(invoke_without_command=True)
@click.pass_context
def bases(context: click.Context) -> None:
    """List the base models, which new runs may begin with; add and remove your own.

    A base is found by its name wherever a checkpoint is asked for. `english` comes with
    the package; training takes it by itself for a text that is like English books. Your
    own are copies, kept in the user's data directory (on Linux ~/.local/share/textgen).

    \b
    Examples:
      textgen bases
      textgen sample english --prompt "The rain "
      textgen bases add diary my_diary
      textgen train letters.txt --init-from diary
      textgen bases remove diary
    """
    if context.invoked_subcommand is not None:
        return
    from textgen.checkpoint.bases import list_bases

    found = list_bases()
    for base in found:
        click.echo(_line(base))
    if not found:
        say("No base models: this installation of textgen lacks its own, `english`.")


def _line(base: Base) -> str:
    from textgen.checkpoint.listing import summarize

    run = summarize(base.path)
    origin = "comes with textgen" if base.is_bundled else "yours"
    if run.fault:
        return f"{base.name}  {origin}  {one_line(run.fault)}"
    bits, size = run.bits_per_char, run.num_parameters
    score = "" if bits is None else f"  {bits:.3f} bits/char"
    return f"{base.name}  {origin}  {size:,} parameters{score}"


@bases.command()
@click.argument("name")
@click.argument("run")
@click.option("--overwrite", is_flag=True, help="Replace the base of this name.")
def add(name: str, run: str, overwrite: bool) -> None:
    """Keep a copy of RUN, a run or checkpoint, as the base NAME.

    A run of the same name under checkpoints/ takes precedence over it.

    \b
    Example:
      textgen bases add diary checkpoints/my_diary
    """
    from textgen.checkpoint.bases import add_base
    from textgen.checkpoint.format import load_checkpoint
    from textgen.checkpoint.runs import find_checkpoint

    place = add_base(name, load_checkpoint(find_checkpoint(run)), overwrite=overwrite)
    say(
        f"{name} is a copy in {place}. Train with it:  textgen train YOUR_TEXT.txt "
        f"--init-from {name}"
    )


@bases.command()
@click.argument("name")
def remove(name: str) -> None:
    """Delete the base NAME, which you have added.

    \b
    Example:
      textgen bases remove diary
    """
    from textgen.checkpoint.bases import remove_base

    remove_base(name)
    say(f"{name} is deleted.")
