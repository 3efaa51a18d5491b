"""The status of a run, kept in a file while it trains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textgen.checkpoint.status import Status, write_status
from textgen.errors import TrainingError
from textgen.training.backend.loaded import keras
from textgen.training.loop.progress import Budget, Progress

EVERY_SECONDS = 2.0
"""Between two writes; nothing is flushed, so that one takes a tenth of a millisecond."""


class KeepStatus(keras.callbacks.Callback):
    """Measure speed and time left, and keep them in a file with all else that is known.

    Args:
        path: of the file; None keeps none.
        window_chars: characters trained on per step, on average.
        ids_per_char: of the training text.
        steps_per_pass: steps to read the training text once.
    """

    def __init__(
        self,
        path: Path | None,
        progress: Progress,
        budget: Budget,
        *,
        window_chars: float,
        ids_per_char: float,
        steps_per_pass: int,
    ) -> None:
        super().__init__()
        self.path = path
        self.progress = progress
        self.budget = budget
        self.ids_per_char = ids_per_char
        self.steps_per_pass = steps_per_pass
        self._pace = Pace(budget.share_used(progress), progress.seconds)
        self._speed = Speed(window_chars)
        self._bits_per_char: float | None = None
        self._next_write = 0.0

    @property
    def chars_per_second(self) -> float:
        """Characters of training text per second; 0 while it is unknown."""
        return self._speed.chars_per_second

    @property
    def seconds_left(self) -> float:
        """Seconds until the budget is used up; 0 while that is unknown."""
        share = self.budget.share_used(self.progress)
        return self._pace.seconds_left(share, self.progress.seconds)

    def on_train_begin(self, logs: Any = None) -> None:
        """Take back what ended the session before."""
        self._write()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Restart the measurement of speed: evaluation and preview do not count."""
        self._speed.restart()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Measure the speed, and write the file if it is time."""
        now = time.monotonic()
        self._speed.add(now, self.progress.step)
        if now >= self._next_write:
            self._read(logs)
            self._write()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Write the file if it is time: its age says that the run is alive."""
        if time.monotonic() >= self._next_write:
            self._write()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the file after an evaluation."""
        self._read(logs)
        self._write()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep in the file how training in the body ends if it fails or is interrupted."""
        try:
            yield
        except BaseException as error:
            self.end(_why(error))
            raise

    def end(self, why: str) -> None:
        """Keep in the file what has ended the run."""
        self._write(ended=why)

    def _read(self, logs: Any) -> None:
        self._bits_per_char = float(logs["bits_per_id"]) * self.ids_per_char

    def _write(self, ended: str | None = None) -> None:
        self._next_write = time.monotonic() + EVERY_SECONDS
        if self.path is None:
            return
        status = Status(
            step=self.progress.step,
            epoch=round(self.progress.step / self.steps_per_pass, 4),
            share_used=self.budget.share_used(self.progress),
            seconds=round(self.progress.seconds, 3),
            seconds_left=0.0 if ended else self.seconds_left,
            chars_per_second=self.chars_per_second,
            bits_per_char=self._bits_per_char,
            ended=ended,
        )
        write_status(self.path, status)


def _why(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "diverged" if isinstance(error, TrainingError) else "error"


class Speed:
    """Characters per second, from the second step on: the first one also compiles."""

    def __init__(self, window_chars: float) -> None:
        self.window_chars = window_chars
        self.chars_per_second = 0.0
        self._start: tuple[float, int] | None = None

    def restart(self) -> None:
        """Restart the measurement; until it has a result, the last speed remains."""
        self._start = None

    def add(self, now: float, step: int) -> None:
        """Note that `step` steps are done at time `now`, in seconds."""
        if self._start is None:
            self._start = now, step
        elif now > self._start[0]:
            steps = step - self._start[1]
            self.chars_per_second = steps * self.window_chars / (now - self._start[0])


class Pace:
    """Time left, extrapolated from the share of the budget used in this session.

    >>> Pace(share_used=0.5, seconds=100.0).seconds_left(share_used=0.75, seconds=120.0)
    20.0
    """

    def __init__(self, share_used: float, seconds: float) -> None:
        self.share_used = share_used
        self.seconds = seconds

    def seconds_left(self, share_used: float, seconds: float) -> float:
        """Seconds until `share_used` reaches 1; 0 while it is unknown."""
        gained = share_used - self.share_used
        return (seconds - self.seconds) * (1 - share_used) / gained if gained > 0 else 0.0
