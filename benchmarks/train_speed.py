"""How fast is training, compared with plain Keras and PyTorch?

    python benchmarks/train_speed.py --corpus corpora/tinyshakespeare.txt

Trains the same networks on the same windows with each library, and counts the characters
of whole steps: reading the windows, forward and backward pass, clipping, optimizer. Every
row has a process of its own (train_rows.py). All rows of a shape stay loaded and take
turns, forward and backward through the list, so that a slowdown of the machine affects
all of them. Needs Linux. Rows whose framework is missing are skipped; `pip install
".[bench,jax]"` installs both. Close other programs first.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import train_rows
from train_rows import (
    ALLOCATORS,
    KERAS_TENSORFLOW,
    PRODUCT_SIZE,
    PYTORCH,
    ROWS,
    SHAPES,
    Block,
    Job,
    make_job,
)

from textgen.config.sizes import SIZES
from textgen.cores import num_cores
from textgen.training.backend.choice import by_speed
from textgen.training.backend.process import processor_flags
from textgen.training.backend.speed import flops_per_char
from textgen.wording import say

PRODUCT_LIBRARIES = ("numpy", "tensorflow", "jax", "torch")
USUAL = [name for name in SHAPES if name not in SIZES]
EXTRAS = {"jax": "jax", "torch": "bench"}
PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy")
INSTRUCTION_SETS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "asimd",
    "bf16",
)


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option(
    "--shape", "shapes", type=click.Choice(list(SHAPES)), multiple=True, default=USUAL
)
@click.option(
    "--rows", type=click.Choice(list(ROWS)), multiple=True, default=ROWS, help="Repeatable."
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--seconds", default=4.0, show_default=True, help="Approximate length of a turn."
)
@click.option(
    "--allocator", type=click.Choice(ALLOCATORS), default="tuned", show_default=True
)
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(
    corpus: Path,
    shapes: tuple[str, ...],
    rows: tuple[str, ...],
    rounds: int,
    seconds: float,
    allocator: str,
    json_path: Path | None,
) -> None:
    rows = tuple(name for name in dict.fromkeys(rows) if is_installed(name))
    common = ["--corpus", str(corpus), "--allocator", allocator]
    peaks = measure_peaks(common)
    print(f"Allocator: {allocator}. Matrix product of {PRODUCT_SIZE}³, best:", end=" ")
    print(", ".join(map(str, peaks.values())), flush=True)
    results: dict[str, dict[str, Result]] = {}
    for shape in dict.fromkeys(shapes):
        results[shape] = measure_shape(shape, rows, rounds, seconds, common)
        print_table(shape, results[shape], make_job(SHAPES[shape], corpus), peaks)
    print(f"\n{machine()}; {versions()}")
    if json_path is not None:
        write_json(json_path, allocator, peaks, results)


def is_installed(name: str) -> bool:
    framework = ROWS[name].framework
    if find_spec(framework) is not None:
        return True
    extra = EXTRAS.get(framework)
    how = f': pip install ".[{extra}]"' if extra else ""
    say(f"{name}: skipped, {framework} is not installed{how}")
    return False


# --- workers and their turns ---


@dataclass
class Result:
    """The measurements of one row: its first step, then one block per round."""

    first: Block
    blocks: list[Block] = field(default_factory=list)

    def chars_per_second(self, window_chars: int) -> list[float]:
        """The speed of each round."""
        return [window_chars * block.num_steps / block.seconds for block in self.blocks]


class WorkerError(Exception):
    """A worker ended before it answered."""


class Worker:
    """A process that measures one row, and is idle between two requests.

    Args:
        name: a row, or `peak` and a library.
        arguments: further command-line arguments.
        backend: the Keras backend.
    """

    def __init__(
        self, name: str, arguments: Iterable[str], backend: str = "tensorflow"
    ) -> None:
        self.name = name
        self._command = [sys.executable, train_rows.__file__, name, *arguments]
        self._environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERAS_BACKEND": backend,
        }

    def __enter__(self) -> Worker:
        # The frameworks' log output; shown only when the worker fails.
        self._noise = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            text=True,
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._noise.close()

    def answer(self) -> dict[str, Any]:
        """Wait for the worker's next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise WorkerError(f"{self.name}: ended with code {code}\n{self._last_words()}")
        return json.loads(line)

    def ask(self, seconds: float) -> Block:
        """Let the worker train for about this many seconds."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the worker has ended; `answer` reports why
        return Block(**self.answer())

    def _last_words(self, num_lines: int = 8) -> str:
        self._noise.seek(0)
        lines = self._noise.read().splitlines()[-num_lines:]
        return "\n".join(f"    {line}" for line in lines)


def measure_shape(
    shape: str,
    rows: Iterable[str],
    rounds: int,
    seconds: float,
    common: list[str],
) -> dict[str, Result]:
    """Start a worker for each row, one after the other, and let them take turns.

    Returns:
        The rows whose workers survived, in the order of `rows`.
    """
    results: dict[str, Result] = {}
    with ExitStack() as stack:

        def start(worker: Worker) -> None:
            stack.enter_context(worker)
            first = Block(**worker.answer())
            results[worker.name] = Result(first)
            say(f"{shape}: {worker.name}: first step {first.seconds:.1f} s")

        def take_turn(worker: Worker) -> None:
            results[worker.name].blocks.append(worker.ask(seconds))

        workers = survivors(start, row_workers(shape, rows, common))
        workers = survivors(lambda worker: worker.ask(seconds), workers)
        say(f"{shape}: warmed up")
        for number in range(rounds):
            workers = survivors(take_turn, workers)
            workers.reverse()
            say(f"{shape}: round {number + 1} of {rounds}")
    alive = {worker.name for worker in workers}
    return {name: result for name, result in results.items() if name in alive}


def row_workers(shape: str, rows: Iterable[str], common: list[str]) -> list[Worker]:
    arguments = [*common, "--shape", shape]
    return [Worker(name, arguments, ROWS[name].framework) for name in rows]


def survivors(action: Callable[[Worker], Any], workers: Iterable[Worker]) -> list[Worker]:
    """Apply `action` to each worker; report the ones that die and continue without them."""
    alive = []
    for worker in workers:
        try:
            action(worker)
        except WorkerError as error:
            say(str(error))
        else:
            alive.append(worker)
    return alive


# --- the limit, the table, the machine ---


@dataclass(frozen=True)
class Peak:
    """The fastest matrix product of one type, in floating-point operations per second."""

    dtype: str
    library: str
    flops: float

    def __str__(self) -> str:
        return f"{self.dtype} {self.flops / 1e9:,.0f} GFLOP/s ({self.library})"


def measure_peaks(common: list[str]) -> dict[str, Peak]:
    """Find the fastest installed library for each type."""
    peaks: dict[str, Peak] = {}
    for library in filter(find_spec, PRODUCT_LIBRARIES):
        with Worker(f"peak {library}", common) as worker:
            try:
                measured = worker.answer()
            except WorkerError as error:
                say(str(error))
                continue
        for dtype, flops in measured.items():
            peak = Peak(dtype, library, flops)
            say(f"matrix product: {peak}")
            peaks[dtype] = max(peaks.get(dtype, peak), peak, key=lambda p: p.flops)
    return peaks


def print_table(
    shape: str, results: Mapping[str, Result], job: Job, peaks: Mapping[str, Peak]
) -> None:
    speeds = {
        name: result.chars_per_second(job.train.window_chars)
        for name, result in results.items()
    }
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    sizes = f"batch {job.train.batch_size} x {job.train.seq_length} characters"
    print(f"\n| {shape}, {sizes} | characters/s: median | lowest to highest", end=" ")
    print("| vs PyTorch float32 | vs Keras TensorFlow | share of limit", end=" ")
    print("| peak memory MiB | first step s |")
    print("|---" * 8 + "|")
    for name, median in medians.items():
        peak = peaks.get(ROWS[name].dtype)
        share = f"{median * flops_per_char(job.model) / peak.flops:.0%}" if peak else "-"
        memory = max(block.peak_memory_mib for block in results[name].blocks)
        print(
            f"| {name} | {median:,.0f} | {min(speeds[name]):,.0f} to "
            f"{max(speeds[name]):,.0f} | {ratio(median, medians.get(PYTORCH))} "
            f"| {ratio(median, medians.get(KERAS_TENSORFLOW))} | {share} "
            f"| {memory:,.0f} | {results[name].first.seconds:.1f} |",
            flush=True,
        )
    order = ", ".join(by_speed(job.model))
    print(f"\n`--backend auto` takes the first of these that is installed: {order}")


def ratio(speed: float, other: float | None) -> str:
    return "-" if other is None else f"{speed / other:.2f}"


def machine() -> str:
    """Number of cores, and the instruction sets that matter for matrix products."""
    sets = [name for name in INSTRUCTION_SETS if name in processor_flags()]
    return f"{num_cores()} cores, {' '.join(sets)}"


def versions() -> str:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return ", ".join(found)


def write_json(
    path: Path,
    allocator: str,
    peaks: Mapping[str, Peak],
    results: Mapping[str, Mapping[str, Result]],
) -> None:
    data = {
        "machine": machine(),
        "versions": versions(),
        "allocator": allocator,
        "peaks": [asdict(peak) for peak in peaks.values()],
        "shapes": {
            shape: asdict(SHAPES[shape])
            | {"rows": {name: asdict(result) for name, result in of_shape.items()}}
            for shape, of_shape in results.items()
        },
    }
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
