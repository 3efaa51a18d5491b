"""Keep known log lines of TensorFlow off stderr in the commands.

TensorFlow's shared libraries write a few lines on stderr before they read the setting that
silences them. In a command, stderr therefore passes through a filter while a framework is
loaded. The filter is a process of its own, this file, so that everything else arrives even
if the framework aborts. Scripts that use this package keep their stderr as it is.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# What each of these files logs at start is known: the processor's instruction sets, that
# there is no GPU, or that a library of a GPU is registered twice.
NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called"
    rb"|([IWE]\d{4} |\d{4}-\d\d-\d\d ).*\b"
    rb"(port|cpu_feature_guard|cudart_stub|cuda_(fft|dnn|blas)|computation_placer)\.cc:\d+\]"
)

_is_command: ContextVar[bool] = ContextVar("_is_command", default=False)


@contextmanager
def as_command() -> Iterator[None]:
    """Within the block, the process serves one command and ends with it.

    Frameworks load and work without log lines, unless `TF_CPP_MIN_LOG_LEVEL` says
    otherwise, and need not stay usable if loading them is interrupted.
    """
    os.environ.setdefault(LEVEL, "3")
    # Matplotlib, which Keras imports, warns if the home directory cannot be written.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    token = _is_command.set(True)
    try:
        yield
    finally:
        _is_command.reset(token)


def is_command() -> bool:
    """Whether the process serves one command; see `as_command`."""
    return _is_command.get()


@contextmanager
def filtered_stderr() -> Iterator[None]:
    """Within the block, drop `NOISE` from stderr if this is a command."""
    is_wanted = is_command() and os.environ.get(LEVEL) != "0"
    process = _start_filter() if is_wanted else None
    if process is None or process.stdin is None:
        yield
        return
    kept = os.dup(2)
    os.dup2(process.stdin.fileno(), 2)
    process.stdin.close()
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        # It ends now, unless a process that the framework has started keeps stderr open.
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)


def _start_filter() -> subprocess.Popen[bytes] | None:
    """Start this file as a process, or return None where that is impossible."""
    if not sys.executable or not os.path.isfile(__file__):
        return None  # Python is embedded, or this package is in an archive
    command = [sys.executable, "-I", "-S", __file__]
    # In a session of its own, since Ctrl-C would end it before the command.
    with suppress(OSError):
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, bufsize=0, start_new_session=True
        )
    return None


def pass_on() -> None:
    """Copy stdin to stderr without `NOISE`, each piece at once."""
    while piece := os.read(0, 1 << 16):
        # Log lines are written whole, so that nothing has to wait for its line feed.
        lines = piece.splitlines(keepends=True)
        rest = b"".join(line for line in lines if not NOISE.match(line))
        with suppress(OSError):  # the reader may be gone
            os.write(2, rest)


if __name__ == "__main__":
    pass_on()
