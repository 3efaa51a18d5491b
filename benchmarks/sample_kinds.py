"""How fast does each architecture write, and does it slow down as its text grows?

    OPENBLAS_NUM_THREADS=1 python benchmarks/sample_kinds.py

Writes one text with each architecture, at batch size 1 and temperature 0.8, and measures
characters per second when little has been written and when much has. Speed does not depend
on the weights, so they are random. The architectures take turns, forward and backward, so
that a slowdown of the machine affects all of them. Seconds are those of the processor, so
waiting for other programs does not count.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import click
import numpy as np
from kinds import KINDS

from textgen.config.model import ModelConfig
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer

CHARACTERS = "\n" + "".join(map(chr, range(32, 96)))  # 65 symbols
SHARE = 5  # a measurement is of one part in so many of all that is written


@click.command()
@click.option("--kind", "kinds", type=click.Choice(list(KINDS)), multiple=True)
@click.option("--num-layers", default=1, show_default=True)
@click.option("--units", default=256, show_default=True)
@click.option("--chars", default=20_000, show_default=True, help="Length of each text.")
@click.option("--rounds", default=3, show_default=True, help="Texts of each architecture.")
def main(
    kinds: tuple[str, ...], num_layers: int, units: int, chars: int, rounds: int
) -> None:
    """Print a table of characters per second of processor time."""
    names = kinds or tuple(KINDS)
    generators = {name: untrained(num_layers, units, KINDS[name]) for name in names}
    speeds: dict[str, list[list[float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            speeds[name].append(list(speeds_of(generators[name], chars)))
    part = chars // SHARE
    first, last = f"first {part:,} characters", f"last {part:,} of {chars:,}"
    print(f"| {num_layers}x{units} | {first} | {last} | last / first |")
    print("|---" * 4 + "|")
    for name in names:
        at_first, *_, at_last = map(statistics.median, zip(*speeds[name], strict=True))
        ratio = f"{at_last / at_first:.2f}"
        print(f"| {name} | {at_first:,.0f} | {at_last:,.0f} | {ratio} |", flush=True)


def speeds_of(generator: Generator, chars: int) -> Iterator[float]:
    """Characters per second of processor time in each part of one text."""
    stream = generator.stream(length=chars, temperature=0.8, seed=0)
    next(stream)  # the first one includes the preparation
    for _ in range(SHARE):
        begin = time.process_time()
        written = sum(1 for _, _ in zip(range(chars // SHARE - 1), stream, strict=False))
        yield written / (time.process_time() - begin)


def untrained(num_layers: int, units: int, options: dict[str, Any]) -> Generator:
    rng = np.random.default_rng(0)
    config = ModelConfig(
        vocab_size=len(CHARACTERS), num_layers=num_layers, units=units, **options
    )
    weights = {
        name: rng.normal(0, 0.05, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Generator(config, weights, CharTokenizer(CHARACTERS))


if __name__ == "__main__":
    main()
