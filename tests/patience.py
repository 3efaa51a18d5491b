"""How long tests wait for something that must happen."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 600
"""Seconds, more than it takes on the busiest machine: only what hangs is ended."""


def wait_until(is_so: Callable[[], bool], every: float = 0.02) -> None:
    """Wait until something is so; after `PATIENCE`, the test fails."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, f"not so after {PATIENCE} seconds"
        time.sleep(every)
