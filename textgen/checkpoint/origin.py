"""The text that a checkpoint was trained on, as far as it is still there."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from textgen.checkpoint.bases import is_bundled
from textgen.checkpoint.format import load_config
from textgen.checkpoint.runs import RunDirectory, find_checkpoint
from textgen.disk.names import shareable_name
from textgen.errors import CorpusError, TextgenError

MOST_SHOWN = 3
"""Files that a message names."""


def trained_files(
    path: Path, trained_on: Mapping[str, Any], advice: str = ""
) -> Sequence[str]:
    """The files that a checkpoint was trained on.

    Args:
        advice: the end of the message when they cannot be found.

    Raises:
        CorpusError: it does not name all of them, or one cannot be found.
    """
    if is_bundled(path):
        raise CorpusError(
            f"{path}: the text it was trained on does not come with it.{advice}"
        )
    names = trained_on.get("sources", [])
    num_files = trained_on.get("num_files", "its")
    places = {name: _place_of(name, path) for name in names}
    missing = [name for name, place in places.items() if place is None]
    if missing:
        name = shareable_name(missing[0])
        why = f"{name} is neither in the working directory nor beside the run"
    elif len(names) != num_files:
        why = f"it names {len(names)} of {num_files} files"
    else:
        return [place for place in places.values() if place is not None]
    raise CorpusError(f"{path}: the text it was trained on cannot be found: {why}.{advice}")


def check_no_run(paths: Iterable[str]) -> None:
    """Refuse a run in the place of a text, and say how to continue it.

    Raises:
        CorpusError: one of the paths is a run.
    """
    for path in paths:
        if not RunDirectory(path).holds_run():
            continue
        texts = "TEXT"
        with suppress(TextgenError):
            saved = find_checkpoint(path)
            found = trained_files(saved, load_config(saved)[1].get("text", {}))
            texts = shlex.join(found) if len(found) <= MOST_SHOWN else texts
        raise CorpusError(
            f"{path} is a run, not a text. To continue it, name its text: textgen train "
            f"{texts} --out {shlex.quote(path)} --resume"
        )


def shareable_reason(error: Exception, checkpoint: Path) -> str:
    """Why the text of a checkpoint cannot be read, without the folders of this machine.

    >>> error = CorpusError("/home/ada/runs/my_book/best: it lacks /home/ada/poems.txt")
    >>> shareable_reason(error, Path("/home/ada/runs/my_book/best"))
    'it lacks poems.txt'
    """
    reason = str(error).removeprefix(f"{checkpoint}: ")
    for folder in filter(lambda folder: folder.name, _folders(checkpoint)):
        reason = reason.replace(os.path.join(folder, ""), "")
    return reason


def _place_of(name: str, checkpoint: Path) -> str | None:
    """Where a file is: from here, or from a folder in which the run's training began."""
    folders = [Path(), *_folders(checkpoint)]
    found = (folder / name for folder in folders if os.path.isfile(folder / name))
    return next(map(str, found), None)


def _folders(checkpoint: Path) -> Sequence[Path]:
    """Usually the run, checkpoints/, and the folder that was worked in."""
    return Path(os.path.abspath(checkpoint)).parents[:3]
