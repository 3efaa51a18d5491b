"""Ctrl-C, SIGTERM and SIGHUP as stop requests, which training polls after each step."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from textgen.training.backend.noise import is_command
from textgen.wording import say

# Sent when the terminal is closed; Windows has no such signal.
HANGUP = getattr(signal, "SIGHUP", None)
TERMINATION = (signal.SIGTERM,) if HANGUP is None else (signal.SIGTERM, HANGUP)
# A line feed first: the cursor may be behind a progress bar.
STOPPING = (
    "\nFinishing this step or evaluation, then saving; press Ctrl-C again to stop now."
)
LOADING = "\nStopping as soon as possible: Keras is being loaded. Nothing was saved."

GRACE_SECONDS = 5.0
"""How long the process has to end by itself after a second SIGTERM or SIGHUP."""


@contextmanager
def signals_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, so that context managers clean up.

    Only the main thread receives signals; in another thread nothing is changed.
    """

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt, *TERMINATION):
        yield


@contextmanager
def keras_loading(*, quiet: bool = False) -> Iterator[None]:
    """Let an import of Keras finish before an interrupt: half loaded it stays unusable.

    In a command, which ends then, the interrupt waits only until the next module, and
    Ctrl-C is ignored from then on.

    Args:
        quiet: print nothing on stderr.

    Raises:
        KeyboardInterrupt: the user asked to stop.
    """
    note = None if quiet else LOADING
    with stop_requests(note=note, patient=True) as wants_stop:
        finder = _Interruption(wants_stop)
        if is_command():
            sys.meta_path.insert(0, finder)
        try:
            yield
        except Exception:
            # Native code that imports a module makes an error of its own of the interrupt.
            if not wants_stop():
                raise
        finally:
            with suppress(ValueError):
                sys.meta_path.remove(finder)
    if wants_stop():
        raise KeyboardInterrupt


class _Interruption:
    """A finder of modules that finds none, and raises KeyboardInterrupt on request.

    Raised by a handler, it could come while native code calls Python, which may abort.
    """

    def __init__(self, wants_stop: Callable[[], bool]) -> None:
        self._wants_stop = wants_stop

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and self._wants_stop():
            raise KeyboardInterrupt


@contextmanager
def stop_requests(
    *, note: str | None = STOPPING, patient: bool = False
) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into a flag that training polls after each step.

    A second signal raises KeyboardInterrupt at once. If native code is stuck, so that
    Python cannot raise, a second SIGTERM or SIGHUP ends the process after
    `GRACE_SECONDS`. Only the main thread receives signals; in another thread nothing is
    changed. Signals that are ignored, as in a background job, stay so.

    Args:
        note: printed at once at the first signal; None prints nothing.
        patient: a second signal does not raise, either.

    Yields:
        a function that returns whether a stop was requested, also after the block.
    """
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if asked.is_set() and not patient:
            raise KeyboardInterrupt
        asked.set()

    def is_ending() -> bool:
        return asked.is_set() and patient and is_command()

    numbers = signal.SIGINT, *TERMINATION
    with _handled(ask, *numbers, is_ending=is_ending) as handled, _watched(handled, note):
        yield asked.is_set


@contextmanager
def _handled(
    handler: Callable[[int, Any], None],
    *numbers: int,
    is_ending: Callable[[], bool] = lambda: False,
) -> Iterator[list[int]]:
    """Handle those signals that are not ignored, and yield them.

    If the process is ending after the block, another Ctrl-C would only disturb its end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield []
        return
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def handle(number: int, frame: Any) -> None:
        if number == HANGUP:
            # Writing to a closed terminal would raise an error.
            for terminal in terminals:
                os.dup2(os.open(os.devnull, os.O_WRONLY), terminal)
        handler(number, frame)

    # `nohup` ignores SIGHUP, and a shell without job control ignores SIGINT for what it
    # starts in the background. None is a handler of native code: it could not be put back.
    untouched = (signal.SIG_IGN, None)
    handled = [each for each in numbers if signal.getsignal(each) not in untouched]
    before = {number: signal.signal(number, handle) for number in handled}
    try:
        yield handled
    finally:
        for number, old in before.items():
            is_ignored = number == signal.SIGINT and is_ending()
            signal.signal(number, signal.SIG_IGN if is_ignored else old)


@contextmanager
def _watched(numbers: Sequence[int], note: str | None) -> Iterator[None]:
    """Watch signals in a thread, while the main thread may be in native code.

    Python calls a handler between two of its own instructions: neither while a library is
    loaded nor while a step runs or is compiled.
    """
    if not numbers:
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    is_over = threading.Event()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(
        target=_watch, args=(reader, numbers, note, is_over, before), daemon=True
    )
    watcher.start()
    _watching.set()
    try:
        yield
    finally:
        _watching.clear()
        signal.set_wakeup_fd(before)
        is_over.set()
        writer.close()
        watcher.join()
        reader.close()


def _watch(
    reader: socket.socket,
    numbers: Sequence[int],
    note: str | None,
    is_over: threading.Event,
    next_watcher: int,
) -> None:
    """Acknowledge the first signal; let a second one end a process that is stuck."""
    is_asked = False
    # Each byte is the number of a signal; none are left when the other end is closed.
    while received := reader.recv(1):
        if (number := received[0]) not in numbers:
            # An event loop that trains in its main thread waits for its own signals.
            with suppress(OSError):
                os.write(next_watcher, received)
            continue
        if not is_asked and note is not None:
            say(note)
        if is_asked and number in TERMINATION and not is_over.wait(GRACE_SECONDS):
            os._exit(128 + number)
        is_asked = True


_watching = threading.Event()


def _unwatch_child() -> None:
    # Otherwise the signals of a child process would be reported to its parent.
    if _watching.is_set():
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unwatch_child)
