"""What a report says of the training of a model and of the novelty of its texts."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textgen.checking.novelty import Novelty, novelty
from textgen.checkpoint.format import Checkpoint
from textgen.checkpoint.origin import shareable_reason
from textgen.checkpoint.previews import Preview, read_previews
from textgen.checkpoint.runs import run_of
from textgen.checkpoint.status import read_status
from textgen.disk.strict_files import opened
from textgen.errors import CheckpointError, TextgenError
from textgen.generation.generator import Generator
from textgen.inspecting.texts import corpus_of, written_text

COLUMNS = (
    *("step", "epoch", "train_bits_per_char", "val_bits_per_char", "learning_rate"),
    "seconds",
)
MAX_PREVIEWS = 8
"""Previews that are shown: the first, the last, and some between."""

MAX_HISTORY_BYTES = 2**24


@dataclass(frozen=True)
class Training:
    """How a run went.

    Args:
        rows: of its history, as numbers.
        previews: some of them, in order.
        ended: what ended it, in words; empty if that is not known.
        speed: characters of training text per second; None if that is not known.
    """

    rows: Sequence[Mapping[str, float]]
    previews: Sequence[Preview]
    ended: str
    speed: float | None

    @property
    def best(self) -> Mapping[str, float] | None:
        """The row with the best score."""
        return best_of(self.rows)


def training_of(path: Path, saved: Checkpoint) -> Training:
    """The history of the run that a checkpoint belongs to; empty without one."""
    run = run_of(path)
    rows, status = read_history(run.history_csv), read_status(run.status)
    return Training(
        rows,
        chosen(read_previews(run.previews)),
        "" if status is None else status.ended_shown,
        _speed(rows, saved.facts.get("train", {})),
    )


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a history that are complete; nothing if there is no such file."""
    try:
        with opened(path) as (file, _):
            lines = file.read(MAX_HISTORY_BYTES).decode("utf-8", "replace").splitlines()
    except CheckpointError:
        return []
    found: list[dict[str, float]] = []
    # The reader ends at a field of more than 131,072 characters.
    with suppress(csv.Error):
        for row in csv.DictReader(lines):
            with suppress(KeyError, TypeError, ValueError):
                numbers = {name: float(row[name]) for name in COLUMNS}
                if all(map(math.isfinite, numbers.values())):
                    found.append(numbers)
    return found


def best_of(rows: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
    """The row of a history with the best score; None without any."""
    return min(rows, key=lambda row: row["val_bits_per_char"], default=None)


def chosen(previews: Sequence[Preview], most: int = MAX_PREVIEWS) -> list[Preview]:
    """Evenly spread, more of them at the beginning, where most is learned.

    >>> [each.step for each in chosen([Preview(n, "") for n in range(100)], most=4)]
    [0, 11, 44, 99]
    """
    if len(previews) <= most:
        return list(previews)
    last = len(previews) - 1
    places = {round(last * (n / (most - 1)) ** 2) for n in range(most)}
    return [previews[place] for place in sorted(places)]


def _speed(rows: Sequence[Mapping[str, float]], options: Mapping[str, Any]) -> float | None:
    batch, length = options.get("batch_size"), options.get("seq_length")
    if not (isinstance(batch, int) and isinstance(length, int)):
        return None
    if not rows or rows[-1]["seconds"] <= 0:
        return None
    return float(rows[-1]["step"] * batch * length / rows[-1]["seconds"])


@dataclass(frozen=True)
class Written:
    """What the model writes, and how much of that is copied.

    Args:
        text: the beginning of it.
        novelty: None if its corpus cannot be read.
        why_not: the reason for that.
    """

    text: str
    novelty: Novelty | None
    why_not: str = ""


def written_by(
    path: Path, saved: Checkpoint, num_chars: int, seed: int, prompts: Sequence[str] = ()
) -> Written:
    """Let a model write, and look for its text in the corpus it was trained on.

    Args:
        prompts: what a model of completions completes.
    """
    documents = str(saved.facts.get("text", {}).get("documents", "whole"))
    tables = saved.ngrams
    model, tokenizer = saved.model, saved.tokenizer
    generator = Generator(model, saved.weights, tokenizer, documents, ngrams=tables)
    text = ""
    try:
        written = written_text(generator, num_chars, seed, prompts)
        text = "\n".join(each.text for each in written)
        if not text:
            return Written(text, None, "The model wrote nothing.")
        corpus = corpus_of(path, saved)
        found = novelty(text, [("the corpus", each) for each in corpus.documents])
    except TextgenError as error:
        return Written(text, None, shareable_reason(error, path))
    return Written(text, found)
