"""Opening untrusted files: only regular ones, no links, none that is too large."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from textgen.errors import CheckpointError


@contextmanager
def opened(path: Path, max_bytes: int | None = None) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file of a checkpoint; errors while it is read name the file.

    Args:
        max_bytes: a larger file is refused before a byte of it is read.

    Yields:
        The file and its size in bytes.

    Raises:
        CheckpointError: the file is missing, not regular, too large or unreadable; or the
            body raises `ValueError` or `MemoryError`.

    >>> with opened(Path("nowhere/config.json")):
    ...     pass
    Traceback (most recent call last):
    textgen.errors.CheckpointError: nowhere/config.json: this file ... is missing. ...
    """
    try:
        # Opening a pipe or a device can already block or have side effects.
        _check_plain(path, os.lstat(path).st_mode)
        # O_NOFOLLOW and O_NONBLOCK, since it may have been replaced in between.
        flags = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
        mode = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags)
        with os.fdopen(os.open(path, mode), "rb") as file:
            found = os.fstat(file.fileno())
            _check_plain(path, found.st_mode)
            if max_bytes is not None and found.st_size > max_bytes:
                limit = f"{found.st_size:,} bytes are more than {max_bytes:,}"
                raise CheckpointError(f"{path}: refused ({limit}). {_GET_ANOTHER}")
            yield file, found.st_size
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: this file of the checkpoint is missing. Copy the whole directory, "
            "or train again."
        ) from error
    except OSError as error:
        why = error.strerror or error
        raise CheckpointError(
            f"{path}: cannot be read ({why}). Check its permissions."
        ) from error
    except MemoryError as error:
        raise CheckpointError(
            f"{path}: too large for the memory that this process may use. Raise the limit, "
            "or use a machine with more memory or a smaller model."
        ) from error
    except ValueError as error:
        raise CheckpointError(damaged(path, error)) from error


_GET_ANOTHER = "Ask for a copy that textgen itself has written."


def _check_plain(path: Path, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise CheckpointError(
            f"{path}: refused (a symbolic link, which may lead out of the checkpoint). "
            f"{_GET_ANOTHER}"
        )
    if not stat.S_ISREG(mode):
        raise CheckpointError(f"{path}: refused (not a plain file). {_GET_ANOTHER}")


def damaged(path: Path, why: object) -> str:
    """The message for a file whose content is not what textgen writes.

    >>> damaged(Path("config.json"), "it is empty")
    'config.json: damaged or cut short (it is empty). Copy it again, or train again.'
    """
    return f"{path}: damaged or cut short ({why}). Copy it again, or train again."
