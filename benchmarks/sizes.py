"""Which model size suits which amount of text, and which time?

    python benchmarks/sizes.py --corpus corpora/tinyshakespeare.txt

Trains every size on prefixes of a text, for the same time each. Prints the best validation
score in bits per character, network alone and with the n-gram memory, and how much of a
text written with the usual settings stands in the corpus. With several `--seeds`, means are
printed. The size that `--size auto` takes is marked. Run it before changing the thresholds
in `textgen/config/sizes.py`. Close other programs first: a slower machine reads less text
in the same time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean

import click

import textgen
from textgen.checking.novelty import novelty
from textgen.checkpoint.runs import RunDirectory
from textgen.config.sizes import SIZES
from textgen.training.task.new import new_task

COPIED_PIECE = 20
NUM_TEXTS = 8
LINE = 8
"""Characters of a document that is a line, as in a list of names; about."""


@dataclass(frozen=True)
class Result:
    """What a run reached.

    Args:
        alone, both: bits per character of held-out text, without and with the memory;
            `both` is of stretches of it, also where the memory was not kept.
        passes: over the training text.
        copied: the share of pieces of 20 characters that stand in the corpus, of a text
            that was written with the memory if it was kept.
        longest: characters of the longest piece that stands there.
    """

    alone: float
    both: float | None
    passes: float
    copied: float
    longest: int


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--documents", default="whole", show_default=True, help="As in `train`.")
@click.option("--minutes", multiple=True, default=[0.5, 2.0], show_default=True)
@click.option("--size", "sizes", multiple=True, type=click.Choice(list(SIZES)))
@click.option(
    "--chars", "lengths", multiple=True, default=[20_000, 60_000, 200_000, 1_000_000]
)
@click.option("--seeds", default=1, show_default=True)
@click.option("--written", default=20_000, show_default=True, help="Characters, by a run.")
def main(
    corpus: Path,
    documents: str,
    minutes: tuple[float, ...],
    sizes: tuple[str, ...],
    lengths: tuple[int, ...],
    seeds: int,
    written: int,
) -> None:
    text = corpus.read_text(encoding="utf-8")
    print("| characters | minutes | size | passes | bits per character", end=" ")
    print("| lowest to highest | with memory | copied | longest |")
    print("|---" * 9 + "|")
    for length, limit in product(
        dict.fromkeys(min(n, len(text)) for n in lengths), minutes
    ):
        for size in sizes or list(SIZES):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "text.txt")
                path.write_text(text[:length], encoding="utf-8")
                network = size_of(size)
                taken = taken_size(path, limit, documents)
                runs = [
                    trained(path, size, limit, documents, seed, written)
                    for seed in range(seeds)
                ]
            mark = "**" if network == taken else ""
            name = f"{mark}{size}{mark}"
            print(f"| {length:,} | {limit:g} | {name} | {cells(runs)} |", flush=True)


def size_of(size: str) -> tuple[int, int]:
    return SIZES[size]["num_layers"], SIZES[size]["units"]


def taken_size(path: Path, minutes: float, documents: str) -> tuple[int, int]:
    """Layers and units that `--size auto` takes."""
    options = {"max_minutes": minutes, "documents": documents}
    model = new_task(path, RunDirectory(path.with_name("unused")), "auto", options).model
    return model.num_layers, model.units


def trained(
    path: Path, size: str, minutes: float, documents: str, seed: int, written: int
) -> Result:
    run = textgen.train(
        path,
        path.with_name(f"run-{seed}"),
        size=size,
        max_minutes=minutes,
        init_from="none",
        documents=documents,
        preview=False,
        quiet=True,
        tune=True,
        seed=seed,
    )
    score = textgen.load_checkpoint(run).facts["score"]
    of_lines = documents == "lines"
    count = written // LINE if of_lines else NUM_TEXTS
    length = written // NUM_TEXTS
    samples = textgen.Generator.load(run).samples("", count, length=length, seed=seed)
    text, corpus = "\n".join(s.text for s in samples), path.read_text(encoding="utf-8")
    found = novelty(text, [("corpus", corpus)], [COPIED_PIECE])
    return Result(
        alone=score["val_bits_per_char"],
        both=score.get("val_both_bits_per_char"),
        passes=textgen.load_checkpoint(run / "last").facts["score"]["epoch"],
        copied=found.shares[COPIED_PIECE] or 0.0,
        longest=len(found.longest.piece) if found.longest else 0,
    )


def cells(runs: Sequence[Result]) -> str:
    """One row of the table, without its first cells."""
    alone = [run.alone for run in runs]
    both = [run.both for run in runs if run.both is not None]
    return (
        f"{mean(run.passes for run in runs):.1f} | {mean(alone):.3f} "
        f"| {min(alone):.3f} to {max(alone):.3f} | {f'{mean(both):.3f}' if both else '-'} "
        f"| {mean(run.copied for run in runs):.1%} | {max(run.longest for run in runs)}"
    )


if __name__ == "__main__":
    main()
