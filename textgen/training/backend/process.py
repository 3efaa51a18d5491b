"""Settings of the whole process that make training faster on a CPU.

Since they affect the whole process, the library changes them only on request:
`textgen.train(..., tune=True)`, as the commands `train` and `demo` do, or a call of
`tune_process` before the framework is loaded. Environment variables that are already set
take precedence.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from textgen.cores import num_cores
from textgen.training.backend.choice import wanted_backend

# Options of glibc's mallopt, and an advice value of Linux's madvise; see the C headers.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
MADV_HUGEPAGE = 14

# Variables that glibc reads from the environment.
MALLOC_VARIABLES = ("MALLOC_", "GLIBC_TUNABLES")

# Size of the heap that is reserved in huge pages; untouched pages take no memory.
RESERVED_BYTES = 1 << 30


def processor_flags() -> set[str]:
    """The processor's instruction sets, as Linux names them; empty on other systems."""
    if sys.platform != "linux":
        return set()
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return {
        flag
        for line in text.splitlines()
        if line.startswith(("flags", "Features"))
        for flag in line.split()
    }


@cache
def has_tiles() -> bool:
    """Whether the processor multiplies tiles of bfloat16, with the AMX instructions."""
    return "amx_bf16" in processor_flags()


# With fewer lanes, reading the weights dominates the time of a matrix product.
LANES_PER_CORE = 8


def num_shares(batch_size: int, cores: int, least: int = LANES_PER_CORE) -> int:
    """The number of cores that share the lanes, in equal shares of at least `least`.

    >>> num_shares(64, cores=4), num_shares(50, cores=4), num_shares(97, cores=4)
    (4, 2, 1)
    """
    most = min(cores, batch_size // least)
    return max((n for n in range(1, most + 1) if batch_size % n == 0), default=1)


# Each core processes its own share of the lanes. Threads inside an operation would only
# wait for each other at every character.
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"


def xla_flags(num_devices: int) -> str:
    """Flags by which XLA makes so many devices of a CPU; see `backend.devices`."""
    return f"{ONE_THREAD} --xla_force_host_platform_device_count={num_devices}"


ENVIRONMENT: Mapping[str, Mapping[str, str]] = {
    "tensorflow": {"TF_NUM_INTRAOP_THREADS": "1", "XLA_FLAGS": ONE_THREAD},
    "jax": {"XLA_FLAGS": xla_flags(num_cores())},
    # A waiting thread spins. If a second program has taken the core that it waits for,
    # spinning only holds up that program: give up early.
    "torch": {"GOMP_SPINCOUNT": "2000"},
}


def tune_process(*, share_lanes: bool = True, num_devices: int | None = None) -> None:
    """Apply all settings; those of threads only work before the framework is loaded.

    Args:
        share_lanes: whether the models to train have lanes that cores can share: with
            kernels (`ModelConfig.has_kernel`), and `num_shares` above 1.
        num_devices: of this process on JAX, if it is one of several.
    """
    keep_memory()
    if num_devices is not None:
        os.environ.setdefault("XLA_FLAGS", xla_flags(num_devices))
        return
    # PyTorch's threads also share single operations, whatever the lanes.
    if share_lanes or wanted_backend() == "torch":
        set_environment()


def set_environment() -> None:
    """Tell the backend how to use the cores, unless the environment already does."""
    for name, value in ENVIRONMENT.get(wanted_backend(), {}).items():
        os.environ.setdefault(name, value)


def keep_memory() -> bool:
    """Make glibc keep freed memory for the next step, in huge pages if possible.

    Each step frees hundreds of megabytes. By default glibc returns them to the system,
    which clears them again page by page in the next step. A thread that was there before
    may have a heap of its own, from which glibc always returns them: call this first.

    Returns:
        whether the settings were accepted; False without glibc, or if the environment
        configures its memory.
    """
    libc = _glibc()
    if libc is None or any(name.startswith(MALLOC_VARIABLES) for name in os.environ):
        return False
    # 2 GiB is the largest threshold that mallopt takes.
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1))
    taken = all(libc.mallopt(option, value) for option, value in settings)
    _advise_huge_pages(libc)
    return taken


def _advise_huge_pages(libc: ctypes.CDLL) -> None:
    """Grow the heap once, and advise the system to back it by huge pages."""
    address = libc.malloc(RESERVED_BYTES)
    if address is None:
        return
    page = 2 << 20
    start = -(-address // page) * page
    libc.madvise(start, RESERVED_BYTES - page, MADV_HUGEPAGE)
    libc.free(address)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return None  # another C library, such as musl, has other options
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc
