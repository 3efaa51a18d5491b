"""What are LAMB and LARS for? Many lanes at once, in equally many characters.

    python benchmarks/large_batch.py --corpus tinyshakespeare.txt

Trains the same network on the same characters with 32 to 512 lanes. More lanes make fewer
steps, and each has to go further: the learning rate of 32 lanes is multiplied by the square
root of how many times as many there are (You et al. 2019). That of LARS stays the same:
biases, which it moves by their gradient alone, diverge at higher ones. As each optimizer
should have a rate that suits it, half and twice as much are tried as well. A tenth of the
steps warms up. Prints the best validation score in bits per character, and its rate; the
time does not matter, so other programs may run.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from pathlib import Path

import click

import textgen
from textgen.errors import TrainingError

RATES = {
    "adamw": (0.01, 0.5),
    "muon": (0.015, 0.5),
    "lamb": (0.04, 0.5),
    "lars": (10.0, 0.0),
}
"""At `FEWEST` lanes, and the power of the number of lanes with which it grows."""

FACTORS = 0.5, 1.0, 2.0
"""Of each rate."""

FEWEST, SEQ_LENGTH = 32, 64


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--lanes", multiple=True, default=[32, 128, 512], show_default=True)
@click.option("--units", default=128, show_default=True, help="Of one LSTM layer.")
@click.option("--epochs", default=1, show_default=True, help="Passes over the text.")
@click.option("--seeds", default=1, show_default=True, help="The median is shown.")
def main(corpus: Path, lanes: tuple[int, ...], units: int, epochs: int, seeds: int) -> None:
    print(f"| lanes | steps | {' | '.join(RATES)} |")
    print("|---" * (len(RATES) + 2) + "|")
    for count in lanes:
        cells, steps = [], 0
        for name in RATES:
            scores = {}
            for rate in (factor * usual_rate(name, count) for factor in FACTORS):
                found = [
                    trained(corpus, name, rate, count, units, epochs, seed)
                    for seed in range(seeds)
                ]
                steps = found[0][1]
                scores[rate] = statistics.median(score for score, _ in found)
            best = min(scores, key=lambda rate: scores[rate])
            cells.append(f"{scores[best]:.3f} (rate {best:.2g})")
        print(f"| {count} | {steps:,} | {' | '.join(cells)} |", flush=True)


def usual_rate(optimizer: str, lanes: int) -> float:
    at_fewest, power = RATES[optimizer]
    return at_fewest * float(lanes / FEWEST) ** power


def trained(
    corpus: Path,
    optimizer: str,
    rate: float,
    lanes: int,
    units: int,
    epochs: int,
    seed: int,
) -> tuple[float, int]:
    """The best score, infinity if the training diverges, and the number of steps."""
    num_train = int(0.9 * len(corpus.read_text(encoding="utf-8")))
    steps = epochs * num_train // (lanes * SEQ_LENGTH)
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "num_layers": 1,
            "units": units,
            "dropout": 0.0,
            "optimizer": optimizer,
            "learning_rate": rate,
            "batch_size": lanes,
            "seq_length": SEQ_LENGTH,
            "epochs": epochs,
            "warmup_steps": steps // 10,
            "compute_dtype": "float32",
            "memory": 0,
            "seed": seed,
            "quiet": True,
        }
        try:
            run = textgen.train(corpus, Path(folder, "run"), **options)
        except TrainingError:
            return math.inf, steps
        score = textgen.load_checkpoint(run).facts["score"]
    return float(score["val_bits_per_char"]), int(score["step"])


if __name__ == "__main__":
    main()
