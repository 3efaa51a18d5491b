"""What do more processes gain? Steps of one and of two, the same lanes, one core each.

    python benchmarks/scale_out.py --corpus tinyshakespeare.txt

The ways take turns: one process on one core, two processes on one core each, over loopback
and over slow links, and one process on two cores. All train the same network with the same
lanes on JAX, each for the same number of steps. For each the fastest speed of all rounds is
shown, with the largest memory of a process; and by how much the scores differ from those of
one process.

To the times of a step with two processes it then fits what messages cost, and says on paper
what more processes would gain (scale_model.py, explained in docs/scaling.md). The machine
should be idle, and its two cores should not share a physical one. Where no links can be
made (tests/distributed/link.py), only loopback is measured.
"""

from __future__ import annotations

import csv
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from scale_model import Point, Way, fit_in_words, fitted_costs, on_paper

from tests.distributed.link import ADDRESSES, Link, NotHere
from textgen.config.model import ModelConfig

VOCAB = 65
SINGLE = Way(1, 1)


@dataclass(frozen=True)
class Measured:
    """One training.

    Args:
        chars_per_second: in the steps, without evaluations.
        megabytes: the most that a process has taken.
        scores: of training and validation at each evaluation.
    """

    chars_per_second: float
    megabytes: float
    scores: list[float]


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--units", multiple=True, default=[512, 256], show_default=True)
@click.option("--layers", default=2, show_default=True)
@click.option("--lanes", default=64, show_default=True, help="Of all processes together.")
@click.option("--steps", default=8, show_default=True, help="That are timed, each round.")
@click.option("--rounds", default=2, show_default=True)
@click.option(
    "--link",
    "links",
    type=(float, float),
    multiple=True,
    default=[(1, 1000), (5, 1000), (1, 200)],
    show_default=True,
    help="Delay in ms and Mbit/s. Repeatable.",
)
def main(
    corpus: Path,
    units: tuple[int, ...],
    layers: int,
    lanes: int,
    steps: int,
    rounds: int,
    links: tuple[tuple[float, float], ...],
) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise click.UsageError("two cores are needed")
    ways = [SINGLE, Way(2, 1), *(Way(2, 1, *link) for link in possible(links)), Way(1, 2)]
    print(
        "| network | way | chars/s | against 1 × 1 core | MB per process "
        "| scores differ by |"
    )
    print("|---|---|---|---|---|---|")
    points: list[Point] = []
    for width in units:
        found = compared(ways, corpus, width, layers, lanes, steps, rounds, cores)
        print_rows(f"{layers}×{width}", found)
        points += points_of(width, layers, lanes, found)
    costs = fitted_costs(points)
    print(f"\n{fit_in_words(costs, points)}")
    for point in points:
        if point.way == Way(2, 1):
            print(f"\n{on_paper(point, lanes, costs)}")


def possible(links: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """The links, or none if this machine cannot make any."""
    try:
        with Link(delay_ms=1, mbit=1000):
            return links
    except NotHere as error:
        click.echo(
            f"Only loopback is measured; no links can be made here: {error}", err=True
        )
        return ()


def compared(
    ways: Sequence[Way],
    corpus: Path,
    units: int,
    layers: int,
    lanes: int,
    steps: int,
    rounds: int,
    cores: list[int],
) -> dict[Way, list[Measured]]:
    """All rounds of each way, in turn."""
    found: dict[Way, list[Measured]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            with tempfile.TemporaryDirectory() as folder:
                command = train_command(
                    corpus, Path(folder), units, layers, lanes, 2 * steps
                )
                found[way].append(run(command, Path(folder), way, cores))
    return found


def train_command(
    corpus: Path, folder: Path, units: int, layers: int, lanes: int, steps: int
) -> list[str]:
    options = {
        "--units": units,
        "--num-layers": layers,
        "--embedding-dim": 64,
        "--batch-size": lanes,
        "--epochs": 1,
        # The speed that is read afterwards is that of the second half.
        "--eval-every": steps // 2,
        "--eval-chars": 20_000,
        "--memory": 0,
        "--optimizer": "adamw",
        "--compute-dtype": "float32",
        "--save-minutes": 0,
    }
    text = corpus.read_text(encoding="utf-8")[: int(lanes * 64 * (steps + 0.5) / 0.9)]
    part = folder / "part.txt"
    part.write_text(text, encoding="utf-8")
    words = [str(word) for pair in options.items() for word in pair]
    return ["train", str(part), "--out", str(folder / "run"), *words, "--no-preview"]


def run(command: list[str], folder: Path, way: Way, cores: list[int]) -> Measured:
    """Train in the processes of a way, each on its own cores."""
    if way.mbit == math.inf:
        return run_at(command, folder, way, cores, "127.0.0.1", [[], []])
    with Link(delay_ms=way.delay_ms, mbit=way.mbit) as link:
        return run_at(command, folder, way, cores, ADDRESSES[0], link.prefixes)


def run_at(
    command: list[str],
    folder: Path,
    way: Way,
    cores: list[int],
    host: str,
    prefixes: list[list[str]],
) -> Measured:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"{host}:{free.getsockname()[1]}"
    started = []
    for index in range(way.processes):
        own = ",".join(map(str, cores[index * way.cores : (index + 1) * way.cores]))
        places = {
            "COORDINATOR_ADDRESS": address,
            "NUM_PROCESSES": str(way.processes),
            "PROCESS_ID": str(index),
            "KERAS_BACKEND": "jax",
        }
        words = [*prefixes[index], "taskset", "-c", own, sys.executable, "-m", "textgen"]
        words += [*command, *["--distributed"] * (way.processes > 1)]
        with open(folder / f"{index}.log", "wb") as log:
            started.append(
                subprocess.Popen(
                    words, env={**os.environ, **places}, stdout=log, stderr=log
                )
            )
    memory = [ended(process, folder / f"{n}.log") for n, process in enumerate(started)]
    status = json.loads((folder / "run" / "status.json").read_text())
    with open(folder / "run" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("train_bits_per_char", "val_bits_per_char")
    scores = [float(row[name]) for row in rows for name in names]
    return Measured(status["chars_per_second"], max(memory), scores)


def ended(process: subprocess.Popen[bytes], log: Path) -> float:
    """Wait for a process; return the megabytes that it has taken at most."""
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode:
        raise click.ClickException(log.read_text())
    unit = 1 if sys.platform == "darwin" else 1024
    return float(usage.ru_maxrss * unit / 1e6)


def print_rows(network: str, found: dict[Way, list[Measured]]) -> None:
    single = next(iter(found.values()))
    fastest = max(one.chars_per_second for one in single)
    for way, measured in found.items():
        speed = max(one.chars_per_second for one in measured)
        memory = max(one.megabytes for one in measured)
        differ = max(
            abs(ours / theirs - 1)
            for one in measured
            for ours, theirs in zip(one.scores, single[0].scores, strict=True)
        )
        print(
            f"| {network} | {way} | {speed:,.0f} | {speed / fastest:.2f} | {memory:,.0f} | "
            f"{differ:.0e} |",
            flush=True,
        )


def points_of(
    units: int, layers: int, lanes: int, found: dict[Way, list[Measured]]
) -> list[Point]:
    """The fastest step of each way with two processes."""
    config = ModelConfig(vocab_size=VOCAB, units=units, num_layers=layers, embedding_dim=64)
    seconds = {
        way: lanes * 64 / max(one.chars_per_second for one in measured)
        for way, measured in found.items()
    }
    return [
        Point(f"{layers}×{units}", config.num_parameters, way, seconds[SINGLE], each)
        for way, each in seconds.items()
        if way.processes == 2
    ]


if __name__ == "__main__":
    main()
