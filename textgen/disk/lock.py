"""One process at a time in a directory, by a lock that the operating system holds.

The lock is on an open file, so it ends with the process that holds it, also with
`kill -9`. The file itself means nothing: one that a crash has left locks nobody out.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from textgen.disk.atomic import make_directory
from textgen.errors import CheckpointError

LOCK = ".lock"

BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
UNKNOWN_HERE = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL)
"""What file systems without locks answer."""

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # Far behind what the file says, which others may read.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(directory: Path) -> Iterator[bool]:
    """Keep other processes out of a directory, which is made if it is missing.

    What is still empty at the end is removed again, if it was made here.

    Returns:
        as a context, whether there is a lock: some network file systems know none.

    Raises:
        CheckpointError: another process is there.
        OSError: the directory cannot be made or written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with locked(Path(folder, "run")) as is_locked, locked(Path(folder, "run")):
    ...         pass
    Traceback (most recent call last):
    textgen.errors.CheckpointError: ...run: another training is writing here ...
    """
    place = Path(os.path.abspath(directory))  # whatever becomes of the working directory
    made: list[Path] = []
    descriptor = None
    try:
        descriptor, is_locked = _acquire(place, directory, made)
        yield is_locked
    finally:
        if descriptor is not None:
            _release(descriptor, place / LOCK)
        with suppress(OSError):  # not empty, or not ours
            for each in made:
                each.rmdir()


def _acquire(directory: Path, shown: Path, made: list[Path]) -> tuple[int, bool]:
    """Open the file and lock it, if that can be done here; note the directories `made`."""
    # Whoever ends removes the file: a lock on one that is gone keeps nobody out.
    for _ in range(100):
        made += make_directory(directory)
        with suppress(FileNotFoundError):
            descriptor = _open(directory / LOCK)
            try:
                is_locked = _try_lock(descriptor, shown)
                if _is_at(descriptor, directory / LOCK):
                    _say_who(descriptor)
                    return descriptor, is_locked
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
    raise OSError(errno.EBUSY, "others begin and end there all the time")


def _open(path: Path) -> int:
    # Not through a link, which could lead to any file.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o666)


def _try_lock(descriptor: int, directory: Path) -> bool:
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in UNKNOWN_HERE:
            return False
        if error.errno in BUSY:
            raise CheckpointError(
                f"{directory}: another training is writing here{_who(descriptor)}. Wait "
                "until it ends, stop it, or choose another --out."
            ) from None
        raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))


def _say_who(descriptor: int) -> None:
    """Name this process in the file, for the message that others get."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    with suppress(OSError):  # a full disk locks all the same
        os.write(descriptor, f"{os.getpid()} {socket.gethostname()}".encode())


def _who(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    text = os.read(descriptor, 100).decode("ascii", "replace")
    found = re.fullmatch(r"(\d{1,20}) ([\w.-]+)", text, re.ASCII)
    return f" (process {found[1]} on {found[2]})" if found else ""


def _release(descriptor: int, path: Path) -> None:
    with suppress(OSError):
        # Before the lock ends, so that nobody else's file is removed.
        if os.name != "nt" and _is_at(descriptor, path):
            os.unlink(path)
    os.close(descriptor)
    if os.name == "nt":  # which removes no open file, and none that others have opened
        with suppress(OSError):
            os.unlink(path)
