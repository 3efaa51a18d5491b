"""Processes that work for this one.

Not `multiprocessing`, whose processes begin by running the script of the user once more, so
that a script without `if __name__ == "__main__"` would fail.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from textgen.errors import CorpusError, TextgenError
from textgen.wording import count_of

T = TypeVar("T")

AHEAD = 2
"""Calls that are made before there is an idle worker for them."""

_BEGIN = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    f"from {__name__} import serve; serve()"
)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class RefusedError(Exception):
    """A worker has found something that a user can fix, and left it to the caller."""


class Workers:
    """Processes that call functions; they end with the block.

    Args:
        number: how many of them.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> Workers:
        self._processes: list[Any] = []
        try:
            for _ in range(self._number):
                self._processes.append(_started())
        except OSError as error:
            self._end_processes()
            raise CorpusError(
                f"{count_of(self._number, 'worker')} cannot be started "
                f"({error.strerror}). Start again with a lower `workers`, or with 1."
            ) from error
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for process in self._processes:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(self._number)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        self._end_processes()

    def _end_processes(self) -> None:
        for process in self._processes:
            process.kill()
            with suppress(OSError):  # what was written but not read is lost
                process.stdin.close()
            process.stdout.close()
            process.wait()

    def map(
        self, function: Callable[..., T], calls: Iterable[tuple[Any, ...]]
    ) -> Iterator[T]:
        """The results of calls in their order, of which few are held in memory.

        Args:
            function: of a module that the workers can import.
            calls: the arguments of each.

        Raises:
            RefusedError: a call has raised a `TextgenError`.
            CorpusError: a worker has been killed.
        """
        ahead: deque[Future[T]] = deque()
        for arguments in calls:
            ahead.append(self._threads.submit(self._call, function, arguments))
            if len(ahead) > AHEAD + self._number:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def _call(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        process = self._idle.get()
        try:
            pickle.dump((function, arguments), process.stdin)
            process.stdin.flush()
            result, error = pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as broken:
            raise _lost(process.wait(), self._number) from broken
        finally:
            self._idle.put(process)
        if error is not None:
            raise error
        return cast(T, result)


def serve() -> None:
    """Be a worker: call what arrives on stdin, and write what it returns to stdout."""
    calls, results = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while True:
        try:
            function, arguments = pickle.load(calls)
        except (EOFError, pickle.UnpicklingError):  # the other end is gone
            return
        outcome = _outcome(function, arguments)
        try:
            pickle.dump(outcome, results)
            results.flush()
        except BrokenPipeError:
            os._exit(1)


def _outcome(
    function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[Any, Exception | None]:
    """The result of a call, or its error."""
    try:
        return function(*arguments), None
    except TextgenError:
        return None, RefusedError()
    except Exception as error:
        return None, error


def _started() -> Any:
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _BEGIN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **_ONE_THREAD},
        # Ctrl-C is for the process that they work for.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    assert process.stdin is not None
    pickle.dump(list(map(str, sys.path)), process.stdin)
    return process


def _lost(code: int, number: int) -> CorpusError:
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return CorpusError(
        f"one of {count_of(number, 'worker')} that read the text has ended {how}; there "
        "may be too little memory. Start again with a lower `workers`, or with 1."
    )
