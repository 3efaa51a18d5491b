"""How fast is sampling, compared with PyTorch, Keras and the limit of memory bandwidth?

    python benchmarks/sample_speed.py

Measures complete sampling loops: predict, draw at temperature 0.8, feed the character back
as the next input. Speed does not depend on the weights, so they are random. Every row has
a process of its own, which stays alive; the rows take turns, forward and backward through
the list, so that a slowdown of the machine affects all of them. Needs Linux. Rows whose
framework is missing are skipped; `pip install ".[bench]"` installs PyTorch. Close other
programs first: the threads of a matrix product wait for each other, so a busy core costs
far more than its share.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np

from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer
from textgen.training.backend.keras import load_keras
from textgen.wording import install_command

CHARACTERS = "\n" + "".join(map(chr, range(32, 96)))  # 65 symbols
WINDOW = 40  # characters that the usual Keras recipe reads again for every new one
MODELS = {"2x128": (2, 128), "2x256": (2, 256), "2x512": (2, 512), "3x1024": (3, 1024)}
ROWS = {
    "textgen": None,
    "textgen, all filters": None,
    "pytorch, nn.LSTM stepped": "torch",
    "keras, predict, stateful": "keras",
    f"keras, predict, {WINDOW} characters": "keras",
}
TEXTGEN, ALL_FILTERS, PYTORCH = list(ROWS)[:3]
FILTERS: dict[str, Any] = {
    "repetition_penalty": 1.1,
    "frequency_penalty": 0.01,
    "presence_penalty": 0.01,
    "dry_multiplier": 0.8,
    "no_repeat_ngram_size": 30,
    "top_k": 40,
    "top_p": 0.95,
    "min_p": 0.02,
    "typical_p": 0.95,
}
LONGEST = 1_000  # characters of a text sampled alone; then the next one starts
LENGTH = 100  # characters of each text of a batch
TEMPERATURE = 0.8

Sampler = Callable[[float], float]
"""Samples for this many seconds; returns characters per second."""


@click.command()
@click.option("--model", "models", type=click.Choice(list(MODELS)), multiple=True)
@click.option("--batch", "batches", type=int, multiple=True, default=(1, 16, 64))
@click.option("--row", "rows", type=click.Choice(list(ROWS)), multiple=True)
@click.option("--seconds", default=1.0, show_default=True, help="Length of a measurement.")
@click.option("--rounds", default=5, show_default=True, help="Measurements per row.")
@click.option("--worker", hidden=True)
def main(
    models: tuple[str, ...],
    batches: tuple[int, ...],
    rows: tuple[str, ...],
    seconds: float,
    rounds: int,
    worker: str | None,
) -> None:
    """Print the tables of benchmarks/README.md."""
    if worker:
        serve(worker)
        return
    wanted = rows or tuple(ROWS)
    missing = [row for row in wanted if ROWS[row] and not find_spec(str(ROWS[row]))]
    for row in missing:
        how = install_command("bench")
        click.echo(f"{row}: skipped, {ROWS[row]} is not installed: {how}", err=True)
    found = tuple(row for row in wanted if row not in missing)
    show_head(found)
    for model in models or MODELS:
        for batch in batches:
            compare(model, batch, found, seconds, rounds)
    first_characters(rounds)
    memory()


def compare(
    model: str, batch: int, rows: tuple[str, ...], seconds: float, rounds: int
) -> None:
    """Measure the rows in turn, for one model and one batch size."""
    with ExitStack() as stack:
        workers = {row: stack.enter_context(start(row)) for row in rows}
        for row in rows:
            ask(workers[row], [*MODELS[model], batch, 0.0])  # builds the model and warms up
        speeds: dict[str, list[float]] = {row: [] for row in rows}
        bandwidths = []
        for number in range(rounds):
            for row in rows if number % 2 == 0 else rows[::-1]:
                speeds[row].append(ask(workers[row], [*MODELS[model], batch, seconds]))
            bandwidths.append(read_bandwidth(num_weight_bytes(*MODELS[model])))
    show(model, batch, speeds, statistics.median(bandwidths))


def show_head(rows: tuple[str, ...]) -> None:
    """Print the header of the table."""
    first, *others = rows
    columns = ["model", "at once", first, "lowest to highest", *others, "share of limit"]
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|", flush=True)


def show(model: str, batch: int, speeds: dict[str, list[float]], bandwidth: float) -> None:
    """Print characters per second, and how many times faster the first row is."""
    medians = [statistics.median(values) for values in speeds.values()]
    values = next(iter(speeds.values()))
    cells = [model, str(batch), f"{medians[0]:,.0f}"]
    cells.append(f"{min(values):,.0f} to {max(values):,.0f}")
    cells += [f"{each:,.0f} ({medians[0] / each:,.2f}x)" for each in medians[1:]]
    # A batch shares each read of the weights, so the limit applies to single texts only.
    limit = bandwidth / num_weight_bytes(*MODELS[model])
    cells.append(f"{medians[0] / limit:.0%} of {limit:,.0f}" if batch == 1 else "")
    print("| " + " | ".join(cells) + " |", flush=True)


# --- workers: one process for each row ------------------------------------------


def start(row: str) -> subprocess.Popen[str]:
    """Start the process that measures a row on request."""
    return subprocess.Popen(
        [sys.executable, __file__, "--worker", row],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(worker: subprocess.Popen[str], request: list[float]) -> float:
    """Send a worker its request: layers, units, batch, seconds."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(json.dumps(request) + "\n")
    worker.stdin.flush()
    answer = worker.stdout.readline()
    if not answer:
        raise SystemExit("a worker ended early; see its message above")
    return float(answer)


def serve(row: str) -> None:
    """Answer requests from stdin until it is closed."""
    make = {
        TEXTGEN: textgen_sampler,
        ALL_FILTERS: filtering_sampler,
        PYTORCH: torch_sampler,
    }
    for name in list(ROWS)[3:]:
        make[name] = stateful_sampler if name.endswith("stateful") else window_sampler
    made: dict[tuple[int, ...], Sampler] = {}
    for line in sys.stdin:
        *shape, seconds = json.loads(line)
        if tuple(shape) not in made:
            made[tuple(shape)] = make[row](*shape)
            made[tuple(shape)](0.2)
        speed = made[tuple(shape)](seconds) if seconds else 0.0
        print(speed, flush=True)


def timed(count: int, steps: Iterator[Any]) -> Sampler:
    """Time steps that sample `count` characters each."""

    def sample_for(seconds: float) -> float:
        number, begin = 0, time.perf_counter()
        while not number or time.perf_counter() - begin < seconds:
            next(steps)
            number += 1
        return number * count / (time.perf_counter() - begin)

    return sample_for


def textgen_sampler(layers: int, units: int, batch: int, **settings: Any) -> Sampler:
    generator = Generator(*untrained(layers, units), CharTokenizer(CHARACTERS))
    options = {"length": LONGEST, "temperature": TEMPERATURE, "seed": 0, **settings}

    def one_character() -> Iterator[str]:
        while True:
            yield from generator.stream(**options)

    def many_texts() -> Iterator[None]:
        while True:
            samples = generator.samples("", batch, **options | {"length": LENGTH})
            assert sum(len(sample.text) for sample in samples) == batch * LENGTH
            yield

    if batch == 1:
        return timed(1, one_character())
    return timed(batch * LENGTH, many_texts())


def filtering_sampler(layers: int, units: int, batch: int) -> Sampler:
    return textgen_sampler(layers, units, batch, **FILTERS)


def torch_sampler(layers: int, units: int, batch: int) -> Sampler:
    import torch

    embedding = torch.nn.Embedding(len(CHARACTERS), 64)
    lstm = torch.nn.LSTM(64, units, layers)
    output = torch.nn.Linear(units, len(CHARACTERS))

    @torch.inference_mode()
    def steps() -> Iterator[None]:
        ids, state = torch.zeros(1, batch, dtype=torch.long), None
        while True:
            y, state = lstm(embedding(ids), state)
            probabilities = torch.softmax(output(y[0]) / TEMPERATURE, dim=-1)
            ids = torch.multinomial(probabilities, 1).T
            # The caller needs the character as a number.
            ids.tolist()
            yield

    return timed(batch, steps())


def stateful_sampler(layers: int, units: int, batch: int) -> Sampler:
    model = keras_model(layers, units, batch, stateful=True)
    rng = np.random.default_rng(0)

    def steps() -> Iterator[None]:
        ids = np.zeros((batch, 1), np.int32)
        while True:
            ids = draw(model.predict(ids, batch, verbose=0), rng)[:, np.newaxis]
            yield

    return timed(batch, steps())


def window_sampler(layers: int, units: int, batch: int) -> Sampler:
    model = keras_model(layers, units, batch, stateful=False)
    rng = np.random.default_rng(0)

    def steps() -> Iterator[None]:
        window = np.zeros((batch, WINDOW), np.int32)
        while True:
            ids = draw(model.predict(window, batch, verbose=0), rng)
            window = np.concatenate([window[:, 1:], ids[:, np.newaxis]], axis=1)
            yield

    return timed(batch, steps())


def keras_model(layers: int, units: int, batch: int, *, stateful: bool) -> Any:
    # It also silences the log output of the framework.
    keras = load_keras()
    time_steps = 1 if stateful else WINDOW
    ids = keras.Input(batch_shape=(batch, time_steps), dtype="int32")
    x = keras.layers.Embedding(len(CHARACTERS), 64)(ids)
    for layer in range(layers):
        x = keras.layers.LSTM(
            units, return_sequences=layer < layers - 1, stateful=stateful
        )(x)
    return keras.Model(ids, keras.layers.Dense(len(CHARACTERS))(x))


def draw(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sample one id from each row of `(batch, vocab)`."""
    weights = np.exp((logits - logits.max(1, keepdims=True)) / TEMPERATURE).cumsum(1)
    points = rng.random((len(weights), 1)) * weights[:, -1:]
    return (weights <= points).sum(1).astype(np.int32)


def untrained(layers: int, units: int) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    config = ModelConfig(vocab_size=len(CHARACTERS), num_layers=layers, units=units)
    return config, {
        name: rng.normal(0, 0.05, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }


# --- limits ---------------------------------------------------------------------


def num_weight_bytes(layers: int, units: int) -> int:
    """Bytes read per character: every matrix except the first layer's input kernel.

    The first layer's input product is a look-up of one row in a table.
    """
    shapes = untrained_shapes(layers, units)
    touched = [
        shape
        for name, shape in shapes.items()
        if "kernel" in name and name != "layers.0.kernel"
    ]
    return 4 * sum(rows * columns for rows, columns in touched)


def untrained_shapes(layers: int, units: int) -> dict[str, tuple[int, ...]]:
    config = ModelConfig(vocab_size=len(CHARACTERS), num_layers=layers, units=units)
    return config.weight_shapes()


def read_bandwidth(num_bytes: int) -> float:
    """Bytes per second when all cores together read `num_bytes` repeatedly."""
    from concurrent.futures import ThreadPoolExecutor

    num_threads = len(os.sched_getaffinity(0))
    part = np.ones(num_bytes // 4 // num_threads, np.float32)
    parts = [part.copy() for _ in range(num_threads)]
    repeats = max(1, int(5e8 / num_bytes))

    def read(numbers: np.ndarray) -> None:
        for _ in range(repeats):
            numbers.max()

    best = float("inf")
    with ThreadPoolExecutor(num_threads) as pool:
        for _ in range(5):
            begin = time.perf_counter()
            list(pool.map(read, parts))
            best = min(best, time.perf_counter() - begin)
    return num_bytes * repeats / best


# --- the command ----------------------------------------------------------------


def first_characters(rounds: int) -> None:
    """Print the time from starting a command to its first output."""
    print(f"\n| from start to | seconds: median of {rounds} | longest |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        save(folder, 2, 256)
        sample = ["sample", folder + "/model", "--length", "2000"]
        for name, arguments in (("`--help`", ["--help"]), ("first character", sample)):
            times = [first_output(arguments) for _ in range(rounds)]
            print(f"| {name} | {statistics.median(times):.2f} | {max(times):.2f} |")


def first_output(arguments: list[str]) -> float:
    command = [sys.executable, "-m", "textgen", *arguments]
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        seconds = time.perf_counter() - begin
        process.stdout.read()
    return seconds


def memory() -> None:
    """Print the memory that `textgen sample` needs in addition to the weights."""
    print("\n| model | weights MiB | `textgen sample`, peak MiB | on top of the weights |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for model in ("2x512", "3x1024"):
            config = save(folder, *MODELS[model])
            weights = 4 * config.num_parameters / 2**20
            # Not getrusage: its peak may be that of the parent process.
            code = (
                "import sys\n"
                "from textgen.__main__ import run\n"
                "run(sys.argv[1:])\n"
                "status = open('/proc/self/status').read()\n"
                "print(status.split('VmHWM:')[1].split()[0], file=sys.stderr)"
            )
            command = [sys.executable, "-c", code, "sample", folder + "/model"]
            result = subprocess.run(
                [*command, "--length", "50"], capture_output=True, text=True, check=True
            )
            peak = float(result.stderr.split()[-1]) / 1024
            print(f"| {model} | {weights:.0f} | {peak:.0f} | {peak - weights:.0f} |")


def save(folder: str, layers: int, units: int) -> ModelConfig:
    config, weights = untrained(layers, units)
    checkpoint = Checkpoint(config, CharTokenizer(CHARACTERS), weights)
    save_checkpoint(Path(folder, "model"), checkpoint)
    return config


if __name__ == "__main__":
    main()
