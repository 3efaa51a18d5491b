"""Start all processes of a job on this machine, and end when they have ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
]

POLL_SECONDS = 0.1
MOST_SECONDS_AFTER = 60.0
"""How long the others may take to end by themselves when one has failed."""


def launch(number: int, command: Sequence[str]) -> int:
    """Run a command in so many processes that know of each other.

    Each gets an equal share of the cores. A signal that this process gets is passed on to
    all of them. Only process 0 has a standard output.

    Returns:
        0, or the exit code of the process that failed first.
    """
    address = f"127.0.0.1:{_free_port()}"
    processes: list[Any] = []
    with _signals_passed_on(processes):
        try:
            for index in range(number):
                processes.append(_start(command, address, number, index))
            return _wait(processes)
        finally:
            for process in processes:
                process.kill()


def shares_of_cores(cores: Sequence[int], number: int) -> list[Sequence[int]]:
    """Neighbouring cores for each process; all of them where there are not enough.

    >>> shares_of_cores([0, 1, 2, 3], 2)
    [[0, 1], [2, 3]]
    """
    if len(cores) < number:
        return [cores] * number
    edges = [index * len(cores) // number for index in range(number + 1)]
    return [cores[start:end] for start, end in pairwise(edges)]


def _start(command: Sequence[str], address: str, number: int, index: int) -> Any:
    places = {
        "COORDINATOR_ADDRESS": address,
        "NUM_PROCESSES": str(number),
        "PROCESS_ID": str(index),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "textgen", *command],
        env=os.environ | places,
        stdin=subprocess.DEVNULL,
        stdout=None if index == 0 else subprocess.DEVNULL,
        # Otherwise a terminal would send Ctrl-C a second time.
        start_new_session=True,
    )
    if hasattr(os, "sched_setaffinity"):  # not on macOS and Windows
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(process.pid, shares_of_cores(cores, number)[index])
    return process


def _wait(processes: Sequence[Any]) -> int:
    code, limit = 0, float("inf")
    while any(process.poll() is None for process in processes):
        time.sleep(POLL_SECONDS)
        failed = [process.returncode for process in processes if process.returncode]
        if failed and not code:
            # A negative one is the signal that ended it.
            code = failed[0] if failed[0] > 0 else 128 - failed[0]
            limit = time.monotonic() + MOST_SECONDS_AFTER
        if time.monotonic() > limit:
            break
    return code or next((p.returncode for p in processes if p.returncode), 0)


@contextmanager
def _signals_passed_on(processes: Sequence[Any]) -> Iterator[None]:
    def pass_on(number: int, frame: Any) -> None:
        for process in processes:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
