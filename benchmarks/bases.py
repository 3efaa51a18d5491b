"""What does the base model gain, on which texts, in which time?

    python benchmarks/bases.py --text diary.txt --text names.txt:lines

Trains on every text for the same minutes from nothing, with the base model, and as
`textgen train` decides by itself. Prints bits per character of the held-out part under the
network alone: the mean over the seeds, the lowest and the highest.

Every measurement is added to `--results` when it is done, and not repeated: the same
command goes on where it was stopped; after a change of the package, name another file. Run
it before changing `WORTH` and the lengths beside it in
`textgen/training/task/beginning.py`, or `FINE_TUNING` in `textgen/config/sizes.py`. Close
other programs first.
"""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import click

import textgen

BEGINNINGS = "none", "english", "auto"


class Run(NamedTuple):
    """One training; all of it that the score depends on."""

    text: str
    minutes: float
    begins_with: str
    seed: int
    val_fraction: float


@click.command(help=__doc__)
@click.option("--text", "texts", multiple=True, required=True, metavar="PATH[:DOCUMENTS]")
@click.option("--minutes", multiple=True, default=[0.5, 1.5, 5.0], show_default=True)
@click.option("--begin", "begins", multiple=True, default=BEGINNINGS, show_default=True)
@click.option("--seed", "seeds", multiple=True, default=[0, 1, 2], show_default=True)
@click.option("--val-fraction", default=0.1, show_default=True)
@click.option("--results", type=click.Path(path_type=Path), default="bases.jsonl")
def main(
    texts: tuple[str, ...],
    minutes: tuple[float, ...],
    begins: tuple[str, ...],
    seeds: tuple[int, ...],
    val_fraction: float,
    results: Path,
) -> None:
    known = read(results)
    wanted = itertools.product(texts, minutes, begins, seeds, [val_fraction])
    asked = list(itertools.starmap(Run, wanted))
    for run in asked:
        if run not in known:
            known[run] = score(run)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps([*run, *known[run]]) + "\n")
            click.echo(f"{run}: {known[run]}", err=True)
    print(f"| text | minutes | {' | '.join(begins)} | auto took |")
    print("|---" * (len(begins) + 3) + "|")
    for text, limit in itertools.product(texts, minutes):
        runs = [run for run in asked if (run.text, run.minutes) == (text, limit)]
        cells = [
            shown([known[run][0] for run in runs if run.begins_with == begin])
            for begin in begins
        ]
        took = {known[run][1] for run in runs if run.begins_with == "auto"}
        name = Path(text.partition(":")[0]).stem
        print(f"| {name} | {limit:g} | {' | '.join(cells)} | {', '.join(sorted(took))} |")


def read(results: Path) -> dict[Run, tuple[float, str]]:
    """Bits per character, and what the run began with, of earlier calls."""
    lines = results.read_text("utf-8").splitlines() if results.exists() else []
    rows = [json.loads(line) for line in lines]
    return {Run(*row[:-2]): (row[-2], row[-1]) for row in rows}


def score(run: Run) -> tuple[float, str]:
    path, _, documents = run.text.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        done = textgen.train(
            path,
            Path(folder, "run"),
            init_from=run.begins_with,
            documents=documents or "whole",
            max_minutes=run.minutes,
            val_fraction=run.val_fraction,
            seed=run.seed,
            memory=0,
            preview=False,
            quiet=True,
            tune=True,
        )
        facts = textgen.load_checkpoint(done).facts
    return facts["score"]["val_bits_per_char"], facts["text"].get("init_from", "nothing")


def shown(values: list[float]) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f}–{max(values):.3f})"


if __name__ == "__main__":
    main()
