"""The runs in a folder, for `textgen runs`: read from their configurations alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textgen.checkpoint.describe import shareable_text
from textgen.checkpoint.format import load_config
from textgen.checkpoint.parts import CONFIG
from textgen.checkpoint.runs import COMPLETE
from textgen.checkpoint.single_file import is_single_file
from textgen.errors import CheckpointError


@dataclass(frozen=True)
class RunSummary:
    """What a list says of a run.

    Args:
        name: the name of its directory.
        path: its directory.
        written_at: seconds since 1970, when its newest checkpoint was written.
        bits_per_char: of the validation text, by the checkpoint that `textgen sample`
            uses; None before the first evaluation.
        num_parameters: None if the run cannot be read.
        sources: names of the first files that it was trained on.
        num_files: how many there were; None if that is not known.
        num_chars: of its text; None if that is not known.
        fault: why the run cannot be read, or nothing.
    """

    name: str
    path: str
    written_at: float
    bits_per_char: float | None = None
    num_parameters: int | None = None
    sources: tuple[str, ...] = ()
    num_files: int | None = None
    num_chars: int | None = None
    fault: str = ""


def list_runs(folder: Path) -> list[RunSummary]:
    """The runs and checkpoints in a folder, single files too, or the folder itself.

    The newest come first.

    No weights are read. Whatever else is in the folder is left out.

    Raises:
        CheckpointError: the folder cannot be read.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise CheckpointError(
            f"{folder}: cannot be listed ({error.strerror or error}). Name the folder that "
            "contains the runs."
        ) from error
    # Hidden folders are remains of checkpoints that were being written.
    inside = [folder / name for name in names if not name.startswith(".")]
    places = inside if _written_at(folder) is None else [folder]
    dated = [(place, _written_at(place)) for place in places]
    found = [summarize(place, at) for place, at in dated if at is not None]
    return sorted(found, key=lambda run: (-run.written_at, run.name))


def _written_at(place: Path) -> float | None:
    """When the newest checkpoint of a run was written; None without any."""
    configs = [place / part / CONFIG for part in ("", *COMPLETE)]
    times = []
    for file in [place] if is_single_file(place) else configs:
        try:
            times.append(os.stat(file).st_mtime)
        except OSError:
            continue  # there is none, or it has just been replaced
    return max(times, default=None)


def summarize(place: Path, written_at: float = 0.0) -> RunSummary:
    """What a list says of one run or checkpoint, whether it can be read or not."""
    name = place.name or Path(os.path.abspath(place)).name
    try:
        model, facts = load_config(place)
    except CheckpointError as error:
        return RunSummary(name, str(place), written_at, fault=str(error))
    text = shareable_text(facts.get("text", {}))
    return RunSummary(
        name,
        str(place),
        written_at,
        _number(facts.get("score", {}), "val_bits_per_char"),
        model.num_parameters,
        tuple(text.get("sources", ())),
        _whole(text, "num_files"),
        _whole(text, "num_chars"),
    )


# Facts come from the file and are not trusted: any may be missing or nonsense.


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _whole(facts: Mapping[str, Any], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
