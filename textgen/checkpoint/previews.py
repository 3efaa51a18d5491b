"""Short texts that a model wrote after each evaluation, kept beside the history."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from textgen.disk.atomic import ADVICE, write_file
from textgen.disk.strict_files import opened
from textgen.errors import CheckpointError
from textgen.wording import is_whole_number

MAX_BYTES = 4 * 2**20
"""Of a file of previews; many times what is ever written."""


@dataclass(frozen=True)
class Preview:
    """What a model wrote after `step` steps of training."""

    step: int
    text: str


def read_previews(path: Path) -> list[Preview]:
    """The previews of a run in order; nothing if there are none.

    A damaged line is left out: nothing depends on these texts.
    """
    try:
        with opened(path) as (file, _):
            lines = file.read(MAX_BYTES).decode("utf-8", "replace").splitlines()
    except CheckpointError:
        return []
    return [preview for line in lines if (preview := _parsed(line)) is not None]


def add_preview(path: Path, preview: Preview, advice: str = ADVICE) -> None:
    """Keep a preview; those of the same step and later ones are replaced.

    Raises:
        CheckpointError: the file cannot be written.
    """
    kept = [each for each in read_previews(path) if each.step < preview.step]
    lines = [json.dumps(asdict(each)) + "\n" for each in (*kept, preview)]
    write_file(path, "".join(lines).encode(), advice)


def _parsed(line: str) -> Preview | None:
    try:
        found = json.loads(line)
        step, text = found["step"], found["text"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return Preview(step, text) if is_whole_number(step) and isinstance(text, str) else None
