"""Files and directories that are either the old or the new ones, whenever a crash comes.

What is new is written to a temporary sibling and flushed to the disk; only then it is
renamed into its place, and the renaming is flushed, too.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textgen.errors import CheckpointError


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves either the old content or the new.

    Raises:
        CheckpointError: it cannot be written.
    """
    with writing_errors(path, "write this file"):
        fresh = path.with_name(f".{path.name}.new")
        write_flushed(fresh, data)
        os.replace(fresh, path)
        flush_directory(path.parent)


def write_flushed(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_directory(path: Path) -> None:
    """Wait until the disk has the names in a directory, as `rename` changed them."""
    # Windows cannot open a directory; there a rename is flushed with the file.
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems flush files, but know no flushing of directories.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def writing_errors(path: str | Path, task: str) -> Iterator[None]:
    """Turn whatever goes wrong while something is written into an error that names it.

    >>> with writing_errors("run/best", "write the checkpoint"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    textgen.errors.CheckpointError: run/best: cannot write the checkpoint ...
    """
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot {task} ({error.strerror or error}). "
            "Free some space or choose another --out."
        ) from error


# --- directories ---


def empty_directory(place: Path, names: tuple[str, ...]) -> Path:
    """The temporary sibling of a directory, made ready to be filled with files `names`."""
    fresh = sibling(place, "new")
    fresh.mkdir(parents=True, exist_ok=True)
    for name in names:
        (fresh / name).unlink(missing_ok=True)
    return fresh


def replace_directory(place: Path, fresh: Path, names: tuple[str, ...]) -> None:
    """Put the filled and flushed directory `fresh` into its place.

    Args:
        place: what it becomes, or replaces.
        names: the files that belong to it; those of other origin are kept.
    """
    flush_directory(fresh)
    # A directory that is not empty cannot be renamed over. Between the two renames
    # `place` is missing; a reader then finds the old one (`settled`).
    old = sibling(place, "old")
    _settle(place, old, names)
    if place.exists():
        os.rename(place, old)
    os.rename(fresh, place)
    flush_directory(place.parent)
    _settle(place, old, names)


def settled(path: Path) -> Path:
    """Where `path` is after a crash between the two renames of a replacement."""
    old = sibling(path, "old")
    return old if not os.path.exists(path) and os.path.exists(old) else path


def sibling(path: Path, suffix: str) -> Path:
    """`.best.old` beside `best`; also for `.`, and beside what a link points to."""
    real = Path(os.path.realpath(path))
    return real.parent / f".{real.name}.{suffix}"


def remove_files(directory: Path, names: tuple[str, ...]) -> None:
    """Delete files by name, then the directory if nothing of other origin is left."""
    for name in names:
        (directory / name).unlink(missing_ok=True)
    if not any(directory.iterdir()) and not directory.is_symlink():
        directory.rmdir()


def _settle(place: Path, old: Path, names: tuple[str, ...]) -> None:
    """Finish a replacement, this one or one that a crash cut short."""
    if not (place.exists() and old.exists()):
        return
    for entry in old.iterdir():
        if entry.name not in names:
            os.rename(entry, _free_name(place / entry.name))
    remove_files(old, names)


def _free_name(path: Path) -> Path:
    while os.path.lexists(path):
        path = path.with_name(f"{path.name}.old")
    return path
