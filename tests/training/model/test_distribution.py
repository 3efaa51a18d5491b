"""What XLA makes of a step on several devices: little passes between them, and late."""

from __future__ import annotations

import re

import numpy as np
import pytest

from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.training.backend.devices import data_parallel
from textgen.training.backend.keras import load_keras
from textgen.training.model.build import build_model
from textgen.training.model.carrying import carried_states
from textgen.training.model.compiling import compile_model

keras = load_keras()
BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(
    BACKEND != "jax" or len(keras.distribution.list_devices()) < 2,
    reason="only JAX has several devices, where XLA is told to make them of a CPU",
)

LANES, TIME = 16, 12
COLLECTIVES = re.compile(r"= .* (all-reduce|all-gather|all-to-all|collective-permute)[-(]")
STARTS = re.compile(r"^(?:ENTRY )?%?([\w.-]+) .*\{$")
CALLED = re.compile(r"(?:body|condition|calls|to_apply)=%?([\w.-]+)")


def compiled_step(config: ModelConfig) -> str:
    """The program of a training step, as XLA has optimised it."""
    import jax

    with data_parallel(LANES):
        model = build_model(config, LANES)
        compile_model(model, config, TrainConfig(batch_size=LANES, optimizer="adamw"))
        model.optimizer.build(model.trainable_variables)
        layout = keras.distribution.distribution().get_data_layout((LANES, TIME))
        ids = jax.device_put(np.zeros((LANES, TIME), "int32"), layout.backend_layout)
        model._symbolic_build(data_batch=(ids, ids))
        state = model._get_jax_state(
            trainable_variables=True,
            non_trainable_variables=True,
            optimizer_variables=True,
            metrics_variables=True,
        )
        shardings = model._get_state_sharding_spec()
        step = jax.jit(model.train_step, out_shardings=(None, shardings))
        return step.lower(state, (ids, ids)).compile().as_text()


def computations(program: str) -> dict[str, list[str]]:
    """The lines of each computation, by its name."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in program.splitlines():
        if start := STARTS.match(line):
            lines = found.setdefault(start[1], [])
        lines.append(line)
    return found


def inside_loops(program: str) -> list[str]:
    """The lines of everything that a loop runs, however deep."""
    parts = computations(program)
    loops = [line for lines in parts.values() for line in lines if " while(" in line]
    waiting = [name for line in loops for name in CALLED.findall(line)]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in parts and name not in seen:
            seen.add(name)
            waiting += [n for line in parts[name] for n in CALLED.findall(line)]
    return [line for name in seen for line in parts[name]]


@pytest.mark.parametrize(
    "options", [{"cell": "lstm"}, {"cell": "gru", "conv": 3, "attention": 4}], ids=str
)
def test_nothing_passes_between_devices_inside_the_loops(options: dict[str, str]) -> None:
    config = ModelConfig(vocab_size=7, units=8, embedding_dim=4, num_layers=1, **options)
    program = compiled_step(config)
    inside = inside_loops(program)
    assert any("dot" in line for line in inside)
    assert not [line for line in inside if COLLECTIVES.search(line)]
    # Gradients and metrics are summed at once; no lane, and no state, is gathered.
    (line,) = [line for line in program.splitlines() if COLLECTIVES.search(line)]
    assert re.search(r"= f32\[\d+\]\S* all-reduce\(", line)


@pytest.mark.parametrize(
    ("options", "num_groups"),
    [
        ({"dropout": 0.5, "weight_drop": 0.5, "l1": 0.01}, 2),
        # Keras' own loop, which knows dropout between the time steps.
        ({"embedding_dropout": 0.5, "recurrent_dropout": 0.5}, 1),
    ],
    ids=str,
)
def test_devices_learn_what_one_does(options: dict[str, float], num_groups: int) -> None:
    config = ModelConfig(vocab_size=7, units=8, num_layers=1, **options)
    train = TrainConfig(batch_size=LANES, accumulate=num_groups)
    rng = np.random.default_rng(0)
    ids = rng.integers(7, size=(LANES, 4 * TIME + 1), dtype="int32")
    weights = (rng.random(ids.shape) < np.linspace(0, 1, LANES)[:, None]).astype("float32")

    def learned() -> tuple[list[float], list[np.ndarray]]:
        model = build_model(config, LANES)
        compile_model(model, config, train)
        windows = [slice(n * TIME, (n + 1) * TIME) for n in range(4)]
        parts = ((ids[:, w], ids[:, 1:][:, w], weights[:, w]) for w in windows)
        history = model.fit(parts, steps_per_epoch=4, verbose=0, shuffle=False).history
        return [history["loss"][0], history["bits_per_id"][0]], model.get_weights()

    scores, found = learned()
    with data_parallel(LANES):
        scores_of_all, found_of_all = learned()
    assert scores_of_all == pytest.approx(scores, rel=1e-5)
    for ours, theirs in zip(found_of_all, found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_each_device_holds_the_state_of_its_lanes() -> None:
    config = ModelConfig(vocab_size=7, units=8, conv=3, attention=4)
    with data_parallel(LANES):
        for state in carried_states(build_model(config, LANES)):
            shapes = {shard.data.shape[0] for shard in state.value.addressable_shards}
            assert shapes == {LANES // len(state.value.addressable_shards)}
