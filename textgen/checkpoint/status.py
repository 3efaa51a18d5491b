"""How far a run is and what ended it: one small file beside the history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from textgen.disk.atomic import write_file
from textgen.disk.strict_json import read_json
from textgen.errors import CheckpointError
from textgen.wording import clock_time

MAX_BYTES = 10_000
"""Many times what is ever written."""

MOST = 2**63 - 1
"""Of any number in it."""

ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        "epochs": "all epochs were done",
        "time": "its time was used up",
        "patience": "the score no longer got better",
        "callback": "a callback stopped it",
        "limit": "a limit of Keras cut it short",
        "interrupted": "it was interrupted",
        "diverged": "its loss was no longer a finite number",
        "error": "an error stopped it",
    }
)
"""Why a run can have ended, in words."""

NOT_ENDED = "it is still going on, or was killed"


@dataclass(frozen=True)
class Status:
    """What a run says of itself.

    Args:
        step: optimizer steps done.
        epoch: passes over the training text.
        share_used: of the budget, from 0 to 1.
        seconds: of training and evaluation, over all sessions.
        seconds_left: as far as can be told; 0 while it is unknown.
        chars_per_second: training text that is read; 0 while it is unknown.
        bits_per_char: of the training text since the last evaluation; None before the
            first step.
        ended: one of `ENDINGS`; None during training, and after it was killed.
    """

    step: int
    epoch: float
    share_used: float
    seconds: float
    seconds_left: float = 0.0
    chars_per_second: float = 0.0
    bits_per_char: float | None = None
    ended: str | None = None

    @property
    def ended_shown(self) -> str:
        """What ended the run, and when.

        >>> Status(9, 1.5, 0.1, seconds=83, ended="time").ended_shown
        'its time was used up, after 1:23 and 1.5 epochs'
        """
        why = NOT_ENDED if self.ended is None else ENDINGS[self.ended]
        return f"{why}, after {clock_time(self.seconds)} and {self.epoch:.1f} epochs"


def read_status(path: Path) -> Status | None:
    """The status of a run; None if it has none, or a damaged one."""
    try:
        found = read_json(path, MAX_BYTES)
    except CheckpointError:
        return None
    return Status(**found) if _is_status(found) else None


def write_status(path: Path, status: Status) -> None:
    """Keep the status of a run, if the file can be written: nothing depends on it."""
    data = json.dumps(asdict(status)).encode()
    with suppress(CheckpointError):
        write_file(path, data, flush=False)


def _is_status(found: dict[str, Any]) -> bool:
    if found.keys() != {f.name for f in fields(Status)}:
        return False
    numbers = {name: found[name] for name in found if name != "ended"}
    if numbers["bits_per_char"] is None:
        del numbers["bits_per_char"]
    return all(map(_is_amount, numbers.values())) and found["ended"] in (None, *ENDINGS)


def _is_amount(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= MOST
