"""What does the base model gain, on which texts, in which time?

    python benchmarks/bases.py --text benchmarks/chat.txt --text names.txt:lines

Trains on every text for the same minutes from nothing, with the base model as if it were
asked for, and as `textgen train` decides by itself. Prints bits per character of the
held-out part under the network alone: the mean over the seeds, the lowest and the highest.
Where `auto` begins from nothing, its column repeats that of `none`.

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
from typing import Any, NamedTuple

import click

import textgen
from textgen.checkpoint.runs import RunDirectory
from textgen.training.task.new import new_task

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
@click.option("--results", type=click.Path(path_type=Path), default="base_runs.jsonl")
def main(
    texts: tuple[str, ...],
    minutes: tuple[float, ...],
    begins: tuple[str, ...],
    seeds: tuple[int, ...],
    val_fraction: float,
    results: Path,
) -> None:
    known = read(results)
    print(f"| text | minutes | {' | '.join(begins)} | auto takes |")
    print("|---" * (len(begins) + 3) + "|")
    for text, limit in itertools.product(texts, minutes):
        cells, taken = [], set()
        for begin in begins:
            runs = [Run(text, limit, begin, seed, val_fraction) for seed in seeds]
            if begin == "auto":
                chosen = {run: auto_takes(run) for run in runs}
                taken = set(chosen.values())
                runs = [from_nothing(run) if chosen[run] == "none" else run for run in runs]
            for run in runs:
                if run not in known:
                    known[run] = score(run)
                    add(results, run, known[run])
            cells.append(shown([known[run] for run in runs]))
        name, takes = Path(text.partition(":")[0]).stem, ", ".join(sorted(taken))
        print(f"| {name} | {limit:g} | {' | '.join(cells)} | {takes} |", flush=True)


def read(results: Path) -> dict[Run, float]:
    """Bits per character that were measured in earlier calls."""
    lines = results.read_text("utf-8").splitlines() if results.exists() else []
    rows = [json.loads(line) for line in lines]
    return {Run(*row[:-1]): row[-1] for row in rows}


def add(results: Path, run: Run, bits: float) -> None:
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps([*run, bits]) + "\n")
    click.echo(f"{run}: {bits:.3f}", err=True)


def options(run: Run) -> dict[str, Any]:
    return {
        "documents": run.text.partition(":")[2] or "whole",
        "max_minutes": run.minutes,
        "val_fraction": run.val_fraction,
        "seed": run.seed,
        "memory": 0,
        "preview": False,
    }


def from_nothing(run: Run) -> Run:
    return run._replace(begins_with="none")


def auto_takes(run: Run) -> str:
    """What a run begins with that decides by itself: the name of a base model, or none."""
    path = run.text.partition(":")[0]
    with tempfile.TemporaryDirectory() as folder:
        place = RunDirectory(Path(folder, "run"))
        task = new_task(path, place, "auto", options(run), init_from="auto")
    return task.base.name if task.base else "none"


def score(run: Run) -> float:
    path = run.text.partition(":")[0]
    with tempfile.TemporaryDirectory() as folder:
        done = textgen.train(
            path,
            Path(folder, "run"),
            init_from=run.begins_with,
            quiet=True,
            tune=True,
            **options(run),
        )
        facts = textgen.load_checkpoint(done).facts
    return float(facts["score"]["val_bits_per_char"])


def shown(values: list[float]) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f}–{max(values):.3f})"


if __name__ == "__main__":
    main()
