"""How far a run has come, and how far it may go."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from textgen.errors import CheckpointError
from textgen.wording import is_whole_number

COLUMNS = (
    *("step", "epoch", "train_bits_per_char", "val_bits_per_char"),
    *("learning_rate", "seconds"),
)
"""Of the history: what each evaluation adds to it."""


@dataclass
class RunState:
    """How far a run has come.

    Args:
        step: optimizer steps done.
        seconds: time spent in training and evaluation, over all sessions.
        best_score: lowest validation score so far, bits per character.
        best_step: the step it was reached at.
        waits: evaluations since then.
        rows: one dictionary an evaluation, as in `history.csv`.
    """

    step: int = 0
    seconds: float = 0.0
    best_score: float | None = None
    best_step: int = 0
    waits: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The state as plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunState:
        """The state that `to_dict` stored, of which nothing is trusted.

        Raises:
            CheckpointError: names are missing or unknown, or a value is none that it
                can have.
        """
        sound = (
            isinstance(data, dict)
            and data.keys() == cls().to_dict().keys()
            and all(is_whole_number(data[name]) for name in ("step", "best_step", "waits"))
            and _is_finite(data["seconds"])
            and data["seconds"] >= 0
            and (data["best_score"] is None or _is_finite(data["best_score"]))
            and isinstance(data["rows"], list)
            and all(_is_row(row) for row in data["rows"])
        )
        if not sound:
            raise CheckpointError(
                "the stored training state is damaged. Choose another --out to begin anew."
            )
        return cls(**data)


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_row(row: object) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == set(COLUMNS)
        and all(map(_is_finite, row.values()))
    )


@dataclass(frozen=True)
class Budget:
    """When a run ends at the latest: after so many steps or so much time."""

    total_steps: int
    max_seconds: float | None = None

    def progress(self, state: RunState) -> float:
        """The part of the budget that is used up, 0 to 1."""
        by_steps = state.step / self.total_steps
        by_time = state.seconds / self.max_seconds if self.max_seconds else 0.0
        return min(1.0, max(by_steps, by_time))
