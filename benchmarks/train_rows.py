"""The rows of train_speed.py: one way to train each, measured in a process of its own.

    python benchmarks/train_rows.py "textgen jax float32" --shape 2x128 \
        --corpus corpora/tinyshakespeare.txt

train_speed.py starts this script. It answers on stdout, one JSON object per line: the
first training step, then one block of steps for every line of stdin, which gives the
approximate number of seconds. `peak LIBRARY` instead of a row measures matrix products.
Everything that the frameworks print goes to stderr.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from timeit import repeat
from typing import Any

import click
import numpy as np

from textgen.config.model import ModelConfig
from textgen.config.sizes import SIZES
from textgen.config.train import TrainConfig
from textgen.text.encoded.windows import Windows, windows
from textgen.text.tokenizers.char import CharTokenizer
from textgen.training.backend.process import keep_memory, set_environment

# "tuned": every row, including those of the peers, keeps freed memory for the next step,
# as `textgen train` does.
ALLOCATORS = ("tuned", "default")

# Low enough for every row to stay stable without a schedule. It does not affect the speed.
LEARNING_RATE = 0.001

PROBE_STEPS = 3  # tell a worker how long a step takes
PRODUCT_SIZE = 2048
PRODUCT_REPEATS = 8

RunSteps = Callable[[int], None]
"""Trains for this many steps and returns when the last one is finished."""


@dataclass(frozen=True)
class Shape:
    """A network and the windows it is trained on."""

    cell: str
    num_layers: int
    units: int
    batch_size: int
    seq_length: int
    optimizer: str = "adamw"
    sum_layers: bool = False


@dataclass(frozen=True)
class Row:
    """One way to train: a library, its framework and the type it computes in."""

    library: str
    framework: str
    dtype: str


SHAPES = {
    "2x128": Shape("lstm", 2, 128, batch_size=50, seq_length=50),
    "1x256": Shape("lstm", 1, 256, batch_size=32, seq_length=64),
    "2x512": Shape("lstm", 2, 512, batch_size=64, seq_length=100),
    "gru-2x256": Shape("gru", 2, 256, batch_size=32, seq_length=64),
}
SIZE_SHAPES = {
    name: Shape("lstm", size["num_layers"], size["units"], 32, 64, "muon", True)
    for name, size in SIZES.items()
}
"""What `textgen train` trains with Muon. The rows of other libraries take AdamW."""

SHAPES |= SIZE_SHAPES

KERAS_TENSORFLOW = "keras tensorflow"
PYTORCH = "pytorch float32"
ROWS = {
    "textgen tensorflow float32": Row("textgen", "tensorflow", "float32"),
    "textgen tensorflow bfloat16": Row("textgen", "tensorflow", "bfloat16"),
    "textgen jax float32": Row("textgen", "jax", "float32"),
    "textgen jax bfloat16": Row("textgen", "jax", "bfloat16"),
    "textgen torch float32": Row("textgen", "torch", "float32"),
    "textgen torch bfloat16": Row("textgen", "torch", "bfloat16"),
    KERAS_TENSORFLOW: Row("keras", "tensorflow", "float32"),
    "keras jax": Row("keras", "jax", "float32"),
    PYTORCH: Row("pytorch", "torch", "float32"),
    "pytorch bfloat16": Row("pytorch", "torch", "bfloat16"),
}


@dataclass(frozen=True)
class Block:
    """Consecutive steps, and the worker's peak memory up to their end."""

    num_steps: int
    seconds: float
    peak_memory_mib: float


@click.command()
@click.argument("name")
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--shape", type=click.Choice(list(SHAPES)), default="2x128")
@click.option("--allocator", type=click.Choice(ALLOCATORS), default="tuned")
def main(name: str, corpus: Path, shape: str, allocator: str) -> None:
    if allocator == "tuned":
        keep_memory()
    with os.fdopen(os.dup(1), "w", buffering=1) as channel:
        # The frameworks also write to stdout.
        os.dup2(2, 1)

        def answer(values: Mapping[str, Any]) -> None:
            channel.write(json.dumps(values) + "\n")

        kind, _, library = name.partition(" ")
        if kind == "peak":
            answer(product_speeds(library))
            return
        row = ROWS[name]
        job = make_job(SHAPES[shape], corpus, row.dtype)
        makers = {"textgen": textgen_steps, "keras": keras_steps, "pytorch": torch_steps}
        for block in blocks(makers[row.library](job)):
            answer(asdict(block))


def blocks(run_steps: RunSteps) -> Iterable[Block]:
    """Yield the first step, then a block per line of stdin, of about that many seconds."""
    first = timed(run_steps, 1)
    # Before the first answer, because that lets the next worker start.
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
    """Floating-point operations per second of the fastest of several matrix products."""
    dtypes = ("float32",) if library == "numpy" else ("float32", "bfloat16")
    speeds = {}
    for dtype in dtypes:
        multiply = matrix_product(library, dtype)
        seconds = min(repeat(multiply, number=1, repeat=PRODUCT_REPEATS))
        speeds[dtype] = 2 * PRODUCT_SIZE**3 / seconds
    return speeds


def matrix_product(library: str, dtype: str) -> Callable[[], Any]:
    """Return a function that computes a product of square matrices and waits for it."""
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


# --- the ways to train ---


@dataclass(frozen=True)
class Job:
    """What every row receives: training windows, network and optimizer settings."""

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
        sum_layers=shape.sum_layers,
    )
    train = TrainConfig(
        batch_size=shape.batch_size,
        seq_length=shape.seq_length,
        optimizer=shape.optimizer,
        learning_rate=LEARNING_RATE,
        compute_dtype=dtype,
    )
    lanes = windows(tokenizer.encode(text), train.batch_size, train.seq_length)
    return Job(lanes, model, train)


def textgen_steps(job: Job) -> RunSteps:
    """Train as `textgen train` does between two evaluations."""
    set_environment()
    from textgen.training.backend.devices import data_parallel
    from textgen.training.distributed.meeting import Meeting
    from textgen.training.distributed.peers import ALONE
    from textgen.training.loop.callbacks import (
        Clock,
        LearningRate,
        ResetCarriedState,
        StopOnNan,
    )
    from textgen.training.loop.datasets import endless
    from textgen.training.loop.progress import Budget, Progress
    from textgen.training.loop.schedule import WarmupCosine
    from textgen.training.model.build import build_model
    from textgen.training.model.compiling import compile_model

    train = job.train
    with data_parallel(train.batch_size):
        model = build_model(job.model, train.batch_size, train.seed, train.compute_dtype)
        compile_model(model, job.model, train)
    progress, budget = Progress(), Budget(total_steps=10**9)
    schedule = WarmupCosine(train.learning_rate, train.warmup_steps, train.final_rate)
    callbacks = [
        ResetCarriedState(progress, len(job.windows)),
        LearningRate(schedule, budget, progress),
        Clock(progress, budget, 0, Meeting(ALONE, lambda: False)),
        StopOnNan(progress, advice=""),
    ]

    def run_steps(num_steps: int) -> None:
        with data_parallel(train.batch_size):
            model.fit(
                endless(job.windows, progress.step),
                steps_per_epoch=num_steps,
                epochs=1,
                shuffle=False,
                callbacks=callbacks,
                verbose=0,
            )
        finish(model)

    return run_steps


def keras_steps(job: Job) -> RunSteps:
    """Train with plain Keras and its defaults; no state is carried between windows."""
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
        # Keras' own wrapper of a generator can wait for seconds after the last step.
        model.fit(endless(job.windows, 0), steps_per_epoch=num_steps, verbose=0)
        finish(model)

    return run_steps


def finish(model: Any) -> None:
    """Wait for the last step, which JAX computes asynchronously."""
    import keras

    keras.ops.convert_to_numpy(model.trainable_variables[-1])


def torch_steps(job: Job) -> RunSteps:
    """Train with plain PyTorch: carried state and the fused AdamW."""
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
        # The state of an LSTM is a pair, that of a GRU a single tensor.
        return tuple(s.detach() for s in state) if config.cell == "lstm" else state.detach()

    carried: Any = None

    def run_steps(num_steps: int) -> None:
        nonlocal carried
        for _ in range(num_steps):
            carried = step(carried)

    return run_steps


if __name__ == "__main__":
    main()
