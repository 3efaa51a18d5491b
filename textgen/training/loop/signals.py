"""Ctrl-C as a question that training asks when it suits."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# A closed terminal; Windows has no such signal.
HANGUP = getattr(signal, "SIGHUP", None)
TERMINATION = (signal.SIGTERM,) if HANGUP is None else (signal.SIGTERM, HANGUP)
STOPPING = b"\nStopping after this step (or evaluation); once more stops at once.\n"


@contextmanager
def signals_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and a closed terminal raise KeyboardInterrupt, to tidy up what was begun.

    Signals belong to the main thread; elsewhere nothing is changed.
    """

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt, *TERMINATION):
        yield


@contextmanager
def stop_requests(
    *, quiet: bool = False, patient: bool = False
) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into a question asked after each step.

    The first one ends training after the step that runs; a second one does not wait.
    The answer still holds when the signals are heard as before. Signals belong to the
    main thread; elsewhere nothing is changed.

    Args:
        quiet: print nothing on stderr.
        patient: a second one does not matter, either.
    """
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if asked.is_set() and not patient:
            raise KeyboardInterrupt
        asked.set()
        if not quiet:
            # Not through Python's buffered stderr: training may be writing to it now.
            os.write(2, STOPPING)

    with _handled(ask, signal.SIGINT, *TERMINATION):
        yield asked.is_set


@contextmanager
def _handled(handler: Callable[[int, Any], None], *numbers: int) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def handle(number: int, frame: Any) -> None:
        if number == HANGUP:
            # Whatever is written to a terminal that has gone would be an error.
            for terminal in terminals:
                os.dup2(os.open(os.devnull, os.O_WRONLY), terminal)
        handler(number, frame)

    # `nohup` asks that a closed terminal be ignored.
    is_ignored = HANGUP is not None and signal.getsignal(HANGUP) is signal.SIG_IGN
    heard = [number for number in numbers if number != HANGUP or not is_ignored]
    before = {number: signal.signal(number, handle) for number in heard}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
