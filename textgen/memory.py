"""How much memory this process may use, and one error for all that run out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from textgen.errors import OutOfMemoryError

RESOURCES = {"RLIMIT_AS": "ulimit -v", "RLIMIT_DATA": "ulimit -d"}
"""Limits of a process, each with what sets it."""

SIGNS = re.compile("^RESOURCE_EXHAUSTED|can't allocate memory")
"""Of too little memory, in the messages of JAX and of PyTorch on a CPU."""


class Limit(NamedTuple):
    """The most memory that a process can have, and what limits it."""

    num_bytes: int
    source: str


def memory_limit() -> Limit | None:
    """The lowest limit of this process; None where the system has none that is fixed.

    What is in use is not subtracted: other processes may give it back, and this one keeps
    freed memory for its next step.
    """
    return min(_limits(), default=None)


def _limits() -> Iterator[Limit]:
    try:
        import resource
    except ImportError:  # Windows, whose page file grows
        return
    for name, command in RESOURCES.items():
        soft, _ = resource.getrlimit(getattr(resource, name))
        if soft != resource.RLIM_INFINITY:
            yield Limit(soft, command)
    sizes = _sizes("/proc/meminfo")
    if not sizes:  # macOS, whose swap file grows
        return
    swap = sizes.get("SwapTotal", 0)
    yield Limit(sizes["MemTotal"] + swap, "this machine")
    for file in _control_group_files():
        # Version 2 has `max` for no limit; version 1 has a huge number.
        if (text := _read(file).strip()).isdigit():
            yield Limit(int(text) + swap, "the control group")


def _control_group_files() -> Iterator[str]:
    """The limits of this process's control groups, and of the groups around them."""
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        # Version 2 has one tree of groups, version 1 one for each controller.
        if controllers in ("", "memory"):
            name = "memory.limit_in_bytes" if controllers else "memory.max"
            path = PurePosixPath(group.lstrip("/"))
            for each in (path, *path.parents):
                yield str(PurePosixPath("/sys/fs/cgroup", controllers, each, name))


def _sizes(path: str) -> dict[str, int]:
    found = re.findall(r"^(\w+):\s+(\d+) kB", _read(path), re.MULTILINE)
    return {name: 1024 * int(size) for name, size in found}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def gigabytes(num_bytes: float) -> str:
    """Format an amount of memory.

    >>> gigabytes(5.76e10), gigabytes(2.4e8)
    ('58 GB', '0.24 GB')
    """
    return f"{num_bytes / 1e9:.2g} GB" if num_bytes < 1e10 else f"{num_bytes / 1e9:,.0f} GB"


def check_fits(num_bytes: int, what: str, advice: str) -> None:
    """Refuse what cannot fit into the memory of this process.

    Memory that is only reserved may seem to fit; the system then ends the process later.

    Args:
        num_bytes: needed at least.
        what: what needs it, to begin the message.
        advice: which options need less.

    Raises:
        OutOfMemoryError: names the amount, the limit and the advice.
    """
    limit = memory_limit()
    if limit is not None and num_bytes > limit.num_bytes:
        raise OutOfMemoryError(
            f"{what} at least {gigabytes(num_bytes)} of memory, but no more than "
            f"{gigabytes(limit.num_bytes)} can be had ({limit.source}). {advice}"
        )


@contextmanager
def memory_errors(what: str, advice: str) -> Iterator[None]:
    """Turn every kind of error about too little memory into `OutOfMemoryError`.

    Args:
        what: ends the sentence "There is not enough memory ...".
        advice: which options need less.

    >>> with memory_errors("for so many texts", "Ask for fewer."):
    ...     raise MemoryError
    Traceback (most recent call last):
    textgen.errors.OutOfMemoryError: there is not enough memory for so many texts. ...
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OutOfMemoryError) or not is_out_of_memory(error):
            raise
        message = f"there is not enough memory {what}. {advice}"
        raise OutOfMemoryError(message) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy, TensorFlow, JAX or PyTorch could not allocate memory.

    >>> is_out_of_memory(ValueError("RESOURCE_EXHAUSTED: Out of memory allocating 9 GB."))
    True
    """
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError")
        # JAX, and PyTorch on a CPU, have no class of their own for this.
        or SIGNS.search(str(error)) is not None
    )
