"""Well-known public corpora by name: where each one is, and how to get it safely.

A corpus is fetched into a temporary folder beside its place, checked, and only
then renamed: a broken connection or a wrong file leaves nothing behind. The bytes
are kept as they came; decoding them is the business of whoever reads the file.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.disk.atomic import flush_directory, flush_file, make_directory
from textgen.errors import FetchError

if TYPE_CHECKING:
    import requests


_CHUNK_BYTES = 1 << 16
# Between two pieces of an answer, not for the whole of it.
_TIMEOUT_SECONDS = 30.0
# Without "identity" a server may compress on the way, and the size it announces
# would not be that of the text.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "textgen"}

_GUTENBERG = "public domain in the USA; the file carries Project Gutenberg's terms"


@dataclass(frozen=True, kw_only=True)
class PublicCorpus:
    """One public text: its address, and what is known about it beforehand.

    Attributes:
        name: what a person types; the file is called `<name>.txt`.
        url: where its owner or its best-known user publishes it.
        licence: under which terms, in a few words.
        description: what it is, in one line.
        sha256: digest of the text (of the unzipped one), or None where the address
            may serve another edition tomorrow, or none is known for sure.
        num_bytes: size of the text (unzipped), or None where it is not known.
        member: name of the text inside the zip archive at `url`, or None where the
            address serves the text itself.

    >>> public_corpus("text8").file_name
    'text8.txt'
    """

    name: str
    url: str
    licence: str
    description: str
    sha256: str | None = None
    num_bytes: int | None = None
    member: str | None = None

    @property
    def file_name(self) -> str:
        """The name of the text in the folder it is fetched into."""
        return f"{self.name}.txt"


PUBLIC_CORPORA: tuple[PublicCorpus, ...] = (
    PublicCorpus(
        name="tinyshakespeare",
        url=(
            "https://raw.githubusercontent.com/karpathy/char-rnn/"
            "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt"
        ),
        licence="public domain",
        description="1.1 million characters of Shakespeare's plays, the usual first corpus",
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        num_bytes=1_115_394,
    ),
    PublicCorpus(
        name="names",
        url=(
            "https://raw.githubusercontent.com/karpathy/makemore/"
            "988aa59e4d8fefa526d06f3b453ad116258398d4/names.txt"
        ),
        licence="public domain (US Social Security), in an MIT repository",
        description="32,033 first names, one a line, from makemore (--documents lines)",
        sha256="0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
        num_bytes=228_145,
    ),
    PublicCorpus(
        name="irish_abc",
        url=(
            "https://raw.githubusercontent.com/aamini/introtodeeplearning/"
            "fd8023c7804bd352fc7212ac3aa587bd90912653/mitdeeplearning/data/irish.abc"
        ),
        licence="MIT; the tunes are traditional",
        description="Irish tunes in ABC notation, from MIT's deep learning course",
        sha256="df3782d5f7b5a2f4c66aa7c13f13008d5f48757b3f5f51620cd6c1ceb2c53023",
        num_bytes=197_618,
    ),
    PublicCorpus(
        name="nietzsche",
        url="https://s3.amazonaws.com/text-datasets/nietzsche.txt",
        licence="public domain; the address states no terms",
        description="Nietzsche in English, the text of Keras' own LSTM example",
        num_bytes=600_901,
    ),
    PublicCorpus(
        name="hongloumeng",
        url=(
            "https://raw.githubusercontent.com/xuyao0127/hongloumeng/"
            "b8624bd09fb1156e34ae0cdae89d35a313ce5946/hongloumeng.txt"
        ),
        licence="public domain (18th century); the repository states no terms",
        description="Dream of the Red Chamber, Chinese prose with over 4,000 characters",
    ),
    PublicCorpus(
        name="alice",
        url="https://www.gutenberg.org/cache/epub/11/pg11.txt",
        licence=_GUTENBERG,
        description="Alice's Adventures in Wonderland, Lewis Carroll",
    ),
    PublicCorpus(
        name="sherlock",
        url="https://www.gutenberg.org/cache/epub/1661/pg1661.txt",
        licence=_GUTENBERG,
        description="The Adventures of Sherlock Holmes, Arthur Conan Doyle",
    ),
    PublicCorpus(
        name="moby_dick",
        url="https://www.gutenberg.org/cache/epub/2701/pg2701.txt",
        licence=_GUTENBERG,
        description="Moby Dick, Herman Melville",
    ),
    PublicCorpus(
        name="shakespeare",
        url="https://www.gutenberg.org/cache/epub/100/pg100.txt",
        licence=_GUTENBERG,
        description="the complete works of William Shakespeare",
    ),
    PublicCorpus(
        name="war_and_peace",
        url="https://cs.stanford.edu/people/karpathy/char-rnn/warpeace_input.txt",
        licence="public domain in the USA; the address states no terms",
        description="War and Peace, as in Karpathy, Johnson and Fei-Fei (2015)",
    ),
    PublicCorpus(
        name="linux",
        url="https://cs.stanford.edu/people/karpathy/char-rnn/linux_input.txt",
        licence="GPL-2.0",
        description="C source of the Linux kernel, as in Karpathy et al. (2015)",
    ),
    PublicCorpus(
        name="enwik8",
        # The address on the author's page; what comes is checked by its digest.
        url="http://mattmahoney.net/dc/enwik8.zip",
        licence="GFDL (Wikipedia, 2006)",
        description="the first 100 million bytes of Wikipedia, mark-up and all (36 MB zip)",
        sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
        num_bytes=100_000_000,
        member="enwik8",
    ),
    PublicCorpus(
        name="text8",
        url="http://mattmahoney.net/dc/text8.zip",
        licence="GFDL (Wikipedia, 2006)",
        description="100 million characters of Wikipedia, a-z and space (31 MB zip)",
        sha256="6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
        num_bytes=100_000_000,
        member="text8",
    ),
)


def public_corpus(name: str) -> PublicCorpus:
    """Find a public corpus by its name.

    Raises:
        FetchError: no corpus has this name; the nearest names are offered.

    >>> public_corpus("tinyshakespeare").num_bytes
    1115394
    """
    by_name = {corpus.name: corpus for corpus in PUBLIC_CORPORA}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), by_name, n=3)
    meant = (
        f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(by_name)}."
    )
    raise FetchError(
        f"there is no public corpus called {name!r}. {meant} "
        "`textgen corpus list` shows them all."
    )


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Take the SHA-256 of a file, as 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "abc.txt"
    ...     _ = path.write_bytes(b"abc")
    ...     file_sha256(path)
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
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
    """Download a public corpus into a folder, unless it is there already.

    Args:
        name: one of `PUBLIC_CORPORA`.
        folder: where `<name>.txt` goes; made if it is missing.
        progress: whether to draw a progress bar on stderr.
        url: an address to use instead of the known one, for example a mirror; it has
            to serve the same file (a zip archive where the known one does).

    Returns:
        The path of the text. Where no SHA-256 is known, `file_sha256` tells what came.

    Raises:
        FetchError: the name is unknown, the server cannot be reached or has no such
            file, the connection broke, another file came than expected, a file
            of this name is there and is not known to be the corpus, or the folder
            cannot be written to. No half file is left behind, and no file of
            somebody else's is overwritten.

    >>> fetch("tinyshakespear", "corpora")
    Traceback (most recent call last):
    textgen.errors.FetchError: there is no public corpus called 'tinyshakespear'. ...
    """
    corpus = public_corpus(name)
    path = Path(folder) / corpus.file_name
    try:
        if not _is_there(corpus, path):
            make_directory(path.parent)
            _fetch_into(corpus, path, url or corpus.url, progress)
    except OSError as error:
        raise _cannot_use(path.parent, error) from error
    return path


def _fetch_into(corpus: PublicCorpus, path: Path, url: str, progress: bool) -> None:
    # A folder beside the text, so that the last step is a rename on one file system.
    with tempfile.TemporaryDirectory(prefix=f".{corpus.name}-", dir=path.parent) as inner:
        text = Path(inner) / "download"
        _download(url, text, corpus.name if progress else None)
        if corpus.member is not None:
            text = _unzip(text, corpus.member, url)
        _check(corpus, text, url)
        # Looked at again: another process may have been quicker.
        if not _is_there(corpus, path):
            flush_file(text)
            text.replace(path)
            flush_directory(path.parent)


def _is_there(corpus: PublicCorpus, path: Path) -> bool:
    """Tell whether the corpus is in its place; refuse where something else is."""
    if not os.path.lexists(path):
        return False
    way_out = "move it away, or choose another folder with --to."
    if not path.is_file():
        raise FetchError(
            f"{path} is there already and is not a file. It is left untouched: {way_out}"
        )
    digest = file_sha256(path)
    if corpus.sha256 is None:
        raise FetchError(
            f"{path} is there already, and no SHA-256 of {corpus.name} is known to "
            f"compare it with (it has {digest}). It is left untouched: use it as it is, "
            f"{way_out}"
        )
    if digest != corpus.sha256:
        raise FetchError(
            f"{path} is there already and is not {corpus.name}: its SHA-256 is {digest}, "
            f"expected was {corpus.sha256}. It is left untouched: {way_out}"
        )
    return True


class _Progress:
    """What pooch asks of a progress bar; keeps the size the server announced."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self.total = 0

    def update(self, num_bytes: int) -> None:
        self._bar.total = self.total or None
        self._bar.update(num_bytes)

    def reset(self) -> None:
        # Not tqdm's own reset, which would forget when the download began.
        self._bar.n = 0

    def close(self) -> None:
        self._bar.close()


def _download(url: str, target: Path, label: str | None) -> None:
    """Write what `url` serves to `target`, with a bar on stderr if it has a label."""
    # Only a download needs these three; the rest of the package starts without them.
    import requests
    from pooch import HTTPDownloader
    from tqdm import tqdm

    silent = label is None
    with tqdm(
        desc=label, unit="B", unit_scale=True, file=sys.stderr, disable=silent
    ) as bar:
        progress = _Progress(bar)
        # pooch's downloader alone: `pooch.retrieve` logs, and overwrites what is there.
        download = HTTPDownloader(
            progress, chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_SECONDS, headers=_HEADERS
        )
        try:
            download(url, str(target), None)
        except requests.HTTPError as error:
            raise _refused(url, error) from error
        except requests.RequestException as error:
            if progress.total == target.stat().st_size == 0:
                raise _unreachable(url, error) from error
            raise _broken(url, target, progress.total) from error
        # Older HTTP libraries take an early end for the end.
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
    # RuntimeError: encrypted, or packed by a method that Python does not know.
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError) as error:
        raise FetchError(
            f"{url}: what came cannot be unzipped ({error}); expected was a zip archive "
            f"with {member!r} inside. Try again, or look at the address in a browser."
        ) from error
    return text


def _check(corpus: PublicCorpus, text: Path, url: str) -> None:
    num_bytes = text.stat().st_size
    digest = file_sha256(text)
    wrong = ""
    if corpus.sha256 is not None and digest != corpus.sha256:
        wrong = f"its SHA-256 is {digest}, expected was {corpus.sha256}"
    elif corpus.num_bytes is not None and num_bytes != corpus.num_bytes:
        wrong = f"it has {num_bytes:,} bytes, expected were {corpus.num_bytes:,}"
    elif num_bytes == 0:
        wrong = "it is empty"
    if wrong:
        raise FetchError(
            f"{url}: what came is not {corpus.name}: {wrong}. Nothing was kept. "
            "Try again; if it stays so, the file at the address was changed."
        )


def _refused(url: str, error: requests.HTTPError) -> FetchError:
    answer = error.response
    assert answer is not None, "an HTTP error is an answer"
    return FetchError(
        f"{url}: the server answered {answer.status_code} ({answer.reason}) instead of "
        "sending the file. Try again later; if it stays so, the file was moved, and any "
        "other copy of it serves as well."
    )


def _unreachable(url: str, error: Exception) -> FetchError:
    return FetchError(
        f"{url}: cannot be reached ({type(error).__name__}). A connection to the server "
        "was expected: check the network and its proxy settings, then try again."
    )


def _broken(url: str, target: Path, announced: int) -> FetchError:
    came = f"{target.stat().st_size:,}" + (f" of {announced:,}" if announced else "")
    return FetchError(
        f"{url}: the connection broke after {came} bytes. Nothing was kept. Try again."
    )


def _cannot_use(folder: Path, error: OSError) -> FetchError:
    not_a_folder = isinstance(error, FileExistsError | NotADirectoryError)
    reason = "it is not a folder" if not_a_folder else error.strerror or str(error)
    return FetchError(
        f"{folder}: the corpus cannot be kept there ({reason}). A folder that can be "
        "read and written was expected; choose another one with --to."
    )
