"""`textgen tune`."""

from __future__ import annotations

import shlex
from typing import Any

import click

from textgen.cli.options import (
    Command,
    Number,
    config_options,
    given,
    init_from_option,
    process_options,
)
from textgen.wording import say


@config_options("Text", "Model", "Training", without=("max_minutes",))
@click.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
@click.option(
    "--minutes",
    type=Number(),
    default=30.0,
    help="Minutes for all trials together, including those of earlier calls.  "
    "[default: 30]",
)
@click.option(
    "--trial-minutes",
    type=Number(),
    help="Minutes for one trial.  [default: a tenth of --minutes]",
)
@click.option(
    "--out",
    metavar="DIR",
    help="Directory of the study.  [default: checkpoints/FIRST_NAME-tune]",
)
@init_from_option
@click.option(
    "--storage",
    metavar="FILE",
    help="SQLite file of the study; several processes may share it.  "
    "[default: study.db in --out]",
)
@process_options
def tune(
    paths: tuple[str, ...],
    minutes: float,
    trial_minutes: float | None,
    out: str | None,
    init_from: str,
    storage: str | None,
    cache_dir: str | None,
    workers: int | None,
    tune: bool,
    backend: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Search for options of training that suit PATHS, within a budget of minutes.

    \b
    Examples:
      textgen tune my_book.txt --minutes 30
      textgen tune my_book.txt --minutes 60        go on with the same study
      textgen tune poems/ --glob "*.md" --cell gru --test-fraction 0.1
      textgen tune big.txt --minutes 300 --trial-minutes 15

    Each trial is a run. The first has all defaults, the others vary layers, units,
    dropout, weight drop, learning rate, window, lanes and optimizer, except for those that
    are given. Trials that begin with a base model keep its layers and units, and vary the
    number of epochs. A table of the trials and the best command are printed on stdout. A
    command that was stopped goes on where it was; several at once share the work.
    """
    from textgen.training.backend.noise import as_command
    from textgen.tuning.tune import tune as tune_on

    with as_command():
        found = tune_on(
            paths,
            minutes,
            out=out,
            init_from=init_from,
            storage=storage,
            trial_minutes=trial_minutes,
            cache_dir=cache_dir,
            workers=workers,
            quiet=quiet,
            tune=tune,
            backend=backend,
            **given(options),
        )
    click.echo(found.table)
    click.echo(f"\n{found.command}")
    if not quiet:
        score, usual = found.bits_per_char, found.default_bits_per_char
        say(f"Best: {score:.3f} bits per character, {usual:.3f} with the defaults.")
        say(f"Generate text:  textgen sample {shlex.quote(str(found.run))}")
