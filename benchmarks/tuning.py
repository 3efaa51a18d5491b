"""Does tuning find better options than the defaults?

    python benchmarks/tuning.py --corpus irish_abc.txt --minutes 30 --seeds 3

Tunes on a text, then trains with the best options and with the defaults for equally long,
and scores both on the end of the text, which neither tuning nor training has seen. Without
n-gram memory, which would hide a part of the difference. Close other programs first: all
limits are times.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import click

import textgen

HELD_OUT: dict[str, Any] = {"val_fraction": 0.1, "test_fraction": 0.1, "memory": 0}


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--minutes", default=30.0, show_default=True, help="Of tuning.")
@click.option("--trial-minutes", type=float, help="Also of the final runs.")
@click.option("--init-from", default="auto", show_default=True, help="Or none.")
@click.option("--seeds", default=3, show_default=True, help="How many.")
@click.option("--first-seed", default=0, show_default=True)
def main(
    corpus: Path,
    minutes: float,
    trial_minutes: float | None,
    init_from: str,
    seeds: int,
    first_seed: int,
) -> None:
    begun: dict[str, Any] = {"init_from": init_from, **HELD_OUT}
    print("| seed | trials | defaults | tuned | change | options |")
    print("|---|---|---|---|---|---|")
    each = trial_minutes or minutes / 10
    changes = []
    for seed in range(first_seed, first_seed + seeds):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            found = textgen.tune(
                corpus,
                minutes,
                out=place / "study",
                trial_minutes=each,
                seed=seed,
                quiet=True,
                **begun,
            )
            usual = tested(corpus, place / "usual", {"seed": seed, **begun}, each)
            tuned = tested(corpus, place / "tuned", found.options, each)
        changes.append(tuned / usual - 1)
        options = found.command.partition("--memory 0 ")[2]
        num_trials = len(found.table.splitlines()) - 1
        print(
            f"| {seed} | {num_trials} | {usual:.3f} | {tuned:.3f} | {changes[-1]:+.1%} | "
            f"`{options}` |",
            flush=True,
        )
    print(f"\nMedian change in bits per character: {statistics.median(changes):+.1%}")


def tested(corpus: Path, out: Path, options: dict[str, Any], minutes: float) -> float:
    """Bits per character of the test text after some minutes of training."""
    limited = {**options, "max_minutes": minutes, "preview": False}
    run = textgen.train(corpus, out, quiet=True, **limited)
    return float(textgen.load_checkpoint(run).facts["score"]["test_bits_per_char"])


if __name__ == "__main__":
    main()
