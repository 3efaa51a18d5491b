"""How fast does onnxruntime compute an exported model, beside the NumPy half?

    OMP_NUM_THREADS=1 python benchmarks/onnx_speed.py

One step after the other, as in writing: ids and states go in, logits and states come out.
Nothing is drawn. Speed does not depend on the weights, so they are random. Both use one
thread and take turns, so that a slowdown of the machine affects both. Needs the extra
`onnx` and onnxruntime.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import onnxruntime

from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.exporting.export import export
from textgen.generation.network.network import Network
from textgen.text.tokenizers.char import CharTokenizer

CHARACTERS = "\n" + "".join(map(chr, range(32, 96)))  # 65 symbols
MODELS = {"2x256": (2, 256), "2x512": (2, 512)}
BATCHES = (1, 64)


@click.command()
@click.option("--seconds", default=1.0, show_default=True, help="Of each measurement.")
@click.option("--rounds", default=5, show_default=True)
def main(seconds: float, rounds: int) -> None:
    """Print a table."""
    print("| model | batch | NumPy, characters/s | onnxruntime | onnxruntime, int8 |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, (num_layers, units) in MODELS.items():
            config = ModelConfig(len(CHARACTERS), num_layers=num_layers, units=units)
            rng = np.random.default_rng(0)
            weights = {
                key: rng.normal(0, 0.05, shape).astype(np.float32)
                for key, shape in config.weight_shapes().items()
            }
            run = Path(folder) / name
            save_checkpoint(run, Checkpoint(config, CharTokenizer(CHARACTERS), weights))
            for batch in BATCHES:
                steps = [
                    numpy_step(Network(config, weights), batch),
                    *(onnx_step(run, numbers, batch) for numbers in ("float32", "int8")),
                ]
                speeds = [
                    [batch * rate(step, seconds) for step in steps] for _ in range(rounds)
                ]
                middle = map(statistics.median, zip(*speeds, strict=True))
                cells = " | ".join(f"{speed:,.0f}" for speed in middle)
                print(f"| {name} | {batch} | {cells} |", flush=True)


def numpy_step(network: Network, batch: int) -> Callable[[], None]:
    ids, state = [1] * batch, network.initial_state(batch)

    def step() -> None:
        nonlocal state
        _, state = network.step(ids, state)

    return step


def onnx_step(run: Path, numbers: str, batch: int) -> Callable[[], None]:
    output = run.with_name(f"{run.name}-{numbers}.onnx")
    path = export(run, output, format="onnx", weights=numbers, overwrite=True).path
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    values = {
        each.name: np.zeros([batch, *each.shape[1:]], np.float32)
        for each in session.get_inputs()
        if each.name != "ids"
    }
    names = list(values)
    values["ids"] = np.ones((batch, 1), np.int64)
    wanted = ["logits", *(f"next.{name}" for name in names)]

    def step() -> None:
        _, *after = session.run(wanted, values)
        values.update(zip(names, after, strict=True))

    return step


def rate(step: Callable[[], None], seconds: float) -> float:
    """Steps per second."""
    step()
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        step()
        count += 1
    return count / elapsed


if __name__ == "__main__":
    main()
