"""How well does text with a pattern fit the model, with particles and with a mask alone?

    python benchmarks/patterns.py --run checkpoints/demo
    python benchmarks/patterns.py --run checkpoints/shakespeare --shakespeare
    python benchmarks/patterns.py --run checkpoints/demo --ways

Prints the median, over seeds, of the bits per character that the model gives to a text
that matches: the fewer, the more it is like what the model writes on its own (no
constraint, temperature or filters). Characters per second of processor time cover whole
calls of `generate`. With `--ways`, it compares variants of the particles over all patterns.
"""

from __future__ import annotations

import math
import statistics
import time
from typing import Any

import click

from textgen.generation.decoding import particles
from textgen.generation.generator import Generator

TEMPERATURE = 0.8
FABLES = {
    r"On [A-Z][a-z]+day, [^.]*[.]": 200,
    r"THE [A-Z]+ AND THE [A-Z]+": 200,
    r'"[A-Z][a-z]+[?]" said [A-Z][a-z]+': 200,
    r"(The|A) [a-z]+ of [a-z]+": 200,
    r"[A-Z][a-z]+ and [A-Z][a-z]+ went to the [a-z]+": 200,
    r"the [a-z]+, the [a-z]+ and the [a-z]+": 200,
    r"[A-Z][^.]{40,80}[.]": 200,
}
SHAKESPEARE = {
    r"(The|A) [a-z]+ of [a-z]+": 200,
    r"[A-Z][a-z]+ and [A-Z][a-z]+": 200,
    r"my [a-z]+ and thy [a-z]+": 200,
    r"the [a-z]+, the [a-z]+ and the [a-z]+": 200,
    r"I will [a-z]+ the [a-z]+": 200,
    r"[A-Z][a-z]+ is the [a-z]+ of the [a-z]+": 200,
    r"[A-Z]+:\n[A-Z][a-z]+, my [a-z]+, [^.]*[.]": 200,
}
WAYS: dict[str, dict[str, float]] = {
    "mask alone": {"count": 1},
    "16 particles, no outlook": {"trust": 0.0},
    "the same, resampled at every step": {"trust": 0.0, "share": 1.1},
    "256 particles, no outlook": {"trust": 0.0, "count": 256},
    "outlook trusted to 0.5": {"trust": 0.5},
    "outlook trusted to 0.7 (default)": {},
    "outlook trusted to 1": {"trust": 1.0},
    "outlook, resampled at every step": {"share": 1.1},
    "outlook, 64 particles": {"count": 64},
}


@click.command()
@click.option("--run", default="checkpoints/demo", show_default=True)
@click.option("--shakespeare", is_flag=True, help="Patterns for Tiny Shakespeare.")
@click.option("--seeds", default=15, show_default=True)
@click.option("--ways", is_flag=True, help="Compare variants of the particles.")
def main(run: str, shakespeare: bool, seeds: int, ways: bool) -> None:
    """Print a table of benchmarks/README.md."""
    generator = Generator.load(run)
    patterns = SHAKESPEARE if shakespeare else FABLES
    if ways:
        compare_ways(generator, patterns, seeds)
    else:
        compare_patterns(generator, patterns, seeds)


def compare_patterns(generator: Generator, patterns: dict[str, int], seeds: int) -> None:
    """One row for each pattern, with one particle and with 16."""
    print(
        "| pattern | mask alone: bits/char | characters | 16 particles: bits/char "
        "| characters | difference | characters/s: mask alone | 16 particles |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for pattern, length in patterns.items():
        rows = [
            measure(generator, pattern, length, count=count, seeds=seeds)
            for count in (1, 16)
        ]
        (one, one_length, one_speed), (many, many_length, many_speed) = rows
        shown = pattern.replace("\n", "\\n").replace("|", "\\|")
        print(
            f"| `{shown}` | {one:.2f} | {one_length:.0f} | {many:.2f} | {many_length:.0f} "
            f"| {one - many:.2f} | {one_speed:,.0f} | {many_speed:,.0f} |",
            flush=True,
        )


def compare_ways(generator: Generator, patterns: dict[str, int], seeds: int) -> None:
    """One row for each way, over all patterns."""
    defaults = particles.TRUST, particles.MIN_EFFECTIVE_SHARE
    print("| way | bits/char: mean of medians | highest median | longest median |")
    print("|---|---|---|---|")
    for name, way in WAYS.items():
        particles.TRUST = way.get("trust", defaults[0])
        particles.MIN_EFFECTIVE_SHARE = way.get("share", defaults[1])
        count = int(way.get("count", 16))
        rows = [
            measure(generator, *each, count=count, seeds=seeds) for each in patterns.items()
        ]
        bits = [row[0] for row in rows]
        longest = max(row[1] for row in rows)
        print(
            f"| {name} | {statistics.mean(bits):.2f} | {max(bits):.2f} | {longest:.0f} |",
            flush=True,
        )
    particles.TRUST, particles.MIN_EFFECTIVE_SHARE = defaults


def measure(
    generator: Generator, pattern: str, length: int, *, count: int, seeds: int
) -> tuple[float, float, float]:
    """Medians of bits per character and of characters, and characters per second."""
    options: dict[str, Any] = {
        "pattern": pattern,
        "length": length,
        "temperature": TEMPERATURE,
        "particles": count,
    }
    begin = time.process_time()
    texts = [generator.generate(seed=seed, **options) for seed in range(seeds)]
    speed = sum(map(len, texts)) / (time.process_time() - begin)
    samples = (
        sample
        for seed in range(seeds)
        for sample in generator.samples(seed=seed, logprobs=0, **options)
    )
    bits = [-each.logprob / math.log(2) / max(len(each.text), 1) for each in samples]
    return statistics.median(bits), statistics.median(map(len, texts)), speed


if __name__ == "__main__":
    main()
