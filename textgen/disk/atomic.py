"""Atomic replacement of files and directories: a crash leaves the old or the new version.

The new version is written to a temporary sibling, flushed to the disk and renamed into
place; then the rename is flushed. A concurrent reader sees one whole version or the other
(`read_consistent`).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from textgen.disk.names import real_path
from textgen.errors import CheckpointError, TextgenError

Read = TypeVar("Read")

# Reading takes milliseconds; training saves far less often than that.
READ_ATTEMPTS = 20
REPLACE_ATTEMPTS = 50
ON_WINDOWS = os.name == "nt"
ADVICE = "Free some space or choose another `out`."


def write_file(
    path: Path, data: bytes, advice: str = ADVICE, *, flush: bool = True
) -> None:
    """Replace the content of a file atomically.

    Args:
        advice: how to fix a failure; the end of the error message.
        flush: whether the new content must survive a power cut.

    Raises:
        CheckpointError: the file cannot be written.
    """
    with new_file(path, advice, flush=flush) as file:
        file.write(data)


@contextmanager
def new_file(
    path: Path, advice: str = ADVICE, *, flush: bool = True
) -> Iterator[IO[bytes]]:
    """Yield an empty file, which becomes `path` when the body succeeds.

    If the body fails, `path` is as it was.

    Args:
        advice: as for `write_file`.
        flush: as for `write_file`.

    Raises:
        CheckpointError: the file cannot be written.
    """
    fresh = path.with_name(f".{path.name}.new")
    with writing_errors(path, "write this file", advice):
        try:
            with open(fresh, "wb") as file:
                yield file
                if flush:
                    file.flush()
                    os.fsync(file.fileno())
            _replace_file(path, fresh)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        if flush:
            flush_directory(path.parent)


def _replace_file(path: Path, fresh: Path) -> None:
    """Rename `fresh` to `path`; on Windows somebody may be reading that for a moment."""
    for attempt in range(1, REPLACE_ATTEMPTS + 1):
        try:
            os.replace(fresh, path)
        except PermissionError:
            if not ON_WINDOWS or attempt == REPLACE_ATTEMPTS:
                raise
            time.sleep(0.02)
        else:
            return


def write_flushed(path: Path, data: bytes) -> None:
    """Write a file and flush it to the disk.

    Raises:
        OSError: the file cannot be written; the error names it.
    """
    try:
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # The error of a full disk carries no file name.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def flush_file(path: Path) -> None:
    """Flush to the disk what other code has written to a file."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def flush_directory(path: Path) -> None:
    """Flush the names in a directory to the disk, as `rename` has changed them."""
    # Windows cannot open a directory; NTFS keeps a journal of renames.
    if ON_WINDOWS:
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems flush files but not directories.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def writing_errors(path: str | Path, task: str, advice: str = ADVICE) -> Iterator[None]:
    """Turn an `OSError` of the body into a `CheckpointError` that names the path.

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
    there = real_path(path)
    while not os.path.exists(there):
        there = there.parent
    return f"{shutil.disk_usage(there).free / 1e6:,.1f}"


# --- directories ---


def make_directory(path: Path) -> list[Path]:
    """Create a directory and its parents, and flush their names to the disk.

    Returns:
        the directories that were missing, the deepest first.
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
    """Yield an empty sibling of a directory, which replaces it when the body succeeds.

    If the body fails, `place` keeps its old version and the sibling is removed, so that
    it does not take up space on a full disk.

    Args:
        place: the directory to create or replace; not a symbolic link.
        names: the files that belong to it; all others in it are kept.
    """
    make_directory(place.parent)
    fresh = sibling(place, "new")
    try:
        fresh.mkdir(exist_ok=True)
        for name in names:
            (fresh / name).unlink(missing_ok=True)
        yield fresh
        _replace_directory(place, fresh, names)
    except BaseException:
        with suppress(OSError):  # already renamed, or the disk is read-only
            remove_files(fresh, names)
        raise


def _replace_directory(place: Path, fresh: Path, names: tuple[str, ...]) -> None:
    """Rename the filled directory `fresh` to `place`, whose other files are kept."""
    flush_directory(fresh)
    # Only an empty directory can be renamed over. Between the two renames `place` is
    # missing; a reader then finds the old version (`locate`).
    old = sibling(place, "old")
    _finish_replacement(place, old, names)
    if place.exists():
        os.rename(place, old)
    try:
        os.rename(fresh, place)
    except OSError:
        if old.exists():
            os.rename(old, place)
        raise
    flush_directory(place.parent)
    _finish_replacement(place, old, names)


def survivor(path: Path) -> Path:
    """`path`, or its old version after a crash between the two renames of a replacement."""
    old = sibling(path, "old")
    return old if not os.path.exists(path) and os.path.exists(old) else path


def locate(path: Path, names: tuple[str, ...]) -> Path | None:
    """The directory that holds the content of `path`: at least one of the files `names`.

    Returns:
        `path`; its old version during a replacement, or after a crash in one; or None.
    """
    # `path` may be the temporary name of a version that has been renamed since.
    remnant = re.fullmatch(r"\.(.+)\.old", path.name)
    original = path.with_name(remnant[1]) if remnant else path
    # A replacement can move the directory once during each round.
    for _ in range(3):
        for place in (path, sibling(path, "old"), original):
            if any(os.path.exists(place / name) for name in names):
                return place
    return None


def read_consistent(find: Callable[[], Path], read: Callable[[Path], Read]) -> Read:
    """Read several files of one directory, all from the same version of it.

    If the directory is replaced in the meantime, it is read again.

    Args:
        find: returns the current place of the directory.
        read: reads the directory.

    Raises:
        CheckpointError: the directory was replaced during every attempt.
    """
    for _ in range(READ_ATTEMPTS):
        place = find()
        before = _identity(place)
        try:
            found = read(place)
        except (TextgenError, OSError):
            # A replacement explains missing or mismatched files, so try again.
            # Between its two renames the identity is the same, but the place differs.
            if before is not None and (now := find()) == place and _identity(now) == before:
                raise
        else:
            if _identity(place) == before:
                return found
    raise CheckpointError(
        f"{place}: replaced repeatedly while it was being read. Try again, or stop "
        "the training that writes it."
    )


def _identity(path: Path) -> tuple[int, ...] | None:
    """What distinguishes a directory from the one that replaces it."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    # A new directory may get the inode number of a removed one, hence the time.
    return found.st_dev, found.st_ino, found.st_mtime_ns


def sibling(path: Path, suffix: str) -> Path:
    """`.best.old` beside `best`; `.` is resolved first, and so is a symbolic link."""
    real = real_path(path)
    return real.parent / f".{real.name}.{suffix}"


def remove_files(directory: Path, names: tuple[str, ...]) -> None:
    """Delete files by name, and the directory if it is then empty."""
    for name in names:
        (directory / name).unlink(missing_ok=True)
    if not any(directory.iterdir()) and not directory.is_symlink():
        directory.rmdir()


def _finish_replacement(place: Path, old: Path, names: tuple[str, ...]) -> None:
    """Remove the old version once the new one is in place, also after a crash."""
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
