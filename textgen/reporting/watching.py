"""The page of `textgen watch`: a training as it is at this moment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from textgen.checkpoint.previews import Preview, read_previews
from textgen.checkpoint.runs import RunDirectory
from textgen.checkpoint.status import Status, read_status
from textgen.reporting import pictures
from textgen.reporting.facts import best_of, chosen, read_history
from textgen.reporting.page import rendered
from textgen.version import __version__
from textgen.wording import clock_time

SILENCE = 60.0
"""Seconds without a sign of life after which it may have been killed."""


@dataclass(frozen=True)
class Moment:
    """What the files of a run say at this moment.

    Args:
        rows: of its history.
        previews: some of them, the latest first.
        status: None if the run keeps none, or not yet.
        age: seconds since that was written.
    """

    name: str
    rows: Sequence[Mapping[str, float]]
    previews: Sequence[Preview]
    status: Status | None
    age: float

    @property
    def percent(self) -> str:
        """How much is done; nothing if that is not known."""
        return "" if self.status is None else f"{self.status.share_used:.0%}"

    @property
    def state(self) -> str:
        """What the run does, and the last evaluation, in words."""
        if not self.rows:
            return self._doing
        last, best = self.rows[-1], best_of(self.rows)
        bits = f"{last['val_bits_per_char']:.3f} bits per character on held-out text"
        is_best = " the best so far" if best is last else ""
        return f"{self._doing} Last evaluation: {bits}{is_best and ','}{is_best}."

    @property
    def figures(self) -> list[tuple[str, str]]:
        """Numbers of this moment with their names."""
        status, best = self.status, best_of(self.rows)
        if status is None:
            return []
        bits, speed, left = (
            status.bits_per_char,
            status.chars_per_second,
            status.seconds_left,
        )
        found = {
            "epoch": f"{status.epoch:.2f}",
            "step": f"{status.step:,}",
            "time so far": clock_time(status.seconds),
            "time left": clock_time(left) if left else "",
            "characters a second": f"{speed:,.0f}" if speed else "",
            "training bits": "" if bits is None else f"{bits:.3f}",
            "best held-out bits": ""
            if best is None
            else f"{best['val_bits_per_char']:.3f}",
            "learning rate": f"{self.rows[-1]['learning_rate']:.2g}" if self.rows else "",
        }
        return [(name, value) for name, value in found.items() if value]

    @cached_property
    def _doing(self) -> str:
        if self.status is None:
            return (
                "Whether it trains is not known." if self.rows else "It has not begun yet."
            )
        if self.status.ended is not None:
            return f"It has ended: {self.status.ended_shown}."
        if self.age > SILENCE:
            return "No news for more than a minute: it is busy, asleep, or was killed."
        return "Training."


def moment_of(run: RunDirectory, now: float) -> Moment:
    """Read the files of a run.

    Args:
        now: seconds since 1970.
    """
    previews = read_previews(run.previews)
    status, age = read_status(run.status), 0.0
    with suppress(OSError):
        age = now - run.status.stat().st_mtime
    return Moment(
        run.path.resolve().name,
        read_history(run.history_csv),
        [*previews[-1:], *reversed(chosen(previews[:-1]))],
        status,
        age,
    )


class Watch:
    """Makes the page of a run again and again; the curves only when they have changed."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._rows: Sequence[Mapping[str, float]] = ()
        self._curves = ""

    def page(self) -> str:
        """The page of this moment."""
        from markupsafe import Markup

        moment = moment_of(self.run, time.time())
        if moment.rows != self._rows:
            self._rows = moment.rows
            self._curves = pictures.curves(moment.rows) if moment.rows else ""
        return rendered(
            "watch.html", moment=moment, curves=Markup(self._curves), version=__version__
        )
