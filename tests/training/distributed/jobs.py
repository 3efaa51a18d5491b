"""Jobs of real processes over loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO, Any

import pytest

# What these tests are about does not depend on the backend of the others: the processes
# train on JAX.
of_several_processes = [
    pytest.mark.slow,
    pytest.mark.one_backend,
    pytest.mark.skipif(sys.platform != "linux", reason="tried on Linux"),
]

SMALL = {
    "--units": 8,
    "--num-layers": 2,
    "--embedding-dim": 4,
    "--batch-size": 8,
    "--seq-length": 16,
    "--epochs": 2,
    "--eval-every": 40,
    "--warmup-steps": 5,
    "--memory": 0,
    "--compute-dtype": "float32",
    "--optimizer": "adamw",
    "--learning-rate": 0.01,
}

# The networks are compiled for longer than they run.
FAST = "--xla_backend_optimization_level=0"
LONGEST_SECONDS = 300


def flags(options: Mapping[str, Any]) -> list[str]:
    return [str(word) for pair in options.items() for word in pair]


SETTINGS = {"KERAS_BACKEND": "jax", "XLA_FLAGS": FAST, "OMP_NUM_THREADS": "1"}


class Job:
    """Processes `textgen train` of one job, of which each has its own stdout and stderr.

    Args:
        commands: the arguments of each process.
        folder: for what they print.
        number: how many processes they are told that there are.
        host: where they find process 0.
        prefixes: words in front of the command of each, which run it somewhere else.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        folder: Path,
        number: int | None = None,
        host: str = "127.0.0.1",
        prefixes: Sequence[Sequence[str]] = ((), ()),
        **environment: str,
    ) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.address = f"{host}:{found.getsockname()[1]}"
        folder.mkdir(exist_ok=True)
        self.logs = [folder / f"{index}.log" for index in range(len(commands))]
        self.outputs = [folder / f"{index}.out" for index in range(len(commands))]
        common = {
            "COORDINATOR_ADDRESS": self.address,
            "NUM_PROCESSES": str(number or len(commands)),
        }
        self.processes = [
            start(
                ["train", *command, "--distributed"],
                self.logs[index],
                self.outputs[index],
                {**common, "PROCESS_ID": str(index), **environment},
                prefixes[index],
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
        self._log, self._output = folder / "launch.log", folder / "launch.out"
        words = ["launch", "-n", "2", "--", "train", *command]
        self.process = start(words, self._log, self._output, {})

    def wait_until_saved(self, run: Path) -> None:
        wait_until_saved(run, [self.process])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return finish(self.process)

    def said(self) -> str:
        return self._log.read_text()

    def output(self) -> str:
        return self._output.read_text()


def start(
    command: Sequence[str],
    log: Path,
    output: Path,
    environment: Mapping[str, str],
    prefix: Sequence[str] = (),
) -> Any:
    """Start a process whose `reader` copies its stderr to the log."""
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


def copy(stream: IO[bytes], log: Path) -> None:
    with stream, open(log, "wb", 0) as file:
        while data := stream.read(1 << 16):
            file.write(data)


def finish(process: Any) -> int:
    """Wait for a process and for the filter of what it prints, which ends after it."""
    code = wait(process)
    process.reader.join()
    return code


def wait(process: Any) -> int:
    try:
        return process.wait(LONGEST_SECONDS)
    finally:
        process.kill()


def wait_until_saved(run: Path, processes: Sequence[Any]) -> None:
    limit, history = time.monotonic() + LONGEST_SECONDS, run / "history.csv"
    while not history.exists():
        assert time.monotonic() < limit
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)


def alone(command: Sequence[str]) -> None:
    """Train in one process."""
    subprocess.run(
        [sys.executable, "-m", "textgen", "train", *command, "--quiet"],
        env={**os.environ, **SETTINGS},
        check=True,
        capture_output=True,
    )
