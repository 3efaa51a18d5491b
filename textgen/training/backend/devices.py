"""Each core trains on its share of the lanes: on JAX as devices of their own.

On TensorFlow the kernels share the lanes out themselves. On JAX one program takes one
device, and a CPU is one device unless XLA is told otherwise before it starts, as
`textgen.training.backend.process` does. Keras then splits every batch among the devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from textgen.training.backend.keras import load_keras
from textgen.training.backend.process import num_shares

keras = load_keras()


@contextmanager
def data_parallel(batch_size: int) -> Iterator[None]:
    """While this lasts, models are built and trained on all CPU devices of JAX.

    Does nothing with one device, on a GPU, on TensorFlow, or where a script has chosen a
    `keras.distribution` itself.

    Args:
        batch_size: number of lanes; it says how many devices are worth taking.
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
