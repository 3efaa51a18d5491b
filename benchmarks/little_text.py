"""What do the settings for little text gain over those for more?

    python benchmarks/little_text.py --corpus corpora/little_harbour.txt

Trains on prefixes of a text, once with the usual options of the size that the text gets and
once with `LITTLE_TEXT`, and prints the best validation score in bits per character with its
epoch. Run it before changing `textgen/config/sizes.py`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

import textgen
from textgen.config.sizes import LITTLE_TEXT, SIZES
from textgen.config.train import TrainConfig

USUAL = {name: getattr(TrainConfig, name) for name in ("batch_size", "warmup_steps")}
RECIPES: dict[str, dict[str, Any]] = {
    "as for more text": {**SIZES["tiny"], **USUAL, "epochs": 100, "weight_drop": 0.0},
    "for little text": {**SIZES["tiny"], **LITTLE_TEXT},
}


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--documents", default="whole", show_default=True)
@click.option("--chars", "lengths", multiple=True, default=[5_000, 12_000, 20_000])
def main(corpus: Path, documents: str, lengths: tuple[int, ...]) -> None:
    text = corpus.read_text(encoding="utf-8")
    print(f"| characters | {' | '.join(RECIPES)} |")
    print("|---" * (len(RECIPES) + 1) + "|")
    for length in lengths:
        scores = [best(text[:length], documents, recipe) for recipe in RECIPES.values()]
        print(f"| {length:,} | {' | '.join(scores)} |", flush=True)


def best(text: str, documents: str, options: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        path.write_text(text, encoding="utf-8")
        run = textgen.train(
            path,
            Path(folder, "run"),
            documents=documents,
            init_from="none",
            quiet=True,
            **options,
        )
        score = textgen.load_checkpoint(run).facts["score"]
        return f"{score['val_bits_per_char']:.3f} at epoch {score['epoch']:.0f}"


if __name__ == "__main__":
    main()
