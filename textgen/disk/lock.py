"""One process at a time in a directory, through a lock that the operating system holds.

The library `filelock` does the locking; this module adds the name of the owner and removes
the lock file. The lock belongs to an open file, so it ends with its process, even after
`kill -9`. The file alone means nothing: one left by a crash locks nobody out.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from textgen.disk.atomic import make_directory
from textgen.errors import CheckpointError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"

UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL)
"""Errors of file systems that have no locks."""


@contextmanager
def locked(directory: Path) -> Iterator[bool]:
    """Keep other processes out of a directory, which is created if it is missing.

    Directories created here are removed again if they are still empty at the end.

    Yields:
        whether the lock is held; some network file systems do not support locks.

    Raises:
        CheckpointError: another process holds the lock.
        OSError: the directory cannot be created or written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with locked(Path(folder, "run")) as is_locked, locked(Path(folder, "run")):
    ...         pass
    Traceback (most recent call last):
    textgen.errors.CheckpointError: ...run: another training is writing here ...
    """
    # An absolute path, since the working directory may change before the release.
    place = Path(os.path.abspath(directory))
    created: list[Path] = []
    try:
        lock = _acquire(place, directory, created)
        try:
            yield lock is not None
        finally:
            _release(lock, place / LOCK)
    finally:
        with suppress(OSError):  # not empty, or not ours
            for each in created:
                each.rmdir()


def _acquire(directory: Path, shown: Path, created: list[Path]) -> BaseFileLock | None:
    """Take the lock, or None where locks are unsupported; note `created` directories."""
    from filelock import FileLock, Timeout  # late: it takes a tenth of a second

    path = directory / LOCK
    # The previous owner removes its file, and a lock on a removed file protects nothing.
    for _ in range(100):
        created += make_directory(directory)
        lock = FileLock(path, timeout=0, thread_local=False, on_acquired=_write_owner)
        try:
            lock.acquire()
        except FileNotFoundError:
            continue
        except Timeout:
            if not path.exists():
                continue
            raise CheckpointError(
                f"{shown}: another training is writing here{_owner(path)}. Wait "
                "until it ends, stop it, or choose another `out`."
            ) from None
        except OSError as error:
            if error.errno in UNSUPPORTED:
                return None
            raise
        return lock
    raise OSError(errno.EBUSY, "other processes keep starting and ending there")


def _write_owner(descriptor: int) -> None:
    """Name this process in the locked file, for the message that others get."""
    # On Windows nobody else can read the first byte, which is locked.
    owner = f"\n{os.getpid()} {socket.gethostname()}"
    with suppress(OSError):  # the lock also works on a full disk
        os.ftruncate(descriptor, 0)
        os.write(descriptor, owner.encode())


def _owner(path: Path) -> str:
    with suppress(OSError), open(path, "rb") as file:
        file.seek(1)
        text = file.read(100).decode("ascii", "replace")
        if found := re.fullmatch(r"(\d{1,20}) ([\w.-]+)", text, re.ASCII):
            return f" (process {found[1]} on {found[2]})"
    return ""


def _release(lock: BaseFileLock | None, path: Path) -> None:
    # The lock is still held, so the file of another process is never removed.
    # Windows cannot remove an open file; there `filelock` does it after the release.
    if os.name != "nt":
        with suppress(OSError):
            path.unlink()
    if lock is not None:
        lock.release()
