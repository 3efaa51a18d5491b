"""On JAX every core trains on its lanes, and nothing else changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from textgen.checkpoint.format import load_checkpoint
from textgen.training.backend.devices import data_parallel
from textgen.training.backend.keras import load_keras

keras = load_keras()
BACKEND = keras.backend.backend()
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="TensorFlow's kernel shares lanes")

TRAIN = """
import sys
import textgen.training.loop.fit as fit
from textgen.training.backend.keras import load_keras
from textgen.training.train import train

keras = load_keras()
build = fit.build_model

def watched(*args):
    distribution = keras.distribution.distribution()
    print(distribution and distribution.device_mesh.devices.size)
    return build(*args)

fit.build_model = watched
train([sys.argv[1]], sys.argv[2], epochs=2, batch_size=16, seq_length=8, units=8,
      embedding_dim=4, dropout=0.2, compute_dtype="float32", quiet=True)
"""


def weights_after(text: Path, num_devices: int) -> tuple[str, dict[str, np.ndarray]]:
    """On how many devices a process of `num_devices` trained, and what it learned."""
    run = text.with_name(f"run-{num_devices}")
    flags = f"--xla_force_host_platform_device_count={num_devices}"
    result = subprocess.run(
        [sys.executable, "-c", TRAIN, str(text), str(run)],
        capture_output=True,
        text=True,
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip(), dict(load_checkpoint(run / "last").weights)


@on_jax
def test_lanes_on_several_devices_train_like_lanes_on_one(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 20, encoding="utf-8")
    devices, alone = weights_after(text, num_devices=1)
    assert devices == "None"
    devices, shared = weights_after(text, num_devices=3)
    assert devices == "2"  # three do not divide sixteen lanes
    for name, weight in alone.items():
        np.testing.assert_allclose(shared[name], weight, atol=1e-4)


@on_jax
@pytest.mark.skipif(
    len(keras.distribution.list_devices()) < 2, reason="with one device nothing is shared"
)
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
