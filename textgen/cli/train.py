"""`textgen train`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from textgen.cli.options import (
    Command,
    config_options,
    given,
    init_from_option,
    process_options,
)
from textgen.config.sizes import SIZES
from textgen.wording import say


@config_options("Text", "Model", "Training")
@click.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
@click.option(
    "--out", metavar="DIR", help="Directory of the run.  [default: checkpoints/FIRST_NAME]"
)
@click.option(
    "--size",
    type=click.Choice(["auto", *SIZES]),
    default="auto",
    help="Size of the model; auto chooses by the amount of text and --max-minutes. "
    "--num-layers, --units, --dropout and --sum-layers take precedence.  [default: auto]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the run in --out; only its duration, how often it saves and what it "
    "prints may be changed.",
)
@click.option("--overwrite", is_flag=True, help="Replace the run in --out.")
@init_from_option
@click.option(
    "--distributed",
    is_flag=True,
    help="Train as one process of a job, on JAX: COORDINATOR_ADDRESS, NUM_PROCESSES and "
    "PROCESS_ID say which, or Slurm or Open MPI. For one machine: textgen launch.",
)
@process_options
def train(
    paths: tuple[str, ...],
    out: str | None,
    size: str,
    resume: bool,
    overwrite: bool,
    init_from: str,
    distributed: bool,
    cache_dir: str | None,
    workers: int | None,
    tune: bool,
    backend: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a model on PATHS: files, directories, .gz/.bz2/.xz, or - for stdin.

    \b
    Examples:
      textgen train my_book.txt
      textgen train poems/ --glob "*.md" --documents files
      textgen train names.txt --documents lines --epochs 30
      textgen train my_book.txt --resume
      textgen train letters.txt --init-from my_book --out checkpoints/letters
      textgen train big.txt --size large --max-minutes 60 --eval-every 500

    The run's directory is printed on stdout when training ends.
    """
    from textgen.training.backend.noise import as_command
    from textgen.training.distributed.joining import is_first_process
    from textgen.training.train import train as train_on

    with as_command():
        run = train_on(
            paths,
            out,
            size=size,
            resume=resume,
            overwrite=overwrite,
            init_from=init_from,
            cache_dir=cache_dir,
            workers=workers,
            quiet=quiet,
            tune=tune,
            backend=backend,
            distributed=distributed,
            **given(options),
        )
    if distributed and not is_first_process():
        return
    click.echo(run)
    if not quiet:
        say(f"Generate text:  textgen sample {shlex.quote(str(run))} {_start_of_text(run)}")


def _start_of_text(run: Path) -> str:
    """The option of `sample` that a model of this kind begins with."""
    from textgen.checkpoint.format import load_config
    from textgen.checkpoint.runs import find_checkpoint

    _, facts = load_config(find_checkpoint(run))
    label = next(iter(facts["text"].get("labels", ())), None)
    return '--prompt "..."' if label is None else f"--label {shlex.quote(label)}"
