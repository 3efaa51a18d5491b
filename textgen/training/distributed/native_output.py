"""Keep what native code prints about a job off the streams, but for one line at its end.

JAX ends a process whose job has lost another one with a page of log lines and a stack
trace. In a command, what native code prints therefore passes through a filter: a process of
its own, this file, so that it works when the process is aborted. What Python prints does
not pass through it, so that a terminal stays one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress

LOST = (
    "another process of this job has ended or cannot be reached, so that this one ends "
    "too. The last checkpoint is complete: go on with `resume=True`."
)
SHOWN_LOST = f"Error: {LOST.replace('`resume=True`', '--resume')}"

FATAL = b"JAX distributed service detected fatal errors"
"""What JAX logs when it ends the process."""

JOINING = b"RegisterTask"
"""The request that fails if the others are not there."""

NOISE = re.compile(rb"\[Gloo\] Rank \d+ is connected")


def filter_native_output(did_not_meet: str) -> None:
    """For the rest of this process, let only its Python code print freely.

    Args:
        did_not_meet: the line to print if the processes of a job do not meet.
    """
    if not sys.executable or not os.path.isfile(__file__):
        return  # Python is embedded, or this package is in an archive
    command = [sys.executable, "-I", "-S", __file__, did_not_meet, SHOWN_LOST]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=2, bufsize=0, start_new_session=True
    )
    assert process.stdin is not None
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        stream.flush()
        own = os.fdopen(os.dup(number), "w", 1, "utf-8", "backslashreplace")
        os.dup2(process.stdin.fileno(), number)
        setattr(sys, name, own)
    process.stdin.close()


def pass_on(did_not_meet: str, lost: str) -> None:
    """Copy stdin to stderr without noise; say in one line why JAX ends the process."""
    # Whole lines, since native code writes them in pieces.
    with open(0, "rb") as lines:
        for line in lines:
            if FATAL in line:
                rest = lines.read()
                _print(f"{did_not_meet if JOINING in rest else lost}\n".encode())
            elif not NOISE.match(line):
                _print(line)


def _print(line: bytes) -> None:
    with suppress(OSError):  # the reader may be gone
        os.write(2, line)


if __name__ == "__main__":
    pass_on(*sys.argv[1:])
