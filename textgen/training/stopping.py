"""Ctrl-C as a question that training asks when it suits."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, so that what was begun is tidied up.

    Signals belong to the main thread; elsewhere nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def stop_requests(
    *, quiet: bool = False, patient: bool = False
) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a question that training asks after each step.

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
            os.write(2, b"\nStopping after this step; once more stops at once.\n")

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
