"""On JAX every core trains on its lanes, and nothing else changes."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.helpers import SMALL
from textgen.checkpoint.format import load_checkpoint
from textgen.training.backend.devices import data_parallel
from textgen.training.backend.keras import load_keras
from textgen.training.loop import fit
from textgen.training.model.build import build_model
from textgen.training.train import train

keras = load_keras()
BACKEND = keras.backend.backend()
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="TensorFlow's kernel shares lanes")
several_devices = pytest.mark.skipif(
    BACKEND == "jax" and len(keras.distribution.list_devices()) < 2,
    reason="with one device nothing is shared",
)


def weights_after(text: Path, *, shared: bool) -> dict[str, np.ndarray]:
    """What a network learns on all devices, or on the first of them."""
    run = text.with_name(f"run-{shared}")
    first = keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:1])
    options = {**SMALL, "batch_size": 16, "dropout": 0.2, "compute_dtype": "float32"}
    with nullcontext() if shared else first.scope():
        train(text, run, epochs=1, **options)
    return dict(load_checkpoint(run / "last").weights)


@on_jax
@several_devices
def test_lanes_on_several_devices_train_like_lanes_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 40, encoding="utf-8")
    counts = []

    def watched(*args: Any) -> Any:
        counts.append(keras.distribution.distribution().device_mesh.devices.size)
        return build_model(*args)

    monkeypatch.setattr(fit, "build_model", watched)
    alone, shared = (weights_after(text, shared=shared) for shared in (False, True))
    assert counts == [1, 2]
    for name, weight in alone.items():
        np.testing.assert_allclose(shared[name], weight, atol=1e-4)


@on_jax
@several_devices
def test_a_single_lane_is_not_shared_out() -> None:
    with data_parallel(1):
        assert keras.distribution.distribution() is None
    with data_parallel(32):
        assert keras.distribution.distribution() is not None


@on_jax
def test_a_distribution_that_a_script_has_chosen_stays() -> None:
    mine = keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:1])
    with mine.scope(), data_parallel(32):
        assert keras.distribution.distribution() is mine
