"""Ctrl-C, SIGTERM and SIGHUP as stop requests, which training polls after each step."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Sent when the terminal is closed; Windows has no such signal.
HANGUP = getattr(signal, "SIGHUP", None)
TERMINATION = (signal.SIGTERM,) if HANGUP is None else (signal.SIGTERM, HANGUP)
STOPPING = (
    b"\nFinishing this step or evaluation, then saving; press Ctrl-C again to stop now.\n"
)


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
def stop_requests(
    *, quiet: bool = False, patient: bool = False
) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into a flag that training polls after each step.

    A second signal raises KeyboardInterrupt at once. Only the main thread receives
    signals; in another thread nothing is changed.

    Args:
        quiet: print nothing on stderr.
        patient: a second signal does not raise, either.

    Yields:
        a function that returns whether a stop was requested, also after the block.
    """
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if asked.is_set() and not patient:
            raise KeyboardInterrupt
        asked.set()
        if not quiet:
            # Not through the buffer of `sys.stderr`, which may be in use right now.
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
            # Writing to a closed terminal would raise an error.
            for terminal in terminals:
                os.dup2(os.open(os.devnull, os.O_WRONLY), terminal)
        handler(number, frame)

    # Under `nohup`, SIGHUP is ignored and stays so.
    is_ignored = HANGUP is not None and signal.getsignal(HANGUP) is signal.SIG_IGN
    handled = [number for number in numbers if number != HANGUP or not is_ignored]
    before = {number: signal.signal(number, handle) for number in handled}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
