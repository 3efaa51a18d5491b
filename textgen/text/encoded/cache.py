"""The cache: encoded corpora on disk, so that each text is encoded only once.

    CACHE/KEY/corpus.json     tokenizer, statistics, and checksums of the other files
              train.ids       ids, of the width that the vocabulary needs
              val.ids, test.ids

The key is a fingerprint of the corpus' bytes and of everything that decides how they
become ids. An entry that is damaged, incomplete or of another version is rebuilt.
"""

from __future__ import annotations

import atexit
import errno
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from textgen.disk.lock import locked
from textgen.disk.places import user_folder
from textgen.errors import CheckpointError, CorpusError
from textgen.text.reading.sources import Source, is_single_use, spooled
from textgen.wording import say

ENTRY = "corpus.json"
ENVIRONMENT = "TEXTGEN_CACHE_DIR"
LOCKED = ".lock"
WAIT_SECONDS = 0.2
SPOOL = "stdin-{}"
_OURS = re.compile(r"[0-9a-f]{64}(\.new|\.lock)?|stdin-[0-9a-f]{16}(\.lock)?")


@dataclass(frozen=True)
class CacheEntry:
    """One encoded corpus.

    Args:
        path: its directory.
        num_bytes: its size on the disk.
        used_at: when it was last used, in seconds since 1970.
    """

    path: Path
    num_bytes: int
    used_at: float


def default_cache() -> Path | None:
    """The default place: `TEXTGEN_CACHE_DIR`, or that of the operating system if any."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named) if named else user_folder("cache")


class Cache:
    """A directory of encoded corpora, created when the first is stored.

    If the default place is missing or cannot be written, as in some containers, a
    temporary one is used until this process ends.

    Args:
        folder: None takes `default_cache()`.
        quiet: print no notes.
    """

    def __init__(self, folder: str | Path | None = None, *, quiet: bool = False) -> None:
        self._is_named = folder is not None or bool(os.environ.get(ENVIRONMENT))
        self._quiet = quiet
        place = default_cache() if folder is None else Path(folder)
        self.folder = place or self._temporary("This user has no home directory")

    def ready(self) -> Path:
        """The directory, created if missing, without access for other users.

        Raises:
            CorpusError: a place chosen by the user cannot be written, or no place can.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(self.folder, os.W_OK | os.X_OK):
                return self.folder
            raise PermissionError(errno.EACCES, "permission denied")
        except OSError as error:
            if self._is_named:
                with cache_errors(self.folder):
                    raise
            reason = f"{self.folder} cannot be written ({error.strerror})"
            self.folder = self._temporary(reason)
            return self.folder

    def _temporary(self, reason: str) -> Path:
        with cache_errors(Path("temporary directory")):
            folder = Path(tempfile.mkdtemp(prefix="textgen-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self._note(
            f"{reason}: encoded text is kept for this run only. Name a permanent place "
            "with --cache-dir."
        )
        return folder

    def _note(self, line: str) -> None:
        if not self._quiet:
            say(line)

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the lock of an entry, so that only one process encodes a text at a time.

        Raises:
            CorpusError: the cache cannot be written.
        """
        with ExitStack() as stack:
            with cache_errors(self.ready()):
                if not self._try_lock(key, stack):
                    self._note("Another process is encoding this text; waiting for it.")
                    while not self._try_lock(key, stack):
                        time.sleep(WAIT_SECONDS)
            yield

    @contextmanager
    def spooled(self, sources: Sequence[Source]) -> Iterator[list[Source]]:
        """Keep copies of standard input and pipes here until the block ends.

        Yields:
            the sources, as `textgen.text.reading.sources.spooled` returns them.

        Raises:
            CorpusError: a source cannot be read, or the cache cannot be written.
        """
        with ExitStack() as stack:
            if any(map(is_single_use, sources)):
                with cache_errors(self.ready()):
                    # Remove what a killed process has left.
                    self._remove([f for f in self._folders() if f.name[:5] == SPOOL[:5]])
                    key = SPOOL.format(secrets.token_hex(8))
                    self._try_lock(key, stack)
                    place = self.folder / key
                    place.mkdir(mode=0o700)
                    stack.callback(shutil.rmtree, place, ignore_errors=True)
                    sources = spooled(sources, place)
            yield list(sources)

    def entries(self) -> list[CacheEntry]:
        """All entries, complete or not, the most recently used first."""
        folders = [path for path in self._folders() if path.suffix != LOCKED]
        return sorted(map(_entry, folders), key=lambda entry: -entry.used_at)

    def clear(self) -> int:
        """Delete all entries except those being written; return the bytes freed.

        Raises:
            CorpusError: an entry cannot be deleted.
        """
        with cache_errors(self.folder, "cleared"):
            return self._remove(self._folders())

    def _remove(self, folders: Iterable[Path]) -> int:
        num_bytes = 0
        for folder in folders:
            with ExitStack() as stack:
                if self._try_lock(folder.stem, stack) and folder.exists():
                    num_bytes += _entry(folder).num_bytes
                    shutil.rmtree(folder)
        return num_bytes

    def _try_lock(self, key: str, stack: ExitStack) -> bool:
        """Try to lock an entry until the stack is closed; return whether it worked."""
        try:
            stack.enter_context(locked(self.folder / f"{key}{LOCKED}"))
        except CheckpointError:
            return False
        return True

    def _folders(self) -> list[Path]:
        # The user may keep other files here, which are left alone.
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return [path for path in found if _OURS.fullmatch(path.name) and path.is_dir()]


@contextmanager
def cache_errors(folder: Path, verb: str = "written") -> Iterator[None]:
    """Turn any `OSError` in a cache into a `CorpusError` that names it.

    >>> with cache_errors(Path("cache")):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    textgen.errors.CorpusError: cache: the cache of encoded text cannot be written ...
    """
    try:
        yield
    except OSError as error:
        raise CorpusError(
            f"{folder}: the cache of encoded text cannot be {verb} "
            f"({error.strerror or error}). Free some space (`textgen cache clear`), or "
            "choose another place with `cache_dir`."
        ) from error


def _entry(folder: Path) -> CacheEntry:
    num_bytes, used_at = 0, 0.0
    # Another process may remove it in the meantime, or it may belong to another user.
    with suppress(FileNotFoundError, PermissionError):
        for path in folder.iterdir():
            found = path.stat()
            num_bytes += found.st_size
            used_at = max(used_at, found.st_mtime if path.name == ENTRY else 0.0)
    return CacheEntry(folder, num_bytes, used_at)


def mark_used(folder: Path) -> None:
    """Record that an entry has just been used."""
    now = time.time()
    os.utime(folder / ENTRY, (now, now))
