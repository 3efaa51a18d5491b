"""How fast this machine will train, foreseen before Keras is loaded.

Most of the time of a training step goes to matrix products. So its speed is taken as a
share of the speed of one large product, which NumPy measures in a few milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from timeit import repeat
from types import MappingProxyType

import numpy as np

from textgen.config.model import ModelConfig
from textgen.model.architecture import layers
from textgen.training.backend.choice import AUTO
from textgen.training.backend.process import has_tiles

UNITS = (128, 256, 512)

LSTM_SHARES: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "tensorflow": (0.32, 0.36, 0.75),
        "jax": (0.34, 0.38, 0.50),
        "torch": (0.39, 0.52, 0.79),
    }
)
"""The share that training an LSTM with layers of `UNITS` reaches, by backend.

From the table of benchmarks/train_speed.py, float32; NumPy had 134 GFLOP/s there. That of
JAX for 512 units is from the table with Muon in benchmarks/README.md.
"""

GRU_SHARE: Mapping[str, float] = MappingProxyType(
    {"tensorflow": 0.34, "jax": 0.40, "torch": 0.26}
)
"""The same for a GRU, measured with 256 units."""

OWN_LOOP_SHARE = 0.2
"""The same for networks that run through Keras' own loop: 0.13 to 0.29 in that table."""

TILES_GAIN: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "tensorflow": (1.4, 1.6, 1.5),
        "jax": (1.3, 1.5, 1.5),
        "torch": (1.2, 1.7, 1.9),
    }
)
"""How many times as fast an LSTM trains with bfloat16 products on AMX tiles.

For layers of `UNITS`, from the table with Muon in benchmarks/README.md. A GRU is not
counted on: PyTorch trains it in float32 there.
"""

FIRST_STEP: Mapping[str, float] = MappingProxyType(
    {"tensorflow": 7.0, "jax": 5.0, "torch": 1.0}
)
"""Seconds until the first step has been compiled and run, by backend."""

PRODUCT_SIZE = 1024
PRODUCT_REPEATS = 5


def chars_per_second(model: ModelConfig, backend: str, dtype: str = AUTO) -> float:
    """Characters that training on a CPU reads in a second.

    Within a factor of about 1.5 for layers of 128 to 512 units and the usual batches.

    Args:
        model: the network.
        backend: that trains it.
        dtype: of the products: `compute_dtype` of `TrainConfig`.

    >>> small = ModelConfig(vocab_size=65, units=64)
    >>> chars_per_second(small, "torch") > chars_per_second(ModelConfig(65), "torch") > 0
    True
    """
    share = _share(model, backend)
    if dtype != "float32" and has_tiles() and model.has_kernel and model.cell != "gru":
        share *= _at(model.units, TILES_GAIN[backend])
    return share * product_speed() / flops_per_char(model)


def _share(model: ModelConfig, backend: str) -> float:
    if not model.has_kernel:
        return OWN_LOOP_SHARE
    if model.cell == "gru":
        return GRU_SHARE[backend]
    return _at(model.units, LSTM_SHARES[backend])


def _at(units: int, values: tuple[float, float, float]) -> float:
    """What holds for a number of units, from values for `UNITS`."""
    return float(np.interp(np.log2(units), np.log2(UNITS), values))


def flops_per_char(model: ModelConfig) -> int:
    """Floating-point operations in the matrix products of training on one character.

    The embedding is a look-up, so it does not count; the gradient of the first layer's
    input does.

    >>> flops_per_char(ModelConfig(vocab_size=65, num_layers=1, units=256))
    2065920
    """
    # One multiplication and one addition, once forward and twice backward.
    return 2 * 3 * sum(layer.num_products for layer in layers(model))


def has_gpu() -> bool:
    """Whether an NVIDIA GPU may be used, as far as can be seen without a framework."""
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not is_hidden and Path("/proc/driver/nvidia/gpus").is_dir()


@cache
def product_speed() -> float:
    """Floating-point operations per second of a large matrix product in NumPy."""
    matrix = np.ones((PRODUCT_SIZE, PRODUCT_SIZE), np.float32)
    seconds = min(repeat(lambda: matrix @ matrix, number=1, repeat=PRODUCT_REPEATS))
    return 2 * PRODUCT_SIZE**3 / seconds
