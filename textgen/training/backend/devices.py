"""Data parallelism on JAX: each CPU core is a device and trains on its share of the lanes.

A JAX program runs on one device, and a CPU is one device unless XLA is told otherwise
before it starts, as `textgen.training.backend.process` does. Keras then splits every batch
among the devices. The kernels of TensorFlow and PyTorch distribute the lanes themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from textgen.training.backend.loaded import keras
from textgen.training.backend.process import num_shares


def is_on_cpu() -> bool:
    """Whether arrays are in the memory of this process, not of a GPU or TPU."""
    return "cpu" in str(keras.ops.zeros(1).device).lower()


@contextmanager
def data_parallel(batch_size: int) -> Iterator[None]:
    """Build and train models on all CPU devices of JAX, within this context.

    Does nothing with one device, on a GPU, on another backend, or if the script has set a
    `keras.distribution` itself.

    Args:
        batch_size: number of lanes; limits how many devices are worthwhile.
    """
    if keras.backend.backend() != "jax" or keras.distribution.distribution() is not None:
        yield
        return
    devices = keras.distribution.list_devices()
    count = num_shares(batch_size, len(devices))
    if count == 1 or not all(device.startswith("cpu") for device in devices):
        yield
        return
    with keras.distribution.DataParallel(devices=devices[:count]).scope():
        yield
