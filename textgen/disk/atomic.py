"""Files and directories that are either the old or the new ones, whenever a crash comes.

What is new is written to a temporary sibling and flushed to the disk; only then it is
renamed into its place, and the renaming is flushed, too. Whoever reads meanwhile gets all
of the old or all of the new (`read_settled`).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from textgen.errors import CheckpointError, TextgenError

Read = TypeVar("Read")

# Reading takes milliseconds, and a training has other things to do than to save.
TRIES = 20
ADVICE = "Free some space or choose another --out."


def write_file(path: Path, data: bytes, advice: str = ADVICE) -> None:
    """Write a file so that a crash leaves either the old content or the new.

    Args:
        advice: the end of the message when it cannot be written.

    Raises:
        CheckpointError: it cannot be written.
    """
    fresh = path.with_name(f".{path.name}.new")
    with writing_errors(path, "write this file", advice):
        try:
            write_flushed(fresh, data)
            os.replace(fresh, path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        flush_directory(path.parent)


def write_flushed(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    try:
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # A disk that is full says so without a name.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def flush_file(path: Path) -> None:
    """Wait until the disk has what somebody else wrote to a file."""
    with open(path, "r+b") as file:
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
def writing_errors(path: str | Path, task: str, advice: str = ADVICE) -> Iterator[None]:
    """Turn whatever goes wrong while something is written into an error that names it.

    >>> with writing_errors("run/best", "write the checkpoint"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    textgen.errors.CheckpointError: run/best: cannot write the checkpoint ...
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            file = f"{os.path.basename(error.filename)}: " if error.filename else ""
            why = f"{file}{why}, {_free_megabytes(path)} MB are free"
        raise CheckpointError(f"{path}: cannot {task} ({why}). {advice}") from error


def _free_megabytes(path: str | Path) -> str:
    there = Path(os.path.realpath(path))
    while not os.path.exists(there):
        there = there.parent
    return f"{shutil.disk_usage(there).free / 1e6:,.1f}"


# --- directories ---


def make_directory(path: Path) -> list[Path]:
    """Make a directory and its parents, and wait until the disk has their names.

    Returns:
        Those that were missing, the deepest first.
    """
    missing = [each for each in (path, *path.parents) if not os.path.isdir(each)]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
    for each in missing:
        flush_directory(each.parent)
    return missing


@contextmanager
def new_directory(place: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """A temporary sibling of a directory, which takes its place once it is filled.

    When it cannot be filled, `place` stays as it is, and what was written goes away: it
    would take the space that is missing.

    Args:
        place: what it becomes, or replaces; no link.
        names: the files that belong to it; those of other origin are kept.
    """
    make_directory(place.parent)
    fresh = sibling(place, "new")
    try:
        fresh.mkdir(exist_ok=True)
        for name in names:
            (fresh / name).unlink(missing_ok=True)
        yield fresh
        replace_directory(place, fresh, names)
    except BaseException:
        with suppress(OSError):  # it is in its place already, or nothing can be changed
            remove_files(fresh, names)
        raise


def replace_directory(place: Path, fresh: Path, names: tuple[str, ...]) -> None:
    """Put the filled and flushed directory `fresh` into its place.

    Args:
        place: what it becomes, or replaces.
        names: the files that belong to it; those of other origin are kept.
    """
    flush_directory(fresh)
    # A directory that is not empty cannot be renamed over. Between the two renames
    # `place` is missing; a reader then finds the old one (`holding`).
    old = sibling(place, "old")
    _settle(place, old, names)
    if place.exists():
        os.rename(place, old)
    try:
        os.rename(fresh, place)
    except OSError:
        if old.exists():
            os.rename(old, place)
        raise
    flush_directory(place.parent)
    _settle(place, old, names)


def remove_directory(path: Path, names: tuple[str, ...]) -> None:
    """Remove a directory at once; files of other origin are kept in it.

    Args:
        path: may be missing, or a link; then what it points to is emptied.
        names: the files that belong to it.
    """
    place, gone = Path(os.path.realpath(path)), sibling(path, "gone")
    # First what crashes have left of an earlier removal or replacement.
    _empty(gone, place, names)
    _settle(place, sibling(path, "old"), names)
    if not place.exists() and settled(place).is_dir():
        os.rename(settled(place), place)
    if place.is_dir():
        # Renamed first: half of it is never seen.
        os.rename(place, gone)
        flush_directory(place.parent)
        _empty(gone, place, names)
    if path.is_symlink():
        place.mkdir(exist_ok=True)


def settled(path: Path) -> Path:
    """Where `path` is after a crash between the two renames of a replacement."""
    old = sibling(path, "old")
    return old if not os.path.exists(path) and os.path.exists(old) else path


def holding(path: Path, names: tuple[str, ...]) -> Path | None:
    """Where the directory `path` is that holds one of the files `names`, or None.

    That is `path`, or its old version after a crash between the two renames of a
    replacement, also while it is replaced.
    """
    # Asked for by the name it had only for a moment, it has long got its own.
    own = path.with_name(path.name[1:-4]) if path.name.endswith(".old") else path
    # Each replacement may move it once while this looks.
    for _ in range(3):
        for place in (path, sibling(path, "old"), own):
            if any(os.path.exists(place / name) for name in names):
                return place
    return None


def read_settled(find: Callable[[], Path], read: Callable[[Path], Read]) -> Read:
    """Read several files of one directory, all of them from the same version of it.

    A training may replace the directory meanwhile; then it is read again.

    Args:
        find: says where the directory is now.
        read: reads it.

    Raises:
        CheckpointError: it was replaced each time it was read.
    """
    for _ in range(TRIES):
        place = find()
        before = _identity(place)
        try:
            found = read(place)
        except (TextgenError, OSError):
            # Missing or mixed files are no wonder in a directory that was replaced.
            # Between two renames it is the same, but elsewhere.
            if before is not None and (now := find()) == place and _identity(now) == before:
                raise
        else:
            if _identity(place) == before:
                return found
    raise CheckpointError(
        f"{place}: replaced again and again while it was read. Try again, or stop the "
        "training that writes it."
    )


def _identity(path: Path) -> tuple[int, ...] | None:
    """What differs between a directory and the one that replaces it."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    # The number of a directory that was removed is given to a new one, so its time, too.
    return found.st_dev, found.st_ino, found.st_mtime_ns


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


def _empty(gone: Path, place: Path, names: tuple[str, ...]) -> None:
    """Remove what was renamed away, and put back what is of other origin."""
    if not gone.is_dir():
        return
    remove_files(gone, names)
    if gone.is_dir() and not place.exists():
        os.rename(gone, place)
    elif gone.is_dir():
        for entry in gone.iterdir():
            os.rename(entry, _free_name(place / entry.name))
        gone.rmdir()


def _free_name(path: Path) -> Path:
    while os.path.lexists(path):
        path = path.with_name(f"{path.name}.old")
    return path
