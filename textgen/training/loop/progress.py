"""How far a run has come, and when it ends."""

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
"""The columns of the history; each evaluation adds a row."""

STORED_NAMES = {"evals_since_best": "waits"}
"""Names in `training.json` of the fields that differ from those in code."""


@dataclass
class Progress:
    """How far a run has come; stored in `training.json` next to the options.

    Args:
        step: optimizer steps done.
        seconds: time spent in training and evaluation, over all sessions.
        best_score: lowest validation score so far, in bits per character.
        best_step: the step with that score.
        evals_since_best: evaluations since that step.
        rows: one dictionary per evaluation, as in `history.csv`.
    """

    step: int = 0
    seconds: float = 0.0
    best_score: float | None = None
    best_step: int = 0
    evals_since_best: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The progress as plain data for JSON."""
        return {STORED_NAMES.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Progress:
        """Restore what `to_dict` returned, checking every value.

        Raises:
            CheckpointError: names are missing or unknown, or a value is out of its range.
        """
        valid = (
            isinstance(data, dict)
            and data.keys() == cls().to_dict().keys()
            and all(is_whole_number(data[name]) for name in ("step", "best_step", "waits"))
            and _is_finite(data["seconds"])
            and data["seconds"] >= 0
            and (data["best_score"] is None or _is_finite(data["best_score"]))
            and isinstance(data["rows"], list)
            and all(_is_row(row) for row in data["rows"])
        )
        if not valid:
            raise CheckpointError(
                "the stored training state is damaged. Begin a new run with another --out."
            )
        names = {stored: name for name, stored in STORED_NAMES.items()}
        return cls(**{names.get(stored, stored): value for stored, value in data.items()})


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
    """How many steps, and how much time, a run may take."""

    total_steps: int
    max_seconds: float | None = None

    def share_used(self, progress: Progress) -> float:
        """The share of the budget that is used up, from 0 to 1."""
        by_steps = progress.step / self.total_steps
        by_time = progress.seconds / self.max_seconds if self.max_seconds else 0.0
        return min(1.0, max(by_steps, by_time))
