"""Download public corpora safely.

A corpus is downloaded into a temporary folder next to its destination, verified, and
only then renamed, so that a broken connection or a wrong file leaves nothing behind. The
bytes are stored exactly as they were published.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from textgen.corpora.public import PublicCorpus, public_corpus
from textgen.disk.atomic import flush_directory, flush_file, make_directory
from textgen.errors import FetchError
from textgen.streams import progress_bar

_CHUNK_BYTES = 1 << 16
# Between two chunks of a response, not for all of it.
_TIMEOUT_SECONDS = 30.0
# Without "identity" a server may compress the response, and the size it announces would
# not be that of the text.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "textgen"}


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.

    >>> file_sha256(os.devnull)[:16]
    'e3b0c44298fc1c14'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    name: str,
    folder: str | os.PathLike[str],
    *,
    progress: bool = False,
    url: str | None = None,
) -> Path:
    """Download a public corpus into a folder, unless it is already there.

    Args:
        name: one of `PUBLIC_CORPORA`.
        folder: where `<name>.txt` goes; created if missing.
        progress: whether to draw a progress bar, if there is a terminal or a notebook.
        url: an address to use instead of the known one, a mirror for example; it must
            serve the same file (a zip archive where the known one does).

    Returns:
        The path of the text.

    Raises:
        FetchError: the name is unknown, the server cannot be reached or has no such
            file, the connection broke, the file is not the expected one, another file
            of this name already exists, or the folder is not writable. No partial file
            or new folder is left behind, and no other file is overwritten.

    >>> fetch("tinyshakespear", "corpora")
    Traceback (most recent call last):
    textgen.errors.FetchError: there is no public corpus called 'tinyshakespear'. ...
    """
    corpus = public_corpus(name)
    path = Path(folder) / corpus.file_name
    try:
        if not _is_there(corpus, path):
            with _kept_if_filled(make_directory(path.parent)):
                _fetch_into(corpus, path, url or corpus.url, progress)
    except OSError as error:
        raise _unusable(path.parent, error) from error
    return path


@contextmanager
def _kept_if_filled(created: Sequence[Path]) -> Iterator[None]:
    """Remove these new folders, the deepest first, if the body leaves them empty."""
    try:
        yield
    finally:
        with suppress(OSError):  # not empty
            for folder in created:
                folder.rmdir()


def _fetch_into(corpus: PublicCorpus, path: Path, url: str, progress: bool) -> None:
    # Next to the text, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(prefix=f".{corpus.name}-", dir=path.parent) as inner:
        text = Path(inner) / "download"
        _download(url, text, corpus.name if progress else None)
        if corpus.member is not None:
            text = _unzip(text, corpus.member, url)
        _check(corpus, text, url)
        # Checked again: another process may have been faster.
        if not _is_there(corpus, path):
            flush_file(text)
            text.replace(path)
            flush_directory(path.parent)


def _is_there(corpus: PublicCorpus, path: Path) -> bool:
    """Whether the corpus is already in place; raises if something else is."""
    if not os.path.lexists(path):
        return False
    advice = "It is left untouched: move it away, or choose another folder with --to."
    if not path.is_file():
        raise FetchError(f"{path} already exists and is not a file. {advice}")
    digest = file_sha256(path)
    if digest != corpus.sha256:
        raise FetchError(
            f"{path} already exists and is not {corpus.name}: its SHA-256 is {digest}, "
            f"expected {corpus.sha256}. {advice}"
        )
    return True


class _Progress:
    """The part of tqdm's interface that pooch uses; remembers the announced size."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self.total = 0
        self.close = bar.close

    def update(self, num_bytes: int) -> None:
        self._bar.total = self.total or None
        self._bar.update(num_bytes)

    def reset(self) -> None:
        # Unlike tqdm's own reset, which also restarts its clock.
        self._bar.n = 0


def _download(url: str, target: Path, label: str | None) -> None:
    """Write what `url` serves to `target`; a label shows a progress bar."""
    # Imported late: only a download needs these.
    import requests
    from pooch import HTTPDownloader

    with progress_bar(
        wanted=label is not None, desc=label, unit="B", unit_scale=True, leave=True
    ) as bar:
        progress = _Progress(bar)
        # Only pooch's downloader: `pooch.retrieve` writes to the log, overwrites existing
        # files and checks a digest of the archive, not of the text in it.
        download = HTTPDownloader(
            progress, chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_SECONDS, headers=_HEADERS
        )
        try:
            download(url, str(target), None)
        except requests.HTTPError as error:
            raise _refused(url, error.response) from error
        except requests.RequestException as error:
            if progress.total == target.stat().st_size == 0:
                raise _unreachable(url, error) from error
            raise _broken(url, target, progress.total) from error
        # Older HTTP libraries accept a response that ends early.
        if target.stat().st_size < progress.total:
            raise _broken(url, target, progress.total)


def _unzip(archive: Path, member: str, url: str) -> Path:
    text = archive.with_name("text")
    try:
        with (
            zipfile.ZipFile(archive) as opened,
            opened.open(member) as source,
            open(text, "wb") as target,
        ):
            shutil.copyfileobj(source, target, _CHUNK_BYTES)
    # RuntimeError: encrypted, or compressed by a method that Python does not support.
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError) as error:
        raise FetchError(
            f"{url}: the download cannot be unzipped ({error}); expected a zip archive "
            f"with {member!r} inside. Try again, or open the address in a browser."
        ) from error
    return text


def _check(corpus: PublicCorpus, text: Path, url: str) -> None:
    digest = file_sha256(text)
    if digest != corpus.sha256:
        raise FetchError(
            f"{url}: the download is not {corpus.name}: its SHA-256 is {digest}, expected "
            f"{corpus.sha256}. Nothing was kept. Try again; if the error persists, the "
            "file at this address has changed."
        )


def _refused(url: str, response: Any) -> FetchError:
    return FetchError(
        f"{url}: the server answered {response.status_code} ({response.reason}) instead "
        "of sending the file. Try again later; if the error persists, the file has moved, "
        "and any other copy of it will do."
    )


def _unreachable(url: str, error: Exception) -> FetchError:
    return FetchError(
        f"{url}: cannot be reached ({type(error).__name__}). Check the network and the "
        "proxy settings, then try again."
    )


def _broken(url: str, target: Path, announced: int) -> FetchError:
    received = f"{target.stat().st_size:,}" + (f" of {announced:,}" if announced else "")
    return FetchError(
        f"{url}: the connection broke after {received} bytes. Nothing was kept. Try again."
    )


def _unusable(folder: Path, error: OSError) -> FetchError:
    not_a_folder = isinstance(error, FileExistsError | NotADirectoryError)
    reason = "it is not a folder" if not_a_folder else error.strerror or str(error)
    return FetchError(
        f"{folder}: the corpus cannot be stored there ({reason}). Choose a folder that "
        "can be read and written with --to."
    )
