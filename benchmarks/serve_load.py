"""How does the server do under load, compared with one batch of the same size?

    python benchmarks/serve_load.py

Starts `textgen serve` on an untrained model, as speed does not depend on weights, and reads
1, 8, 64 and 200 streams at once. Every text is compared with that of the same seed written
alone: none may be lost, mixed or reordered; rounding in another batch changes a text very
rarely. Then many short requests show whether the memory of the server grows. Needs Linux.
The readers are a process of their own on the same machine; close other programs first. The
processor time of the server, compared with that of the batch, hardly depends on others.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer

CHARACTERS = "\n" + "".join(map(chr, range(32, 96)))  # 65 symbols
PROMPT = "THE SAME BEGINNING "
BATCH = 64  # of the comparison


class Cost(NamedTuple):
    """What characters took."""

    per_second: float
    processor_us: float  # for each


class Server(NamedTuple):
    """Where it listens, and its process."""

    host: str
    port: int
    pid: int


@dataclass
class Reading:
    """What one reader saw: its text, and when each piece of it came."""

    began: float
    text: str = ""
    times: list[float] = field(default_factory=list)

    @property
    def to_first(self) -> float:
        """Seconds to the first piece."""
        return self.times[0] - self.began

    @property
    def gaps(self) -> list[float]:
        """Seconds between two pieces."""
        return np.diff(self.times).tolist()


@click.command()
@click.option("--layers", default=2, show_default=True)
@click.option("--units", default=256, show_default=True)
@click.option("--streams", type=int, multiple=True, default=(1, 8, 64, 200))
@click.option("--length", default=400, show_default=True, help="Characters of a text.")
@click.option("--rounds", default=3, show_default=True, help="Measurements of a row.")
@click.option("--requests", default=10_000, show_default=True, help="Short requests.")
def main(
    layers: int,
    units: int,
    streams: tuple[int, ...],
    length: int,
    rounds: int,
    requests: int,
) -> None:
    """Print the tables of benchmarks/README.md."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save_untrained(path, layers, units)
        batch = batch_cost(path, length)
        expected = alone(path, max(streams), length)
        print(
            f"{layers}x{units}; {BATCH} texts in one batch: {batch.per_second:,.0f} "
            f"characters/s, {batch.processor_us:.1f} µs of processor time for each"
        )
        with serving(path, max(streams)) as server:
            show_head()
            for count in streams:
                show_row(server, count, length, rounds, batch, expected)
            memory(server, requests)


def save_untrained(path: Path, layers: int, units: int) -> None:
    config = ModelConfig(
        vocab_size=len(CHARACTERS), num_layers=layers, units=units, embedding_dim=64
    )
    rng = np.random.default_rng(0)
    shapes = config.weight_shapes().items()
    weights = {k: rng.normal(0, 0.1, s).astype(np.float32) for k, s in shapes}
    save_checkpoint(path, Checkpoint(config, CharTokenizer(CHARACTERS), weights))


def alone(path: Path, count: int, length: int) -> list[str]:
    """The text of each seed, written by itself."""
    generator = Generator.load(path)
    return [generator.generate(PROMPT, seed=n, length=length) for n in range(count)]


def batch_cost(path: Path, length: int) -> Cost:
    """The best of texts that begin and end together, in a new process."""
    code = (
        "import sys, time; from textgen import Generator\n"
        "path, prompt, count, length = sys.argv[1:]\n"
        "generator, walls, processor = Generator.load(path), [], []\n"
        "for _ in range(5):\n"
        "    wall, own = time.perf_counter(), time.process_time()\n"
        "    list(generator.samples(prompt, int(count), seed=0, length=int(length)))\n"
        "    walls.append(time.perf_counter() - wall)\n"
        "    processor.append(time.process_time() - own)\n"
        "print(min(walls), min(processor))"
    )
    command = [sys.executable, "-c", code, str(path), PROMPT, str(BATCH), str(length)]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    wall, processor = map(float, output.split())
    return Cost(BATCH * length / wall, 1e6 * processor / (BATCH * length))


def processor_seconds(pid: int) -> float:
    """What a process has used so far."""
    # The name, in brackets, may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(path: Path, most: int) -> Iterator[Server]:
    """Run the server on a free port."""
    limits = ["--max-streams", str(most), "--max-seconds", "3600"]
    command = [sys.executable, "-m", "textgen", "serve", str(path), "--port", "0", *limits]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        host, _, port = process.stdout.readline().strip(" /\n")[7:].partition(":")
        try:
            yield Server(host, int(port), process.pid)
        finally:
            process.terminate()


# --- many streams at once ---


def show_head() -> None:
    columns = ["streams", "characters/s", f"of {BATCH} in one batch"]
    columns += ["processor time of the server, µs per character", "of the batch"]
    columns += ["to the first character, p50, p99, ms", "between pieces, p50, p99, ms"]
    columns += ["characters per piece", "texts as alone"]
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|", flush=True)


def show_row(
    server: Server, count: int, length: int, rounds: int, batch: Cost, expected: list[str]
) -> None:
    """Measure and print one number of streams."""
    asyncio.run(read_all(server, count, 20))
    costs, readings = [], []
    for _ in range(rounds):
        begin, used = time.perf_counter(), processor_seconds(server.pid)
        readings += asyncio.run(read_all(server, count, length))
        used = processor_seconds(server.pid) - used
        wall = time.perf_counter() - begin
        costs.append(Cost(count * length / wall, 1e6 * used / (count * length)))
    wrong = [r for r in readings if len(r.text) != length]
    assert not wrong, f"{len(wrong)} texts are not whole"
    equal = sum(r.text == expected[n % count] for n, r in enumerate(readings))
    speed, processor_us = np.median(costs, axis=0).tolist()
    gaps = [gap for reading in readings for gap in reading.gaps]
    pieces = sum(len(reading.times) for reading in readings)
    cells = [
        str(count),
        f"{speed:,.0f}",
        f"{speed / batch.per_second:.2f}",
        f"{processor_us:.1f}",
        f"{batch.processor_us / processor_us:.2f}",
        milliseconds([reading.to_first for reading in readings]),
        milliseconds(gaps),
        f"{len(readings) * length / pieces:.1f}",
        f"{equal} of {len(readings)}",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


def milliseconds(seconds: list[float]) -> str:
    return ", ".join(f"{1000 * each:.0f}" for each in np.percentile(seconds, [50, 99]))


async def read_all(server: Server, count: int, length: int) -> list[Reading]:
    """Read texts with the seeds 0, 1, ... at once."""
    return await asyncio.gather(*(read(server, seed, length) for seed in range(count)))


async def read(server: Server, seed: int, length: int) -> Reading:
    """Read one stream to its end."""
    fields = {"prompt": PROMPT, "seed": seed, "max_tokens": length, "stream": True}
    reading = Reading(time.perf_counter())
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(request(server, fields, "close"))
    async for line in reader:
        if line.startswith(b"data: {"):
            reading.times.append(time.perf_counter())
            reading.text += json.loads(line[6:])["choices"][0]["text"]
    writer.close()
    return reading


def request(server: Server, fields: dict[str, object], connection: str) -> bytes:
    body = json.dumps(fields).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: {server.host}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Connection: {connection}\r\n\r\n"
    )
    return head.encode() + body


# --- many requests ---


def memory(server: Server, requests: int) -> None:
    """Print the memory of the server after more and more requests."""
    done, parts = 0, []
    for share in (0.1, 0.5, 1.0):
        asyncio.run(ask_many(server, int(requests * share) - done))
        done = int(requests * share)
        parts.append(f"{resident(server.pid):,.0f} after {done:,}")
    print(f"\nMiB of memory: {', '.join(parts)} requests", flush=True)


async def ask_many(server: Server, requests: int) -> None:
    """Short requests, by 8 clients that keep their connections."""
    left = iter(range(requests))

    async def client() -> None:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        for seed in left:
            fields = {"prompt": PROMPT[: seed % 19], "seed": seed, "max_tokens": 8}
            writer.write(request(server, fields, "keep-alive"))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            size = int(head.lower().partition(b"content-length: ")[2].split()[0])
            await reader.readexactly(size)
        writer.close()

    await asyncio.gather(*(client() for _ in range(8)))


def resident(pid: int) -> float:
    """MiB of memory that a process has."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line[:5] == "VmRSS") / 1024


if __name__ == "__main__":
    main()
