"""Jobs of real processes over loopback."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any

import pytest

from tests.patience import wait_until
from tests.training.fork_server import Processes, is_running

# What these tests are about does not depend on the backend of the others: the processes
# train on JAX.
of_several_processes = [
    pytest.mark.slow,
    pytest.mark.one_backend,
    pytest.mark.skipif(sys.platform != "linux", reason="tried on Linux"),
]

SMALL = {
    "--units": 8,
    "--num-layers": 1,
    "--embedding-dim": 4,
    "--batch-size": 8,
    "--seq-length": 16,
    "--epochs": 2,
    "--eval-every": 20,
    "--warmup-steps": 5,
    "--memory": 0,
    "--compute-dtype": "float32",
    "--optimizer": "adamw",
    "--learning-rate": 0.01,
}

# The networks are compiled for longer than they run.
FAST = "--xla_backend_optimization_level=0"


def flags(options: Mapping[str, Any]) -> list[str]:
    return [str(word) for pair in options.items() for word in pair]


SETTINGS = {
    "KERAS_BACKEND": "jax",
    "XLA_FLAGS": FAST,
    "OMP_NUM_THREADS": "1",
    # JAX warns where another process is still writing a compiled program, and compiles it
    # itself.
    "PYTHONWARNINGS": "ignore:Error reading persistent compilation cache",
}


def start(
    command: Sequence[str],
    log: Path,
    output: Path,
    environment: Mapping[str, str],
    prefix: Sequence[str] = (),
) -> Any:
    """Start a process whose `reader` copies its stderr to the log.

    Args:
        prefix: words in front of the command, which run it somewhere else.
    """
    with open(output, "wb") as stdout:
        process: Any = subprocess.Popen(
            [*prefix, sys.executable, "-m", "textgen", *command],
            env={**os.environ, **SETTINGS, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
    process.reader = Thread(target=copy, args=(process.stderr, log))
    process.reader.start()
    return process


class Forked:
    """The same in a fork of a process that has imported everything, which saves seconds.

    It has what jobs use of a `Popen`.
    """

    def __init__(
        self,
        processes: Processes,
        command: Sequence[str],
        log: Path,
        output: Path,
        environment: Mapping[str, str],
    ) -> None:
        pipe = log.with_suffix(".pipe")
        os.mkfifo(pipe)
        self.reader = Thread(target=copy_from, args=(pipe, log))
        self.reader.start()
        self.returncode: int | None = None
        self._processes = processes
        self._id = processes.start(pipe, *command, output=output, **environment)

    def poll(self) -> int | None:
        if self.returncode is None and not is_running(self._id):
            self.returncode = self._processes.wait(self._id)
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self._id, number)

    def kill(self) -> None:
        if self.poll() is None:
            self.send_signal(signal.SIGKILL)


Start = Callable[..., Any]
"""`start`, or something that takes the same and gives the same."""


class Job:
    """Processes `textgen train` of one job, of which each has its own stdout and stderr.

    Args:
        commands: the arguments of each process.
        folder: for what they print.
        number: how many processes they are told that there are.
        host: where they find process 0.
        starts: what starts each of them.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        folder: Path,
        number: int | None = None,
        host: str = "127.0.0.1",
        starts: Sequence[Start] = (start, start),
        **environment: str,
    ) -> None:
        self.address = f"{host}:{free_port()}"
        folder.mkdir(exist_ok=True)
        self.logs = [folder / f"{index}.log" for index in range(len(commands))]
        self.outputs = [folder / f"{index}.out" for index in range(len(commands))]
        common = {
            "COORDINATOR_ADDRESS": self.address,
            "NUM_PROCESSES": str(number or len(commands)),
        }
        self.processes = [
            starts[index](
                ["train", *command, "--distributed"],
                self.logs[index],
                self.outputs[index],
                {**common, "PROCESS_ID": str(index), **environment},
            )
            for index, command in enumerate(commands)
        ]

    def wait(self) -> list[int]:
        """The exit codes."""
        return [finish(process) for process in self.processes]

    def wait_until_saved(self, run: Path) -> None:
        """Wait until an evaluation is in the history."""
        wait_until_saved(run, self.processes)

    def kill(self, index: int, number: int = signal.SIGKILL) -> None:
        self.processes[index].send_signal(number)

    def said(self) -> list[str]:
        """What each process has printed on stderr."""
        return [log.read_text() for log in self.logs]


class Launcher:
    """`textgen launch -n 2 -- train ...`."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._log = folder / "launch.log"
        words = ["launch", "-n", "2", "--", "train", *command]
        self.process = start(words, self._log, folder / "launch.out", {})

    def wait_until_saved(self, run: Path) -> None:
        wait_until_saved(run, [self.process])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return finish(self.process)

    def said(self) -> str:
        return self._log.read_text()


def free_port() -> int:
    """A free port below those that Linux hands out when none is asked for."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest // 2, lowest)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


def copy_from(pipe: Path, log: Path) -> None:
    with open(pipe, "rb", 0) as stream:
        copy(stream, log)


def copy(stream: IO[bytes], log: Path) -> None:
    with stream, open(log, "wb", 0) as file:
        while data := stream.read(1 << 16):
            file.write(data)


def finish(process: Any) -> int:
    """Wait for a process and for the filter of what it prints, which ends after it."""
    try:
        wait_until(lambda: process.poll() is not None)
    finally:
        process.kill()
    process.reader.join()
    return process.returncode


def wait_until_saved(run: Path, processes: Sequence[Any]) -> None:
    history = run / "history.csv"

    def is_saved() -> bool:
        assert history.exists() or all(process.poll() is None for process in processes)
        return history.exists()

    wait_until(is_saved)


def alone(command: Sequence[str], folder: Path, start: Start = start) -> None:
    """Train in one process; the folder is for what it prints."""
    log, output = folder / "alone.log", folder / "alone.out"
    process = start(["train", *command, "--quiet"], log, output, {})
    assert finish(process) == 0, log.read_text()
