"""Names of files as a run stores them, since runs are meant to be shared."""

from __future__ import annotations

import os
from pathlib import Path, PurePath, PureWindowsPath


def shareable_name(name: str) -> str:
    """A file's name without the folders that lead to the working directory.

    A file below the working directory keeps its path from there. Any other keeps only its
    own name: its folders often contain the name of a person.

    >>> shareable_name("texts/poems.txt"), shareable_name("/home/ada/poems.txt")
    ('texts/poems.txt', 'poems.txt')
    >>> shareable_name("../ada/poems.txt"), shareable_name("C:\\\\ada\\\\poems.txt")
    ('poems.txt', 'poems.txt')
    """
    windows = PureWindowsPath(name)
    if windows.drive and windows.is_absolute() and os.sep == "/":
        # A run that was made on Windows.
        return windows.name
    path = PurePath(os.path.normpath(name))
    here = _working_directory()
    if path.is_absolute() and here is not None and path.is_relative_to(here):
        path = path.relative_to(here)
    return path.name if path.is_absolute() or ".." in path.parts else path.as_posix()


def shareable_run(path: str) -> str:
    """The name of the run that a checkpoint belongs to, without other folders.

    >>> shareable_run("/home/ada/checkpoints/my_book/best")
    'my_book'
    """
    run, part = os.path.split(path)
    return shareable_name(run if part in ("best", "last") else path)


def real_path(path: str | os.PathLike[str]) -> Path:
    """The absolute path without links.

    A relative one stays as it is if the working directory has been deleted: it names
    nothing.

    >>> real_path("a/../b") == Path.cwd().resolve() / "b"
    True
    """
    try:
        return Path(os.path.realpath(path))
    except FileNotFoundError:
        return Path(path)


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        # It has been deleted.
        return None
