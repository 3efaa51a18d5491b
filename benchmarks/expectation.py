"""How close is the score that a run says to expect?

    python benchmarks/expectation.py --corpus emma.txt --corpus dracula.txt

Trains with the default options on prefixes of texts, each for some minutes, and prints what
was expected of the characters that were then read, and what was reached. Ends with the
coefficients that fit these runs best: `COEFFICIENTS` of
`textgen/training/task/expectation.py`.
"""

from __future__ import annotations

import math
import tempfile
from itertools import product
from pathlib import Path

import click
import numpy as np

import textgen
from textgen.checkpoint.runs import RunDirectory
from textgen.training.task.expectation import expected_bits, features, ngram_bits
from textgen.training.task.new import new_task

CORPUS = click.Path(exists=True, path_type=Path)


@click.command()
@click.option("--corpus", "corpora", type=CORPUS, required=True, multiple=True)
@click.option("--chars", "lengths", multiple=True, default=[20_000, 100_000, 500_000])
@click.option("--minutes", multiple=True, default=[0.5, 2.0], show_default=True)
def main(
    corpora: tuple[Path, ...], lengths: tuple[int, ...], minutes: tuple[float, ...]
) -> None:
    print("| text | characters | minutes | read | n-grams | expected | reached | error |")
    print("|---|---|---|---|---|---|---|---|")
    rows, ratios = [], []
    for path, length, limit in product(corpora, lengths, minutes):
        text = path.read_text(encoding="utf-8")[:length]
        read, ngrams, expected, reached, row = outcome(text, limit)
        rows.append(row)
        ratios.append(np.log2(reached / ngrams))
        print(
            f"| {path.stem} | {len(text):,} | {limit:g} | {read:,.0f} | {ngrams:.3f} "
            f"| {expected:.3f} | {reached:.3f} | {expected / reached - 1:+.1%} |",
            flush=True,
        )
    found = np.linalg.lstsq(np.array(rows), np.array(ratios), rcond=None)[0]
    print(f"\nCoefficients: {', '.join(f'{value:.4f}' for value in found)}")


def outcome(text: str, minutes: float) -> tuple[float, float, float, float, list[float]]:
    """Characters read; bits of n-grams, expected and reached; the features of the run."""
    options = {"max_minutes": minutes, "memory": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        path.write_text(text, encoding="utf-8")
        task = new_task(path, RunDirectory(Path(folder, "unused")), "auto", options)
        run = textgen.train(
            path, Path(folder, "run"), init_from="none", quiet=True, **options
        )
        last = textgen.load_checkpoint(run / "last").facts["score"]
        best = textgen.load_checkpoint(run).facts["score"]["val_bits_per_char"]
        read = last["epoch"] * task.num_chars[0]
        expected, ngrams = expected_bits(task, read) or math.nan, ngram_bits(task)
    units = task.model.num_layers * task.model.units
    row = features(ngrams, task.num_chars[0], read, units)
    return read, ngrams, expected, float(best), row


if __name__ == "__main__":
    main()
