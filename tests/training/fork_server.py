"""Starts textgen commands as processes of their own without importing Keras each time.

Run as a module, it imports everything once, but starts no framework: it has one thread
then, and so can be forked soundly. It reads one JSON request a line and answers with one.

    {"start": ["train", "book.txt"], "output": "/tmp/out", "log": "/tmp/log",
     "environment": {}}                                   ->  123       the process id
    {"wait": 123}                                         ->  -9        how it ended
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


class Processes:
    """Textgen commands that run beside the test, on one Keras backend.

    Args:
        modules: what is imported beforehand, besides what training needs.
    """

    def __init__(self, backend: str, *modules: str, **environment: str) -> None:
        # Without a thread pool of NumPy's own there is nothing that a fork could lose.
        env = {**os.environ, "KERAS_BACKEND": backend, "OPENBLAS_NUM_THREADS": "1"}
        env = {**env, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.training.fork_server", *modules],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            text=True,
        )

    def start(
        self, log: Path, *words: Any, output: Path | None = None, **environment: str
    ) -> int:
        """Begin a command; what it says is added to `log`, as is its stdout by default."""
        return self._ask(
            {
                "start": list(map(str, words)),
                "output": str(output or log),
                "log": str(log),
                "environment": environment,
            }
        )

    def wait(self, process: int) -> int:
        """Wait until a command has ended: its exit code, or minus the signal's number."""
        return self._ask({"wait": process})

    def close(self) -> None:
        """End the server; commands that still run go on."""
        assert self.server.stdin is not None
        self.server.stdin.close()
        self.server.wait()

    def _ask(self, request: dict[str, Any]) -> int:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline()
        assert answer, "the fork server has died"
        return int(answer)


def serve() -> None:
    """Answer requests until there are no more."""
    # Only imports: the first number that Keras makes would start threads.
    for module in (os.environ["KERAS_BACKEND"], *sys.argv[1:]):
        importlib.import_module(module)
    import keras  # noqa: F401

    import textgen.generation.generator  # noqa: F401
    from textgen.__main__ import main
    from textgen.training.loop import fit  # noqa: F401

    num_threads = len(os.listdir("/proc/self/task"))
    assert num_threads == 1, f"{num_threads} threads cannot be forked soundly"
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        elif child := os.fork():
            print(child, flush=True)
        else:
            _prepare(request)
            # It ends this process as it ends one of its own, with all that is done at exit.
            main()


def _prepare(request: dict[str, Any]) -> None:
    """Make this process what the command would be started as."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "output"), (2, "log")):
        path = request[name]
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    # Those there are know of another file, or pipe, at their end.
    sys.stdout, sys.stderr = (os.fdopen(n, "w", 1, closefd=False) for n in (1, 2))
    os.environ.update(request["environment"])
    sys.argv = ["textgen", *request["start"]]


def is_running(process: int) -> bool:
    return state_of(process) != "Z"


def state_of(process: int) -> str:
    """One letter: T is stopped, Z is ended; see proc(5)."""
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


if __name__ == "__main__":
    serve()
