"""The text that a checkpoint was trained on, as far as it is still there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textgen.checkpoint.bases import is_bundled
from textgen.disk.names import shareable_name
from textgen.errors import CorpusError


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
