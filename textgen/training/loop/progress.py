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
        eval_seconds: duration of the last evaluation with its saves and preview; before
            the first one, an estimate.
        rows: one dictionary per evaluation, as in `history.csv`.
    """

    step: int = 0
    seconds: float = 0.0
    best_score: float | None = None
    best_step: int = 0
    evals_since_best: int = 0
    eval_seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)

    @property
    def best_epoch(self) -> float:
        """Passes over the text until the best score; 0 if its row has been lost."""
        rows = [row for row in self.rows if row["step"] == self.best_step]
        return rows[-1]["epoch"] if rows else 0.0

    def best_shown(self) -> str:
        """The best score and when it was, for messages; empty before the first one."""
        if self.best_score is None:
            return ""
        score = f"{self.best_score:.3f} bits per character"
        return f"best score {score} at epoch {self.best_epoch:.1f}"

    def to_dict(self) -> dict[str, Any]:
        """The progress as plain data for JSON."""
        return {STORED_NAMES.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Progress:
        """Restore what `to_dict` returned, checking every value.

        Raises:
            CheckpointError: names are missing or unknown, or a value is out of its range.
        """
        if isinstance(data, dict):
            # Runs begun before it was recorded do not have it.
            data = {"eval_seconds": 0.0, **data}
        valid = (
            isinstance(data, dict)
            and data.keys() == cls().to_dict().keys()
            and all(is_whole_number(data[name]) for name in ("step", "best_step", "waits"))
            and all(_is_duration(data[name]) for name in ("seconds", "eval_seconds"))
            and (data["best_score"] is None or _is_finite(data["best_score"]))
            and isinstance(data["rows"], list)
            and all(_is_row(row) for row in data["rows"])
        )
        if not valid:
            raise CheckpointError(
                "the stored training state is damaged. Begin a new run with another `out`."
            )
        names = {stored: name for name, stored in STORED_NAMES.items()}
        return cls(**{names.get(stored, stored): value for stored, value in data.items()})


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_duration(value: Any) -> bool:
    return _is_finite(value) and value >= 0


def _is_row(row: object) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == set(COLUMNS)
        and all(map(_is_finite, row.values()))
    )


@dataclass(frozen=True)
class Budget:
    """How many steps, how much time, or both a run may take.

    Args:
        total_steps: None if only the time is limited.
        max_seconds: of training and evaluation, over all sessions; what is measured when
            training has ended is part of it. None if only the steps are limited.
        seconds_after: of that time, what is needed when training has ended.
        evaluations: those still to come when training ends, the last one included.

    >>> budget = Budget(total_steps=100, max_seconds=60.0)
    >>> budget.share_used(Progress(step=20, seconds=30.0))
    0.5
    """

    total_steps: int | None
    max_seconds: float | None = None
    seconds_after: float = 0.0
    evaluations: int = 1

    def share_used(self, progress: Progress) -> float:
        """The share of the time for training that is used up, from 0 to 1."""
        return min(1.0, max(self._by_steps(progress), self._by_time(progress)))

    def is_short_of_time(self, progress: Progress) -> bool:
        """Whether, at the pace so far, the time ends before the steps do."""
        return self._by_time(progress) > self._by_steps(progress)

    def seconds_kept(self, progress: Progress) -> float:
        """How much of the time is kept for what is measured when training has ended."""
        return self.seconds_after + (self.evaluations - 1) * progress.eval_seconds

    def _by_steps(self, progress: Progress) -> float:
        return progress.step / self.total_steps if self.total_steps else 0.0

    def _by_time(self, progress: Progress) -> float:
        if self.max_seconds is None:
            return 0.0
        reserved = _EVAL_MARGIN * self.evaluations * progress.eval_seconds
        reserved += self.seconds_after
        # Where all else takes longer than training may, training still gets half.
        return progress.seconds / max(self.max_seconds - reserved, self.max_seconds / 2)


# Evaluations of one run differ by about this factor on a busy machine.
_EVAL_MARGIN = 1.2
