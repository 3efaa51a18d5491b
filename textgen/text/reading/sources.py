"""Named files, directories, patterns and standard input to decoded text.

Each step knows only its own business: which files there are (`find_files`), their
bytes (`read_bytes`), their text (`decode_text`). Decoding is strict: a wrong byte is
an error that says where, never a character made up.
"""

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
from functools import partial
from pathlib import Path, PurePath
from typing import IO, Any

from textgen.errors import CorpusError
from textgen.wording import did_you_mean, few

STDIN = "-"


def find_files(
    paths: str | Path | Iterable[str | Path], glob: str | Sequence[str]
) -> list[str]:
    """Name the files behind `paths` in reading order; see `read_corpus`.

    Args:
        paths: as for `read_corpus`.
        glob: which files of a directory count, one pattern or several; `*.txt` also
            finds `*.txt.gz`. Links to directories inside a directory are not followed.

    Raises:
        CorpusError: something named does not exist, or a directory has no such file.

    >>> find_files("-", "*.txt")
    ['-']
    """
    named = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not named:
        raise CorpusError("no text was named. Name a file, a directory, or - for stdin.")
    globs = [glob] if isinstance(glob, str) else glob
    return [name for path in named for name in _expanded(str(path), globs)]


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
            f"no file matches {pattern!r}. Check the folder and the ending, or name a "
            "directory and choose its files with --glob."
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
        return f"{directory} holds no files (hidden ones do not count). Add text to it."
    endings = Counter("*" + file.suffix if file.suffix else file.name for file in files)
    common = endings.most_common(5)
    seen = ", ".join(f"{ending} ({count})" for ending, count in common)
    more = ", ..." if len(endings) > len(common) else ""
    wanted = " or ".join(map(repr, globs))
    hint = f"Choose the files with --glob, for example --glob '{common[0][0]}'."
    if len(globs) > 1:
        hint = "Add such a file, or name another directory."
    return f"{directory} holds no file that matches {wanted}, but {seen}{more}. {hint}"


def decompressed_name(name: str) -> str:
    """A file's name without the suffix that says how it is compressed.

    >>> decompressed_name("poems.csv.gz"), decompressed_name("poems.csv")
    ('poems.csv', 'poems.csv')
    """
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in _OPENERS else name


def missing_file(path: str) -> CorpusError:
    """The error for a path at which there is nothing; it offers near names.

    >>> str(missing_file("a/b.txt"))
    'a/b.txt does not exist, nor does the directory a. Check the path.'
    """
    folder, name = os.path.split(path)
    if folder and not os.path.isdir(folder):
        return CorpusError(
            f"{path} does not exist, nor does the directory {folder}. Check the path."
        )
    hint = did_you_mean(
        name,
        _names_in(folder or os.curdir),
        otherwise="Check the path.",
        most=3,
        show=partial(os.path.join, folder),
    )
    return CorpusError(f"{path} does not exist. {hint}")


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise _unreadable(folder, error) from error


def without_repeats(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Each file once, and a note: text read twice would leak into validation.

    >>> without_repeats(["a.txt", "b.txt", "./a.txt"])
    (['a.txt', 'b.txt'], ['a.txt: named more than once, but read once.'])
    """
    first: dict[str, str] = {}
    times: Counter[str] = Counter()
    for name in names:
        place = name if name == STDIN else os.path.realpath(name)
        first.setdefault(place, name)
        times[place] += 1
    again = [shown_name(first[place]) for place, count in times.items() if count > 1]
    notes = [f"{few(again)}: named more than once, but read once."] if again else []
    return list(first.values()), notes


def read_bytes(name: str) -> bytes:
    """Everything in a file, decompressed by its suffix, or in standard input (`-`).

    Raises:
        CorpusError: the file cannot be read, or its compressed data are damaged.

    >>> read_bytes(os.devnull)
    b''
    """
    with reading_errors(name), open_bytes(name) as file:
        return file.read()


def bytes_pieces(
    name: str, piece_bytes: int, on_bytes: Callable[[int], object] | None = None
) -> Iterator[bytes]:
    """What `read_bytes` gives, in pieces.

    Args:
        piece_bytes: how much is read at once.
        on_bytes: is told after each reading how many bytes it brought.

    Raises:
        CorpusError: as for `read_bytes`, when the place is reached.

    >>> list(bytes_pieces(os.devnull, 10))
    []
    """
    with reading_errors(name), open_bytes(name) as file:
        while data := file.read(piece_bytes):
            yield data
            if on_bytes is not None:
                on_bytes(len(data))


def read_once(names: Sequence[str]) -> list[str]:
    """Those names behind which something can be read only once: standard input, pipes.

    >>> read_once(["-", os.devnull])
    ['-', '/dev/null']
    """
    return [name for name in names if not os.path.isfile(name)]


@contextmanager
def spooled(names: Sequence[str], folder: str | Path) -> Iterator[list[str]]:
    """Put what can be read only once into files.

    Args:
        names: of files, `-` among them perhaps.
        folder: where those files lie; it must exist, and its owner removes it.

    Yields:
        the same names, with those files' instead of what can be read only once.

    Raises:
        CorpusError: something cannot be read.
        OSError: `folder` cannot be written.
    """
    once = read_once(names)
    files = {name: _spool(name, folder, number) for number, name in enumerate(once)}
    _SPOOLED.update({path: name for name, path in files.items()})
    try:
        yield [files.get(name, name) for name in names]
    finally:
        for path in files.values():
            del _SPOOLED[path]


def _spool(name: str, folder: str | Path, number: int) -> str:
    # Records are known by the ending of their file.
    ending = PurePath(decompressed_name(name)).suffix
    path = os.path.join(folder, f"{number}{ending}")
    with open(path, "wb") as file:
        file.writelines(bytes_pieces(name, 1 << 20))
    return path


# Files that hold what could be read only once, and its name.
_SPOOLED: dict[str, str] = {}


@contextmanager
def reading_errors(name: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into a `CorpusError` that names it.

    >>> with reading_errors("a.gz"):
    ...     raise EOFError("too short")
    Traceback (most recent call last):
    textgen.errors.CorpusError: a.gz is damaged or cut short and cannot be decompressed ...
    """
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _broken_archive(name, error) from error
    except OSError as error:
        # The operating system gives a number to its errors; bz2 raises without one.
        if error.errno is None:
            raise _broken_archive(name, error) from error
        raise _unreadable(name, error) from error


def open_bytes(name: str) -> AbstractContextManager[IO[bytes]]:
    """Open a file, decompressed by its suffix, or standard input (`-`).

    >>> with open_bytes(os.devnull) as file:
    ...     file.read()
    b''
    """
    if name == STDIN:
        # Standard input is not ours to close.
        return nullcontext(sys.stdin.buffer)
    opener = _OPENERS.get(os.path.splitext(name)[1].lower(), open)
    opened: AbstractContextManager[IO[bytes]] = opener(name, "rb")
    return opened


_OPENERS: dict[str, Any] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}


def _broken_archive(name: str, error: Exception) -> CorpusError:
    return CorpusError(
        f"{shown_name(name)} is damaged or cut short and cannot be decompressed ({error}). "
        "Fetch or compress it again."
    )


def _unreadable(name: str, error: OSError) -> CorpusError:
    return CorpusError(
        f"{shown_name(name)} cannot be read: {error.strerror or error}. Check its "
        "permissions and its disk."
    )


def shown_name(name: str) -> str:
    """A file's name as messages have it.

    >>> shown_name("-")
    'standard input'
    """
    name = _SPOOLED.get(name, name)
    return "standard input" if name == STDIN else name


def storable_name(name: str) -> str:
    r"""A file's name as a text that JSON can hold: bytes that are no UTF-8 as escapes.

    >>> storable_name("caf\udce9.txt")
    'caf\\xe9.txt'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_stdin(name: str) -> bool:
    """Whether a name means standard input, as it comes or spooled.

    >>> is_stdin("-"), is_stdin("a.txt")
    (True, False)
    """
    return _SPOOLED.get(name, name) == STDIN
