"""Which model size suits which amount of text, and which time?

    python benchmarks/sizes.py --corpus corpora/tinyshakespeare.txt

Trains every size, and the one that `--size auto` takes, on prefixes of a text, for the same
time each. Prints the best validation score in bits per character, and the size that was
taken. Run it before changing the thresholds in `textgen/config/sizes.py`. Close other
programs first: a slower machine reads less text in the same time.
"""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path

import click

import textgen
from textgen.config.sizes import SIZES

AUTO = "auto"


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--documents", default="whole", show_default=True, help="As in `train`.")
@click.option("--minutes", multiple=True, default=[0.5, 2.0], show_default=True)
@click.option("--size", "sizes", multiple=True, default=["tiny", "small", "medium", AUTO])
@click.option(
    "--chars", "lengths", multiple=True, default=[20_000, 60_000, 200_000, 1_000_000]
)
def main(
    corpus: Path,
    documents: str,
    minutes: tuple[float, ...],
    sizes: tuple[str, ...],
    lengths: tuple[int, ...],
) -> None:
    text = corpus.read_text(encoding="utf-8")
    shown = ["auto took" if size == AUTO else title(size) for size in sizes]
    print(f"| characters | minutes | {' | '.join(shown)} |")
    print("|---" * (len(sizes) + 2) + "|")
    for length, limit in product(lengths, minutes):
        part = text[:length]
        cells = [trained(part, size, limit, documents) for size in sizes]
        print(f"| {len(part):,} | {limit:g} | {' | '.join(cells)} |", flush=True)


def title(size: str) -> str:
    return f"{size} ({SIZES[size]['num_layers']}x{SIZES[size]['units']})"


def trained(text: str, size: str, minutes: float, documents: str) -> str:
    """The best score; for `auto` also the network that was taken."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        path.write_text(text, encoding="utf-8")
        run = textgen.train(
            path,
            Path(folder, "run"),
            size=size,
            max_minutes=minutes,
            init_from="none",
            documents=documents,
            quiet=True,
            tune=True,
        )
        best = textgen.load_checkpoint(run)
        score = f"{best.facts['score']['val_bits_per_char']:.3f}"
        if size != AUTO:
            return score
        return f"{score} ({best.model.num_layers}x{best.model.units})"


if __name__ == "__main__":
    main()
