"""How fast does text come?

    python benchmarks/sampling.py

Untrained weights of the usual sizes (speed does not depend on what they are): whole
sampling loop at batch 1, beside it the bare matrix products that no loop can do
without, and the time from a command to its first output. Close other programs:
OpenBLAS' threads wait for each other, so a busy core costs far more than its share.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from textgen.checkpoint import Checkpoint, save_checkpoint
from textgen.config import ModelConfig
from textgen.generation.generator import Generator
from textgen.text.tokenizer import CharTokenizer

ROUNDS = 5
CHARACTERS = "\n" + "".join(map(chr, range(32, 96)))  # 65 symbols


def main() -> None:
    print(
        f"| model | characters/s: median of {ROUNDS} | highest | products alone, highest |"
    )
    print("|---|---|---|---|")
    for units, length in ((128, 20_000), (256, 10_000), (512, 4_000)):
        generator = Generator(*untrained(units), CharTokenizer(CHARACTERS))
        speeds = [speed(generator, length) for _ in range(ROUNDS)]
        limit = max(speed_of_products(units, length // 4) for _ in range(ROUNDS))
        print(
            f"| 2x{units} | {statistics.median(speeds):,.0f} | {max(speeds):,.0f} "
            f"| {limit:,.0f} |"
        )
    print()
    print(f"| from the command to | seconds: median of {ROUNDS} | longest |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        config, weights = untrained(256)
        save_checkpoint(
            Path(folder, "model"), Checkpoint(config, CharTokenizer(CHARACTERS), weights)
        )
        sample = ["sample", str(Path(folder, "model")), "--length", "2000"]
        for name, arguments in (("`--help`", ["--help"]), ("first character", sample)):
            times = [first_output(arguments) for _ in range(ROUNDS)]
            print(f"| {name} | {statistics.median(times):.2f} | {max(times):.2f} |")


def untrained(units: int) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    config = ModelConfig(vocab_size=len(CHARACTERS), units=units)
    return config, {
        name: rng.normal(0, 0.05, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }


def speed(generator: Generator, length: int) -> float:
    start = time.perf_counter()
    for _ in generator.stream(length=length, seed=0):
        pass
    return length / (time.perf_counter() - start)


def speed_of_products(units: int, length: int) -> float:
    """Characters per second if only the three recurrent and input products were made."""
    rng = np.random.default_rng(0)
    matrices = [rng.random((units, 4 * units), np.float32) for _ in range(3)]
    vector, out = np.ones(units, np.float32), np.empty(4 * units, np.float32)
    start = time.perf_counter()
    for _ in range(length):
        for matrix in matrices:
            np.dot(vector, matrix, out=out)
    return length / (time.perf_counter() - start)


def first_output(arguments: list[str]) -> float:
    command = [sys.executable, "-m", "textgen", *arguments]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        seconds = time.perf_counter() - start
        process.stdout.read()
    return seconds


if __name__ == "__main__":
    main()
