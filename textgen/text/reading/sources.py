"""Sources: the files behind paths, patterns and standard input, and their bytes."""

from __future__ import annotations

import bz2
import fnmatch
import glob as globbing
import gzip
import lzma
import os
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import IO, Any, TypeAlias

from textgen.config.arguments import one_path, several_paths
from textgen.disk.names import real_path
from textgen.errors import CorpusError
from textgen.wording import did_you_mean, few

Paths: TypeAlias = str | Path | Iterable[str | Path]
STDIN = "-"


@dataclass(frozen=True)
class Source:
    """A file to read, or standard input.

    Args:
        name: as it was given; `-` is standard input.
        spool: a file with a copy of its decompressed bytes, where the source itself
            can be read only once; see `spooled`.
        span: the first of the bytes to read and the one after the last, if not all.

    >>> source = Source("poems.CSV.gz")
    >>> source.shown, source.suffix, source.compression
    ('poems.CSV.gz', '.csv', '.gz')
    >>> Source("-").shown
    'standard input'
    """

    name: str
    spool: str | None = None
    span: tuple[int, int] | None = None

    @property
    def path(self) -> str:
        """The file to open; `-` is standard input."""
        return self.name if self.spool is None else self.spool

    @property
    def is_stdin(self) -> bool:
        """Whether this is standard input, spooled or not."""
        return self.name == STDIN

    @property
    def shown(self) -> str:
        """The name in messages."""
        return "standard input" if self.is_stdin else self.name

    @property
    def suffix(self) -> str:
        """The suffix of the decompressed file in lower case, such as `.csv`, or nothing."""
        return PurePath(decompressed_name(self.name)).suffix.lower()

    @property
    def compression(self) -> str:
        """The suffix that says how `path` is compressed, in lower case, or nothing."""
        return self.path[len(decompressed_name(self.path)) :].lower()


def find_sources(paths: Paths, glob: str | Sequence[str]) -> list[Source]:
    """Find the files behind `paths`, in reading order; see `read_corpus`.

    Args:
        paths: as for `read_corpus`.
        glob: which files of a directory are read, one pattern or several; `*.txt` also
            matches `*.txt.gz`. Links to directories inside a directory are not followed.

    Raises:
        CorpusError: a path does not exist, or a directory has no matching file.

    >>> find_sources("-", "*.txt")
    [Source(name='-', spool=None, span=None)]
    """
    given = several_paths("paths", paths)
    if not given:
        raise CorpusError("no text was named. Name a file, a directory, or - for stdin.")
    globs = [glob] if isinstance(glob, str) else glob
    return [Source(name) for path in given for name in _expanded(path, globs)]


def single_source(path: str | Path) -> Source:
    """The source of one file, or of standard input (`-`).

    Raises:
        CorpusError: the path does not exist, or is a directory.
    """
    name = one_path("path", path)
    if name != STDIN and os.path.isdir(name):
        raise CorpusError(f"{name} is a directory; one file is needed here.")
    if name != STDIN and not os.path.exists(name):
        raise missing_file(name)
    return Source(name)


def _expanded(path: str, globs: Sequence[str]) -> list[str]:
    if path == STDIN:
        return [path]
    if os.path.isdir(path):
        return _files_below(path, globs)
    if os.path.exists(path):
        return [path]
    if globbing.has_magic(path):
        return _matches(path)
    raise missing_file(path)


def _matches(pattern: str) -> list[str]:
    found = sorted(p for p in globbing.glob(pattern, recursive=True) if os.path.isfile(p))
    if not found:
        raise CorpusError(
            f"no file matches {pattern!r}. Check the folder and the suffix, or name a "
            "directory and choose its files with `glob`."
        )
    return found


def _files_below(directory: str, globs: Sequence[str]) -> list[str]:
    files = sorted(_walk(directory))
    found = [
        file
        for file in files
        if any(_is_wanted(file.relative_to(directory), glob) for glob in globs)
    ]
    if not found:
        raise CorpusError(_nothing_matches(directory, globs, files))
    return [str(file) for file in found]


def _walk(directory: str) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise _unreadable(str(error.filename), error)

    for folder, subfolders, names in os.walk(directory, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _is_wanted(file: PurePath, glob: str) -> bool:
    """Whether `file`, or what it decompresses to, matches by name or from its end."""
    pattern = glob.removeprefix("**/")
    plain = PurePath(decompressed_name(str(file)))
    if "/" not in pattern:
        return any(fnmatch.fnmatchcase(name, pattern) for name in (file.name, plain.name))
    return file.match(pattern) or plain.match(pattern)


def _nothing_matches(directory: str, globs: Sequence[str], files: Sequence[Path]) -> str:
    if not files:
        return f"{directory} contains no files (hidden ones do not count). Add text to it."
    endings = Counter("*" + file.suffix if file.suffix else file.name for file in files)
    common = endings.most_common(5)
    seen = ", ".join(f"{ending} ({count})" for ending, count in common)
    more = ", ..." if len(endings) > len(common) else ""
    wanted = " or ".join(map(repr, globs))
    hint = f"Choose the files, for example with `glob={common[0][0]!r}`."
    if len(globs) > 1:
        hint = "Add such a file, or name another directory."
    return f"{directory} contains no file that matches {wanted}, only {seen}{more}. {hint}"


def decompressed_name(name: str) -> str:
    """A file's name without the suffix of its compression.

    >>> decompressed_name("poems.csv.gz"), decompressed_name("poems.csv")
    ('poems.csv', 'poems.csv')
    """
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in _OPENERS else name


def missing_file(path: str) -> CorpusError:
    """The error for a path that does not exist; it offers similar names.

    >>> str(missing_file("a/b.txt"))
    'a/b.txt does not exist, nor does the directory a. Check the path.'
    """
    folder, name = os.path.split(path)
    if folder and not os.path.isdir(folder):
        return CorpusError(
            f"{path} does not exist, nor does the directory {folder}. Check the path."
        )
    # By their stems: a common suffix makes no two names similar.
    names: dict[str, list[str]] = {}
    for each in _names_in(folder or os.curdir):
        names.setdefault(_stem(each), []).append(os.path.join(folder, each))
    hint = did_you_mean(
        _stem(name),
        names,
        otherwise="Check the path.",
        most=3,
        show=lambda stem: few(names[stem]),
    )
    return CorpusError(f"{path} does not exist. {hint}")


def _stem(name: str) -> str:
    return os.path.splitext(decompressed_name(name))[0]


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise _unreadable(folder, error) from error


def without_repeats(sources: Sequence[Source]) -> tuple[list[Source], list[str]]:
    """Remove repeated sources, whose text would leak into validation, and note them.

    >>> sources, notes = without_repeats([Source("a.txt"), Source("./a.txt")])
    >>> sources, notes
    ([Source(name='a.txt', spool=None, span=None)],
     ['a.txt: named more than once, but read once.'])
    """
    first: dict[str, Source] = {}
    times: Counter[str] = Counter()
    for source in sources:
        place = STDIN if source.is_stdin else str(real_path(source.path))
        first.setdefault(place, source)
        times[place] += 1
    again = [first[place].shown for place, count in times.items() if count > 1]
    notes = [f"{few(again)}: named more than once, but read once."] if again else []
    return list(first.values()), notes


def bytes_pieces(
    source: Source, piece_bytes: int, on_bytes: Callable[[int], object] | None = None
) -> Iterator[bytes]:
    """Read a source, decompressed, in pieces.

    Args:
        piece_bytes: bytes read at a time.
        on_bytes: called after each read with the number of bytes.

    Raises:
        CorpusError: the source cannot be read, or its compressed data are damaged.

    >>> list(bytes_pieces(Source(os.devnull), 10))
    []
    """
    start, end = source.span or (0, sys.maxsize)
    with reading_errors(source), open_source(source) as file:
        if start:
            file.seek(start)
        while data := file.read(min(piece_bytes, end - start)):
            start += len(data)
            yield data
            if on_bytes is not None:
                on_bytes(len(data))


def is_single_use(source: Source) -> bool:
    """Whether a source can be read only once, like standard input and pipes.

    >>> is_single_use(Source("-")), is_single_use(Source(__file__))
    (True, False)
    """
    return not os.path.isfile(source.path)


def spooled(sources: Sequence[Source], folder: str | Path) -> list[Source]:
    """Copy sources that can be read only once into files.

    Args:
        folder: where the files go; it must exist, and the caller removes it.

    Returns:
        the sources with the copies, under the same names.

    Raises:
        CorpusError: a source cannot be read.
        OSError: `folder` cannot be written.
    """
    return [
        _spooled(source, os.path.join(folder, str(number)))
        if is_single_use(source)
        else source
        for number, source in enumerate(sources)
    ]


def _spooled(source: Source, path: str) -> Source:
    with open(path, "wb") as file:
        file.writelines(bytes_pieces(source, 1 << 20))
    return replace(source, spool=path)


@contextmanager
def reading_errors(source: Source) -> Iterator[None]:
    """Turn any error while a source is read into a `CorpusError` that names it.

    >>> with reading_errors(Source("a.gz")):
    ...     raise EOFError("too short")
    Traceback (most recent call last):
    textgen.errors.CorpusError: a.gz is damaged or cut short and cannot be decompressed ...
    """
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _broken_archive(source.shown, error) from error
    except OSError as error:
        # Errors of the operating system have a number; those of bz2 have none.
        if error.errno is None:
            raise _broken_archive(source.shown, error) from error
        raise _unreadable(source.shown, error) from error


def open_source(source: Source) -> AbstractContextManager[IO[bytes]]:
    """Open a source for reading, decompressed by its suffix.

    >>> with open_source(Source(os.devnull)) as file:
    ...     file.read()
    b''
    """
    if source.path == STDIN:
        # Standard input is not ours to close.
        return nullcontext(_stdin())
    opener = _OPENERS.get(source.compression, open)
    opened: AbstractContextManager[IO[bytes]] = opener(source.path, "rb")
    return opened


def _stdin() -> IO[bytes]:
    # None in a process that was started without it; a notebook's has no bytes.
    stdin: IO[bytes] | None = getattr(sys.stdin, "buffer", None)
    if stdin is None or stdin.closed:
        raise CorpusError(
            "standard input cannot be read: it is closed, or not a stream of bytes. Name a "
            "file, or pipe the text into the command."
        )
    return stdin


_OPENERS: dict[str, Any] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}


def _broken_archive(shown: str, error: Exception) -> CorpusError:
    return CorpusError(
        f"{shown} is damaged or cut short and cannot be decompressed ({error}). "
        "Fetch or compress it again."
    )


def _unreadable(shown: str, error: OSError) -> CorpusError:
    return CorpusError(
        f"{shown} cannot be read: {error.strerror or error}. Check its permissions and "
        "its disk."
    )


def storable_name(name: str) -> str:
    r"""A file name as text that JSON can hold: bytes that are not UTF-8 become escapes.

    >>> storable_name("caf\udce9.txt")
    'caf\\xe9.txt'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")
