"""Which architectures pay, and which only teach?

    python benchmarks/architectures.py --corpus tinyshakespeare.txt

Trains every architecture on three texts, on equal characters and for equal time: a real
one, and two made ones that need memory. In `brackets` a bracket or a quotation mark closes
after 50 to 500 characters, and in `recall` a symbol is asked for after 10 to 400 characters
of noise. Prints bits per character of the real text and bits per answer of the made ones,
2.58 and 3 by chance: the mean over the seeds, the lowest and the highest.

Every measurement is added to `--results` when it is done, and not repeated: the same
command goes on where it was stopped, and the tables can be made row by row, for example
with `--architecture gru`. For equal time, close other programs first.
"""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
from kinds import KINDS
from memory_texts import MEMORY_TEXTS, records

import textgen

CORPUS = "corpus"
TEXTS = {CORPUS: "bits per character", **dict.fromkeys(MEMORY_TEXTS, "bits per answer")}
ANSWER_IDS = 2
"""The answer, and the end of the document, which costs nothing once it is learned."""

MEMORY_OPTIONS = {"documents": "records", "batch_size": 8, "seq_length": 256}
"""Windows that hold most distances, and as many steps as with the defaults."""


class Run(NamedTuple):
    """One training; all of it that the score depends on."""

    limit: str
    architecture: str
    text: str
    seed: int
    chars: int
    units: int
    num_layers: int


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--results", type=click.Path(path_type=Path), default="architectures.jsonl")
@click.option(
    "--architecture", "names", type=click.Choice(list(KINDS)), multiple=True, default=KINDS
)
@click.option(
    "--text", "texts", type=click.Choice(list(TEXTS)), multiple=True, default=TEXTS
)
@click.option("--chars", default=1_000_000, show_default=True, help="Of each text.")
@click.option(
    "--epochs", default=3, show_default=True, help="Equal characters; 0: leave out."
)
@click.option("--minutes", default=2.0, show_default=True, help="Equal time; 0: leave out.")
@click.option("--units", default=128, show_default=True)
@click.option("--num-layers", default=1, show_default=True)
@click.option("--seed", "seeds", default=(0, 1, 2), show_default=True, multiple=True)
def main(
    corpus: Path,
    results: Path,
    names: tuple[str, ...],
    texts: tuple[str, ...],
    chars: int,
    epochs: int,
    minutes: float,
    units: int,
    num_layers: int,
    seeds: tuple[int, ...],
) -> None:
    """Measure what is missing, and print a table for each limit."""
    limits = {}
    if epochs:
        limits[f"{epochs} epochs"] = {"epochs": epochs}
    if minutes:
        limits[f"{minutes:g} minutes"] = {"max_minutes": minutes}
    known = read(results)
    for limit, name, text, seed in itertools.product(limits, names, texts, seeds):
        run = Run(limit, name, text, seed, chars, units, num_layers)
        if run not in known:
            known[run] = score(run, corpus, limits[limit])
            add(results, run, known[run])
            click.echo(f"{limit}, {name}, {text}, seed {seed}: {known[run]:.3f}", err=True)
    for limit in limits:
        print(f"\n{limit} of {chars:,} characters, {num_layers}x{units}\n")
        same = {
            (run.architecture, run.text, run.seed): found
            for run, found in known.items()
            if (run.limit, *run[4:]) == (limit, chars, units, num_layers)
        }
        show(same)


def read(results: Path) -> dict[Run, float]:
    """The measurements of earlier calls."""
    lines = results.read_text("utf-8").splitlines() if results.exists() else []
    rows = [json.loads(line) for line in lines]
    return {Run(*row[:-1]): row[-1] for row in rows}


def add(results: Path, run: Run, bits: float) -> None:
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps([*run, bits]) + "\n")


def show(found: dict[tuple[str, str, int], float]) -> None:
    """Print a row for each architecture that has been measured."""
    columns = [f"{text}, {unit}" for text, unit in TEXTS.items()]
    print(f"| architecture | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name in KINDS:
        cells = [
            shown([bits for key, bits in found.items() if key[:2] == (name, text)])
            for text in TEXTS
        ]
        if any(cells):
            print(f"| {name} | {' | '.join(cells)} |")


def shown(values: list[float]) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f}–{max(values):.3f})"


def score(run: Run, corpus: Path, limit: dict[str, Any]) -> float:
    """Train; bits per character or per answer of the held-out part of the text."""
    is_corpus = run.text == CORPUS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt" if is_corpus else "text.jsonl")
        path.write_text("".join(lines(run, corpus)), encoding="utf-8")
        done = textgen.train(
            path,
            Path(folder, "run"),
            units=run.units,
            num_layers=run.num_layers,
            seed=run.seed,
            memory=0,
            compute_dtype="float32",
            # Otherwise it depends on how often a kind is expected to read the text.
            dropout=0.0,
            quiet=True,
            **({} if is_corpus else MEMORY_OPTIONS),
            **KINDS[run.architecture],
            **limit,
        )
        bits = textgen.load_checkpoint(done).facts["score"]["val_bits_per_char"]
    return float(bits) * (1 if is_corpus else ANSWER_IDS)


def lines(run: Run, corpus: Path) -> Iterator[str]:
    """The text; a made one is another for each seed."""
    if run.text == CORPUS:
        yield corpus.read_text(encoding="utf-8")[: run.chars]
    else:
        yield from records(run.text, run.chars, run.seed)


if __name__ == "__main__":
    main()
