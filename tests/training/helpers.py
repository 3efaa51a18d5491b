"""The options of a small model, with nothing fitted when training has ended."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

SMALL: dict[str, Any] = {
    "units": 16,
    "num_layers": 1,
    "embedding_dim": 8,
    "batch_size": 4,
    "seq_length": 16,
    "warmup_steps": 5,
    "memory": 0,
    "calibrate": False,
    "quiet": True,
}


# The type is named: what `auto` comes to is timed, and both runs must have the same.
INTERRUPTED = {
    **SMALL,
    "epochs": 1,
    "eval_every": 24,
    "dropout": 0.2,
    "conv": 3,
    "attention": 20,
    "compute_dtype": "float32",
}


def rows_of(run: Path) -> list[dict[str, str]]:
    with open(run / "history.csv", newline="") as file:
        return list(csv.DictReader(file))
