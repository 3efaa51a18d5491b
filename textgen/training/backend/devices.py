"""Data parallelism on JAX: each device trains on its share of the lanes.

A JAX program runs on one device, and a CPU is one device unless XLA is told otherwise
before it starts, as `textgen.training.backend.process` does. Keras then splits every batch
among the devices, those of other processes included. The kernels of TensorFlow and PyTorch
distribute the lanes themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from textgen.errors import ConfigError
from textgen.training.backend.loaded import keras
from textgen.training.backend.process import num_shares

CARRIED = "carried_state"
"""How the name of a variable begins that holds a row for each lane."""


class DataParallel(keras.distribution.DataParallel):
    """Keras' data parallelism, where what is carried stays with its lanes."""

    def get_variable_layout(self, variable: Any) -> Any:
        """The layout of a variable: the same everywhere, or shared out by lanes."""
        if variable.name.startswith(CARRIED):
            return self.get_data_layout(variable.shape)
        return super().get_variable_layout(variable)


class Share(NamedTuple):
    """Of a batch, the lanes of one device.

    Args:
        index: of the device; in a program for all devices, a tensor.
        number: of all devices, which have as many lanes each.
    """

    index: Any
    number: int


_SHARE: ContextVar[Share | None] = ContextVar("share", default=None)


@contextmanager
def only_share(share: Share) -> Iterator[None]:
    """Within the block, layers see the lanes of one device and not all of the batch."""
    before = _SHARE.set(share)
    try:
        yield
    finally:
        _SHARE.reset(before)


def seen_share() -> Share | None:
    """The share of the lanes that layers see; None where they see all of the batch."""
    return _SHARE.get()


def is_data_parallel() -> bool:
    """Whether models are trained by several devices, each on its share of the lanes."""
    distribution = keras.distribution.distribution()
    return isinstance(distribution, keras.distribution.DataParallel)


def is_on_cpu() -> bool:
    """Whether arrays are in the memory of this process, not of a GPU or TPU."""
    return "cpu" in str(keras.ops.zeros(1).device).lower()


@contextmanager
def data_parallel(batch_size: int, num_groups: int = 1) -> Iterator[None]:
    """Build and train models on all CPU devices of JAX, within this context.

    In a job of several processes these are the devices of all of them, of whatever kind.
    Otherwise it does nothing with one device, on a GPU, on another backend, or if the
    script has set a `keras.distribution` itself.

    Args:
        batch_size: number of lanes; limits how many devices of one process are worthwhile.
        num_groups: groups of lanes that are read one after the other.

    Raises:
        ConfigError: the lanes cannot be shared out equally among the processes.
    """
    if keras.backend.backend() != "jax" or keras.distribution.distribution() is not None:
        yield
        return
    devices = keras.distribution.list_devices()
    if num_processes() > 1:
        _check_shares(batch_size, num_groups, len(devices))
    else:
        is_cpu = all(device.startswith("cpu") for device in devices)
        devices = devices[: num_shares(batch_size // num_groups, len(devices))]
        if len(devices) == 1 or not is_cpu:
            yield
            return
    with DataParallel(devices=devices, auto_shard_dataset=False).scope():
        yield


def num_processes() -> int:
    """How many processes train together."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return int(jax.process_count())


def _check_shares(batch_size: int, num_groups: int, num_devices: int) -> None:
    if batch_size % (num_groups * num_devices):
        groups = f" in accumulate={num_groups} groups" * (num_groups > 1)
        raise ConfigError(
            f"batch_size={batch_size} lanes{groups} cannot be shared out equally among "
            f"{num_devices} devices in {num_processes()} processes. Choose a `batch_size` "
            f"that is a multiple of {num_groups * num_devices}."
        )
