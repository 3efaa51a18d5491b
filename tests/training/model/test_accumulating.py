"""Groups of lanes, read one after the other, train as all lanes at once do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError
from textgen.training.model.build import build_model
from textgen.training.model.carrying import carried_states, to_numpy
from textgen.training.model.compiling import compile_model

LANES, TIME, NUM_STEPS = 8, 6, 3


def batches(*, weighted: bool) -> list[tuple[np.ndarray, ...]]:
    """Windows that continue each other; the weights leave some groups hardly any."""
    rng = np.random.default_rng(0)
    ids = rng.integers(7, size=(LANES, NUM_STEPS * TIME + 1), dtype=np.int32)
    weights = (rng.random(ids.shape) < np.linspace(0, 1, LANES)[:, None]).astype("float32")
    parts = [slice(n * TIME, (n + 1) * TIME) for n in range(NUM_STEPS)]
    return [
        (ids[:, :-1][:, part], ids[:, 1:][:, part], *[weights[:, part]] * weighted)
        for part in parts
    ]


def trained(config: ModelConfig, num_groups: int, *, weighted: bool) -> tuple[Any, Any]:
    """A model after some steps, and its last loss and score."""
    model = build_model(config, LANES, seed=3)
    train = TrainConfig(batch_size=LANES, accumulate=num_groups, clip_norm=0.1)
    compile_model(model, config, train)
    windows = (window for window in batches(weighted=weighted))
    history = model.fit(windows, steps_per_epoch=NUM_STEPS, verbose=0, shuffle=False)
    return model, history.history


NETWORKS: list[tuple[dict[str, Any], bool]] = [
    ({"num_layers": 2}, True),
    ({"num_layers": 1, "l1": 0.01, "cell": "gru", "conv": 3, "attention": 4}, True),
    ({"num_layers": 1, "cell": "rnn"}, False),
]


def networks_in_groups() -> Iterator[Any]:
    """Each network and each number of groups on every backend; all pairs on PyTorch."""
    for index, (options, weighted) in enumerate(NETWORKS):
        for num_groups in (2, 8):
            is_on_all = (num_groups == 8) == (index % 2 == 1)
            marks = () if is_on_all else (pytest.mark.one_backend,)
            yield pytest.param(options, weighted, num_groups, marks=marks)


@pytest.mark.parametrize(
    ("options", "weighted", "num_groups"), [*networks_in_groups()], ids=str
)
def test_losses_weights_and_carried_state_are_those_of_all_lanes_at_once(
    options: dict[str, Any], weighted: bool, num_groups: int
) -> None:
    config = ModelConfig(vocab_size=7, units=6, embedding_dim=4, **options)
    whole, expected = trained(config, 1, weighted=weighted)
    grouped, found = trained(config, num_groups, weighted=weighted)
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-5)
    for ours, theirs in zip(grouped.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert all(np.abs(to_numpy(state)).max() > 0 for state in carried_states(grouped))


def test_a_model_without_carried_state_is_trained_in_groups_too() -> None:
    config = ModelConfig(vocab_size=7, units=6, embedding_dim=4, num_layers=1)
    losses = []
    for num_groups in (1, 4):
        model = build_model(config, seed=3)
        train = TrainConfig(batch_size=LANES, accumulate=num_groups)
        compile_model(model, config, train)
        losses += [model.train_on_batch(*batch) for batch in batches(weighted=False)][-1:]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_groups_of_unequal_size_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch_size=8 lanes .* accumulate=3 equal"):
        TrainConfig(batch_size=8, accumulate=3)
