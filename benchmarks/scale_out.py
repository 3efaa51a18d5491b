"""What do more processes gain? Steps of one and of two, the same lanes, one core each.

    python benchmarks/scale_out.py --corpus tinyshakespeare.txt

Three ways take turns: one process on one core, two processes on one core each, and one
process on two cores. All train the same network with the same lanes on JAX, each for the
same number of steps. For each the fastest speed of all rounds is shown, with the largest
memory of a process; and by how much the scores of two processes differ from those of one.

From the times of a step it then fits what a message costs, and says on paper what more
processes would gain: `step_seconds` is the model, explained in docs/scaling.md. The machine
should be idle, and its two cores should not share a physical one.
"""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from textgen.config.model import ModelConfig

VOCAB = 65
WAYS = {"1 × 1 core": (1, 1), "2 × 1 core": (2, 1), "1 × 2 cores": (1, 2)}
"""Processes, and cores of each."""

NETWORKS = {
    "1 Gbit/s": (1e9 / 8, 1e-3),
    "10 Gbit/s": (1e10 / 8, 1e-4),
    "100 Gbit/s": (1e11 / 8, 2e-5),
}
"""Bytes per second of a link, and seconds that a message takes over it."""


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


def bytes_per_step(num_parameters: int, processes: int) -> float:
    """What each process sends in a step: a ring passes every gradient on twice.

    >>> bytes_per_step(num_parameters=1_000_000, processes=2)
    4000000.0
    """
    return 4 * num_parameters * 2 * (processes - 1) / processes


def step_seconds(
    compute: float,
    num_parameters: int,
    processes: int,
    bytes_per_second: float,
    latency: float,
) -> float:
    """A step of so many processes, whose lanes take `compute` seconds in one.

    The gradients travel when all of them are there: XLA on a CPU does not overlap the two.

    >>> step_seconds(1.0, 1_000_000, 4, bytes_per_second=1e9, latency=1e-3)
    0.262
    """
    rounds = 2 * (processes - 1)
    traffic = bytes_per_step(num_parameters, processes) / bytes_per_second
    return compute / processes + rounds * latency + traffic


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--units", multiple=True, default=[512, 256], show_default=True)
@click.option("--layers", default=2, show_default=True)
@click.option("--lanes", default=64, show_default=True, help="Of all processes together.")
@click.option("--steps", default=60, show_default=True, help="That are timed, each round.")
@click.option("--rounds", default=3, show_default=True)
def main(
    corpus: Path, units: tuple[int, ...], layers: int, lanes: int, steps: int, rounds: int
) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise click.UsageError("two cores are needed")
    print(
        "| network | way | chars/s | against 1 × 1 core | MB per process "
        "| scores differ by |"
    )
    print("|---|---|---|---|---|---|")
    papers = []
    for width in units:
        found = compared(corpus, width, layers, lanes, steps, rounds, cores)
        print_rows(f"{layers}×{width}", found)
        papers.append(on_paper(width, layers, lanes, found))
    print("\n".join(["", *papers]))


def compared(
    corpus: Path,
    units: int,
    layers: int,
    lanes: int,
    steps: int,
    rounds: int,
    cores: list[int],
) -> dict[str, list[Measured]]:
    """All rounds of each way, in turn."""
    found: dict[str, list[Measured]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, (processes, num_cores) in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                command = train_command(
                    corpus, Path(folder), units, layers, lanes, 2 * steps
                )
                found[way].append(run(command, Path(folder), processes, num_cores, cores))
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


def run(
    command: list[str], folder: Path, processes: int, num_cores: int, cores: list[int]
) -> Measured:
    """Train in so many processes, each on its own cores."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = []
    for index in range(processes):
        own = ",".join(map(str, cores[index * num_cores : (index + 1) * num_cores]))
        places = {
            "COORDINATOR_ADDRESS": address,
            "NUM_PROCESSES": str(processes),
            "PROCESS_ID": str(index),
            "KERAS_BACKEND": "jax",
        }
        words = ["taskset", "-c", own, sys.executable, "-m", "textgen", *command]
        if processes > 1:
            words.append("--distributed")
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


def print_rows(network: str, found: dict[str, list[Measured]]) -> None:
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


def on_paper(units: int, layers: int, lanes: int, found: dict[str, list[Measured]]) -> str:
    """The model fitted to one and two processes here, then for more over networks."""
    config = ModelConfig(vocab_size=VOCAB, units=units, num_layers=layers, embedding_dim=64)
    one, two = (
        lanes * 64 / max(each.chars_per_second for each in found[way])
        for way in list(WAYS)[:2]
    )
    sent = bytes_per_step(config.num_parameters, 2)
    lines = [
        f"{layers}×{units}: {config.num_parameters:,} parameters; a step of {lanes} lanes "
        f"takes {1e3 * one:.0f} ms in one process and {1e3 * two:.0f} ms in two, of which "
        f"{1e3 * (two - one / 2):.1f} ms are not computing ({sent / 1e6:.1f} MB sent by "
        "each).",
        "",
        "| processes | lanes | " + " | ".join(NETWORKS) + " |",
        "|---" * (len(NETWORKS) + 2) + "|",
    ]
    for processes in (2, 4, 8, 16, 32, 64):
        gains = [
            one / step_seconds(one, config.num_parameters, processes, rate, latency)
            for rate, latency in NETWORKS.values()
        ]
        shown = " | ".join(f"{gain:.1f}×" for gain in gains)
        lines.append(f"| {processes} | {lanes} | {shown} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
