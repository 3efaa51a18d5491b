"""How fast does training go, beside plain Keras and PyTorch?

    python benchmarks/train_speed.py --corpus corpora/tinyshakespeare.txt

Trains the same networks on the same windows with every row's own means, and counts the
characters of whole steps: reading the windows, forward, backward, clipping, optimizer.
All rows of a shape stay loaded and take turns, forward and backward through the list,
so that a machine that slows down slows all of them. Needs Linux; rows whose framework
is missing are left out (`pip install ".[bench,jax]"` brings both). Close other programs.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from timeit import repeat
from typing import Any

import click
import numpy as np

from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.text.encoded.windows import Windows, windows
from textgen.text.tokenizers.char import CharTokenizer
from textgen.training.backend.process import (
    keep_memory,
    num_cores,
    processor_flags,
    set_environment,
)
from textgen.wording import say

# "tuned": every worker, also those of the peers, keeps its memory as `textgen train` does.
ALLOCATORS = ("tuned", "default")

# Low enough for every row to stay sound without a schedule; it has no part in the speed.
LEARNING_RATE = 0.001

PROBE_STEPS = 3  # from which a worker learns how long a step takes
PRODUCT_SIZE = 2048
PRODUCT_REPEATS = 8
PRODUCT_LIBRARIES = ("numpy", "tensorflow", "jax", "torch")

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

RunSteps = Callable[[int], None]
"""Trains so many steps and returns when the last one is finished."""


@dataclass(frozen=True)
class Shape:
    """A network and the windows it is trained on."""

    cell: str
    num_layers: int
    units: int
    batch_size: int
    seq_length: int


@dataclass(frozen=True)
class Row:
    """One way to train: whose code, on which framework, computing in which type."""

    library: str
    framework: str
    dtype: str


SHAPES = {
    "2x128": Shape("lstm", 2, 128, batch_size=50, seq_length=50),
    "1x256": Shape("lstm", 1, 256, batch_size=32, seq_length=64),
    "2x512": Shape("lstm", 2, 512, batch_size=64, seq_length=100),
    "gru-2x256": Shape("gru", 2, 256, batch_size=32, seq_length=64),
}

KERAS_TENSORFLOW = "keras tensorflow"
PYTORCH = "pytorch float32"
ROWS = {
    "textgen tensorflow float32": Row("textgen", "tensorflow", "float32"),
    "textgen tensorflow bfloat16": Row("textgen", "tensorflow", "bfloat16"),
    "textgen jax float32": Row("textgen", "jax", "float32"),
    "textgen jax bfloat16": Row("textgen", "jax", "bfloat16"),
    KERAS_TENSORFLOW: Row("keras", "tensorflow", "float32"),
    "keras jax": Row("keras", "jax", "float32"),
    PYTORCH: Row("pytorch", "torch", "float32"),
    "pytorch bfloat16": Row("pytorch", "torch", "bfloat16"),
}


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option(
    "--shape", "shapes", type=click.Choice(list(SHAPES)), multiple=True, default=SHAPES
)
@click.option(
    "--rows", type=click.Choice(list(ROWS)), multiple=True, default=ROWS, help="Repeatable."
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", default=4.0, show_default=True, help="Length of a turn, about.")
@click.option(
    "--allocator", type=click.Choice(ALLOCATORS), default="tuned", show_default=True
)
@click.option("--json", "json_path", type=click.Path(path_type=Path))
@click.option("--worker", hidden=True, help="The row or the peak this process measures.")
def main(
    corpus: Path,
    shapes: tuple[str, ...],
    rows: tuple[str, ...],
    rounds: int,
    seconds: float,
    allocator: str,
    json_path: Path | None,
    worker: str | None,
) -> None:
    if worker is not None:
        if allocator == "tuned":
            keep_memory()
        work(worker, SHAPES[shapes[0]], corpus)
        return
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
    say(f"{name}: left out, {framework} is not installed{how}")
    return False


# --- the parent: workers and their turns ---


@dataclass(frozen=True)
class Block:
    """Steps done in one go, and the most memory the worker has held until their end."""

    num_steps: int
    seconds: float
    peak_memory_mib: float


@dataclass
class Result:
    """What was measured of one row: its first step, then a block a round."""

    first: Block
    blocks: list[Block] = field(default_factory=list)

    def chars_per_second(self, window_chars: int) -> list[float]:
        """The speed of each round."""
        return [window_chars * block.num_steps / block.seconds for block in self.blocks]


class WorkerError(Exception):
    """A worker ended before it had answered."""


class Worker:
    """A process that measures one thing, and works only while it is asked to.

    Args:
        name: what it measures: a row, or `peak` and a library.
        arguments: of the command line, beside the name.
        backend: the one Keras is to take.
    """

    def __init__(
        self, name: str, arguments: Iterable[str], backend: str = "tensorflow"
    ) -> None:
        self.name = name
        self._command = [sys.executable, __file__, "--worker", name, *arguments]
        self._environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERAS_BACKEND": backend,
        }

    def __enter__(self) -> Worker:
        # The frameworks' noise; shown when the worker fails.
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
        """Let the worker train for about so many seconds."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; `answer` says why
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
        The rows whose workers lived to the end, in the order of `rows`.
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
    """Act on one worker after the other; say which ones died, and go on without them."""
    alive = []
    for worker in workers:
        try:
            action(worker)
        except WorkerError as error:
            say(str(error))
        else:
            alive.append(worker)
    return alive


# --- the parent: the limit, the table, the machine ---


@dataclass(frozen=True)
class Peak:
    """The fastest matrix product of one type, as floating-point operations a second."""

    dtype: str
    library: str
    flops: float

    def __str__(self) -> str:
        return f"{self.dtype} {self.flops / 1e9:,.0f} GFLOP/s ({self.library})"


def measure_peaks(common: list[str]) -> dict[str, Peak]:
    """The fastest of the libraries at hand, for each type."""
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


def flops_per_char(config: ModelConfig) -> int:
    """Floating-point operations of the matrix products that learn from one character.

    The look-up in the embedding is none; the gradient of the first layer's input is one.
    """
    num_weights = config.units * config.vocab_size
    for layer in range(config.num_layers):
        num_inputs = config.layer_input_dim(layer) + config.units
        num_weights += config.num_gates * config.units * num_inputs
    # A multiplication and an addition, once forward and twice backward.
    return 2 * 3 * num_weights


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


def ratio(speed: float, other: float | None) -> str:
    return "-" if other is None else f"{speed / other:.2f}"


def machine() -> str:
    """Number of cores and the instruction sets that matter to matrix products."""
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


# --- a worker: answers on what was its stdout, everything else goes to stderr ---


def work(name: str, shape: Shape, corpus: Path) -> None:
    with os.fdopen(os.dup(1), "w", buffering=1) as channel:
        os.dup2(2, 1)

        def answer(values: Mapping[str, Any]) -> None:
            channel.write(json.dumps(values) + "\n")

        kind, _, library = name.partition(" ")
        if kind == "peak":
            answer(product_speeds(library))
            return
        row = ROWS[name]
        job = make_job(shape, corpus, row.dtype)
        makers = {"textgen": textgen_steps, "keras": keras_steps, "pytorch": torch_steps}
        for block in blocks(makers[row.library](job)):
            answer(asdict(block))


def blocks(run_steps: RunSteps) -> Iterable[Block]:
    """The first step, then a block for each line of stdin: about how many seconds."""
    first = timed(run_steps, 1)
    # Before the first answer, which lets the next worker start.
    block = timed(run_steps, PROBE_STEPS)
    yield first
    for line in sys.stdin:
        steps_per_second = block.num_steps / block.seconds
        block = timed(run_steps, max(1, round(float(line) * steps_per_second)))
        yield block


def timed(run_steps: RunSteps, num_steps: int) -> Block:
    start = time.perf_counter()
    run_steps(num_steps)
    return Block(num_steps, time.perf_counter() - start, peak_memory_mib())


def peak_memory_mib() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def product_speeds(library: str) -> dict[str, float]:
    """Floating-point operations a second of the best of several matrix products."""
    dtypes = ("float32",) if library == "numpy" else ("float32", "bfloat16")
    speeds = {}
    for dtype in dtypes:
        multiply = matrix_product(library, dtype)
        seconds = min(repeat(multiply, number=1, repeat=PRODUCT_REPEATS))
        speeds[dtype] = 2 * PRODUCT_SIZE**3 / seconds
    return speeds


def matrix_product(library: str, dtype: str) -> Callable[[], Any]:
    """A product of two square matrices, finished when the call returns."""
    matrix = np.random.default_rng(0).random((PRODUCT_SIZE, PRODUCT_SIZE), np.float32)
    if library == "tensorflow":
        import tensorflow as tf

        tensor = tf.cast(matrix, dtype)
        return lambda: tf.matmul(tensor, tensor)
    if library == "jax":
        import jax.numpy as jnp

        array = jnp.asarray(matrix, dtype)
        return lambda: jnp.matmul(array, array).block_until_ready()
    if library == "torch":
        import torch

        operand = torch.from_numpy(matrix).to(getattr(torch, dtype))
        return lambda: operand @ operand
    return lambda: matrix @ matrix


# --- a worker: the ways to train ---


@dataclass(frozen=True)
class Job:
    """What every row is given: the windows to read, the network, the update rule."""

    windows: Windows
    model: ModelConfig
    train: TrainConfig


def make_job(shape: Shape, corpus: Path, dtype: str = "float32") -> Job:
    text = corpus.read_text(encoding="utf-8")
    tokenizer = CharTokenizer.from_documents([text])
    model = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        cell=shape.cell,
        num_layers=shape.num_layers,
        units=shape.units,
    )
    train = TrainConfig(
        batch_size=shape.batch_size,
        seq_length=shape.seq_length,
        learning_rate=LEARNING_RATE,
        compute_dtype=dtype,
    )
    lanes = windows(tokenizer.encode(text), train.batch_size, train.seq_length)
    return Job(lanes, model, train)


def textgen_steps(job: Job) -> RunSteps:
    """What `textgen train` does between two evaluations."""
    set_environment()
    from textgen.training.backend.devices import data_parallel
    from textgen.training.loop.callbacks import CarryState, Clock, LearningRate, StopOnNan
    from textgen.training.loop.datasets import endless
    from textgen.training.loop.run_state import Budget, RunState
    from textgen.training.loop.schedule import WarmupCosine
    from textgen.training.model.build import build_model
    from textgen.training.model.compiling import compile_model

    train = job.train
    with data_parallel(train.batch_size):
        model = build_model(job.model, train.batch_size, train.seed, train.compute_dtype)
        compile_model(model, job.model, train)
    state, budget = RunState(), Budget(total_steps=10**9)
    schedule = WarmupCosine(train.learning_rate, train.warmup_steps, train.final_rate)
    callbacks = [
        CarryState(state, len(job.windows)),
        LearningRate(schedule, budget, state),
        Clock(state, budget),
        StopOnNan(state),
    ]

    def run_steps(num_steps: int) -> None:
        with data_parallel(train.batch_size):
            model.fit(
                endless(job.windows, state.step),
                steps_per_epoch=num_steps,
                epochs=1,
                shuffle=False,
                callbacks=callbacks,
                verbose=0,
            )
        finish(model)

    return run_steps


def keras_steps(job: Job) -> RunSteps:
    """What someone who knows Keras writes, with Keras' defaults; no state is carried."""
    import keras

    from textgen.training.loop.datasets import endless

    config, train = job.model, job.train
    recurrent = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[config.cell]
    model = keras.Sequential(
        [
            keras.Input((train.seq_length,), dtype="int32"),
            keras.layers.Embedding(config.vocab_size, config.embedding_dim),
            *(
                recurrent(config.units, return_sequences=True)
                for _ in range(config.num_layers)
            ),
            keras.layers.Dense(config.vocab_size),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(
            train.learning_rate,
            weight_decay=config.weight_decay,
            global_clipnorm=train.clip_norm,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def run_steps(num_steps: int) -> None:
        # Keras' own wrapping of a generator could wait for seconds after the last step.
        model.fit(endless(job.windows, 0), steps_per_epoch=num_steps, verbose=0)
        finish(model)

    return run_steps


def finish(model: Any) -> None:
    """Wait for the last step: JAX computes it while Python goes on."""
    np.asarray(model.trainable_variables[-1].value)


def torch_steps(job: Job) -> RunSteps:
    """What someone who knows PyTorch writes: the state carried on, the fused AdamW."""
    import torch

    config, train = job.model, job.train
    recurrent_class = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[config.cell]
    embedding = torch.nn.Embedding(config.vocab_size, config.embedding_dim)
    recurrent = recurrent_class(
        config.embedding_dim, config.units, config.num_layers, batch_first=True
    )
    dense = torch.nn.Linear(config.units, config.vocab_size)
    parameters = list(torch.nn.ModuleList([embedding, recurrent, dense]).parameters())
    optimizer = torch.optim.AdamW(
        parameters, train.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    lanes = job.windows.forever()
    is_bfloat16 = train.compute_dtype == "bfloat16"

    def step(state: Any) -> Any:
        x, y = map(torch.from_numpy, next(lanes))
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
            hidden, state = recurrent(embedding(x), state)
            logits = dense(hidden).flatten(0, 1)
            loss = torch.nn.functional.cross_entropy(logits, y.flatten().long())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, train.clip_norm)
        optimizer.step()
        # An LSTM's state is a pair, a GRU's one tensor.
        return tuple(s.detach() for s in state) if config.cell == "lstm" else state.detach()

    carried: Any = None

    def run_steps(num_steps: int) -> None:
        nonlocal carried
        for _ in range(num_steps):
            carried = step(carried)

    return run_steps


if __name__ == "__main__":
    main()
