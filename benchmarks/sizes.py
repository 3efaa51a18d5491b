"""Which model size suits which amount of text?

    python benchmarks/sizes.py --corpus corpora/tinyshakespeare.txt

Trains every size on prefixes of a text, for the same time each, and prints the best
validation score in bits per character. Run it before changing the thresholds of
`--size auto` (`textgen/config/sizes.py`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

import textgen
from textgen.config.sizes import SIZES


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--max-minutes", default=1.0, show_default=True)
@click.option("--size", "sizes", multiple=True, default=["tiny", "small", "medium"])
@click.option(
    "--chars", "lengths", multiple=True, default=[20_000, 60_000, 200_000, 1_000_000]
)
def main(
    corpus: Path, max_minutes: float, sizes: tuple[str, ...], lengths: tuple[int, ...]
) -> None:
    text = corpus.read_text(encoding="utf-8")
    names = [f"{s} ({SIZES[s]['num_layers']}x{SIZES[s]['units']})" for s in sizes]
    print(f"| characters | {' | '.join(names)} |")
    print("|---" * (len(sizes) + 1) + "|")
    for length in lengths:
        scores = [best_score(text[:length], size, max_minutes) for size in sizes]
        print(f"| {length:,} | {' | '.join(f'{s:.3f}' for s in scores)} |", flush=True)


def best_score(text: str, size: str, max_minutes: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        path.write_text(text, encoding="utf-8")
        run = textgen.train(
            path, Path(folder, "run"), size=size, max_minutes=max_minutes, quiet=True
        )
        return float(textgen.load_checkpoint(run).facts["score"]["val_bits_per_char"])


if __name__ == "__main__":
    main()
