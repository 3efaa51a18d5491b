"""Which sampling settings suit small models: loops, invented words, and a blind reading.

    python benchmarks/sampling_defaults.py \\
        --model checkpoints/fables corpora/little_harbour.txt \\
        --model checkpoints/shakespeare corpora/tinyshakespeare.txt

writes texts with each setting and counts, for each model:

looping     share of the characters that lie in a sequence of 20 characters which occurs
            earlier in the same text
invented    share of the words (letters only, any case) that do not occur in the corpus
bits        per character, under the model alone: how varied the texts are

The last row counts the same in passages of the corpus itself; every word of those occurs
in the corpus, so an invented word there is one that occurs in it only once.

Counts do not tell which texts read best. `--sheet FILE` writes texts of all settings in
random order and without their settings, to be read and marked, and the settings to
`FILE.key`. Write one mark from 1 (noise or a loop) to 5 (reads like the corpus) per line
into another file, in the order of the sheet; `--marks` with that file, and the same
`--sheet`, then prints the mean mark of each setting and its standard error.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from textgen import Generator

SPAN = 20
CORPUS = "the corpus itself"
SETTINGS: dict[str, dict[str, Any]] = {
    "temperature 0.3": {"temperature": 0.3},
    "temperature 0.5": {"temperature": 0.5},
    "temperature 0.6": {"temperature": 0.6},
    "temperature 0.7": {"temperature": 0.7},
    "temperature 0.8": {"temperature": 0.8},
    "temperature 1": {"temperature": 1.0},
    "0.8, top-p 0.9": {"temperature": 0.8, "top_p": 0.9},
    "0.8, min-p 0.05": {"temperature": 0.8, "min_p": 0.05},
    "0.8, min-p 0.1": {"temperature": 0.8, "min_p": 0.1},
    "0.8, min-p 0.2": {"temperature": 0.8, "min_p": 0.2},
    "0.7, min-p 0.1": {"temperature": 0.7, "min_p": 0.1},
    "1, min-p 0.1": {"temperature": 1.0, "min_p": 0.1},
    "1, min-p 0.2": {"temperature": 1.0, "min_p": 0.2},
    "0.3, DRY 0.8": {"temperature": 0.3, "dry_multiplier": 0.8},
    "0.6, DRY 0.8": {"temperature": 0.6, "dry_multiplier": 0.8},
    "0.8, min-p 0.1, DRY 0.8": {"temperature": 0.8, "min_p": 0.1, "dry_multiplier": 0.8},
    "0.8, repetition penalty 1.1": {"temperature": 0.8, "repetition_penalty": 1.1},
}


class Marked(NamedTuple):
    """A text of a sheet: its setting, the name of its model, and the text."""

    setting: str
    model: str
    text: str


@click.command()
@click.option(
    "--model",
    "models",
    type=(
        click.Path(exists=True, file_okay=False, path_type=Path),
        click.Path(exists=True, dir_okay=False, path_type=Path),
    ),
    multiple=True,
    metavar="RUN TEXT",
    help="A model and the text it was trained on; repeatable.",
)
@click.option("--setting", "settings", type=click.Choice(list(SETTINGS)), multiple=True)
@click.option("--num-samples", default=20, show_default=True, help="Of each model.")
@click.option("--length", default=500, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--sheet", type=click.Path(path_type=Path), help="Write texts to be marked.")
@click.option("--marks", type=click.Path(exists=True, path_type=Path))
def main(
    models: Sequence[tuple[Path, Path]],
    settings: Sequence[str],
    num_samples: int,
    length: int,
    seed: int,
    sheet: Path | None,
    marks: Path | None,
) -> None:
    if sheet is not None and marks is not None:
        print_marks(sheet, marks)
        return
    settings = settings or list(SETTINGS)
    generators = {run.name: Generator.load(run) for run, _ in models}
    written = {
        (setting, name): write(generator, SETTINGS[setting], num_samples, length, seed)
        for name, generator in generators.items()
        for setting in settings
    }
    if sheet is not None:
        rows = [Marked(*key, text) for key, texts in written.items() for text in texts]
        write_sheet(sheet, rows, seed)
        return
    corpora = {run.name: path.read_text(encoding="utf-8") for run, path in models}
    rng = np.random.default_rng(seed)
    for name, corpus in corpora.items():
        written[CORPUS, name] = [
            corpus[start : start + length]
            for start in rng.integers(len(corpus) - length, size=num_samples)
        ]
    print_counts([*settings, CORPUS], written, corpora, generators)


def write(
    generator: Generator, setting: dict[str, Any], num_samples: int, length: int, seed: int
) -> list[str]:
    """Texts of this length; one of many short documents holds several of them."""
    joined = ""
    for batch in count():
        options = {**setting, "length": length, "seed": seed + batch}
        samples = list(generator.samples("", max(num_samples, 64), **options))
        if generator.documents == "whole":
            return [sample.text for sample in samples[:num_samples]]
        joined += "".join(f"{sample.text}\n" for sample in samples)
        if len(joined) >= num_samples * length:
            break
    return [joined[n * length : (n + 1) * length] for n in range(num_samples)]


# --- counts ---


def print_counts(
    settings: Sequence[str],
    written: dict[tuple[str, str], list[str]],
    corpora: dict[str, str],
    generators: dict[str, Generator],
) -> None:
    """Print one row per setting, with three counts for each model."""
    known = {name: Counter(words(corpus)) for name, corpus in corpora.items()}
    print(f"| looping / invented / bits | {' | '.join(corpora)} |")
    print("|---" * (len(corpora) + 1) + "|")
    for setting in settings:
        least = 2 if setting == CORPUS else 1
        shares = [
            f"{looping(written[setting, name]):.1%} / "
            f"{invented(written[setting, name], known[name], least):.1%} / "
            f"{generators[name].score(written[setting, name]).bits_per_char:.2f}"
            for name in corpora
        ]
        print(f"| {setting} | {' | '.join(shares)} |")


def looping(texts: Sequence[str]) -> float:
    """The share of characters inside a sequence that occurs earlier in the same text."""
    covered = total = 0
    for text in texts:
        inside = np.zeros(len(text), bool)
        seen: set[str] = set()
        for start in range(len(text) - SPAN + 1):
            span = text[start : start + SPAN]
            if span in seen:
                inside[start : start + SPAN] = True
            seen.add(span)
        covered, total = covered + int(inside.sum()), total + len(text)
    return covered / total


def invented(texts: Sequence[str], known: Counter[str], least: int = 1) -> float:
    """The share of words that the corpus has fewer than `least` times.

    The first and the last word of a text are left out: they may have been cut.
    """
    found = [word for text in texts for word in words(text)[1:-1]]
    return sum(known[word] < least for word in found) / max(1, len(found))


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[^\W\d_]+", text.lower())


# --- the blind reading ---


def write_sheet(sheet: Path, rows: Sequence[Marked], seed: int) -> None:
    """Write all texts in random order, and what they are to another file."""
    order = np.random.default_rng(seed).permutation(len(rows))
    shown = [f"--- {place} ---\n{rows[row].text}\n" for place, row in enumerate(order, 1)]
    sheet.write_text("\n".join(shown), encoding="utf-8")
    key = [rows[row][:2] for row in order]
    key_of(sheet).write_text(json.dumps(key), encoding="utf-8")


def key_of(sheet: Path) -> Path:
    return sheet.with_name(f"{sheet.name}.key")


def print_marks(sheet: Path, marks: Path) -> None:
    """Print the mean mark of each setting, over all texts and for each model."""
    key = json.loads(key_of(sheet).read_text(encoding="utf-8"))
    values = map(float, marks.read_text(encoding="utf-8").split())
    marked = [(*what, value) for what, value in zip(key, values, strict=True)]
    models = sorted({model for _, model, _ in marked})
    print(f"| setting | all | standard error | {' | '.join(models)} |")
    print("|---" * (len(models) + 3) + "|")
    for setting in (each for each in SETTINGS if each in {row[0] for row in marked}):
        own = [(model, value) for name, model, value in marked if name == setting]
        every = [value for _, value in own]
        means = [np.mean([v for model, v in own if model == name]) for name in models]
        error = np.std(every, ddof=1) / len(every) ** 0.5
        shown = " | ".join(f"{mean:.1f}" for mean in means)
        print(f"| {setting} | {np.mean(every):.2f} | {error:.2f} | {shown} |")


if __name__ == "__main__":
    main()
