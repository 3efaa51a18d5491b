"""Files, directories, patterns and standard input to documents of text.

Reading goes through small steps, each of which knows only its own business: which
files there are (`find_files`), their bytes (`read_bytes`), their text
(`decode_text`), where its documents begin and end (`cut_documents`). Decoding is
strict: a wrong byte is an error that says where, never a character made up.
"""

from __future__ import annotations

import bz2
import codecs
import difflib
import fnmatch
import glob as globbing
import gzip
import hashlib
import lzma
import os
import sys
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path, PurePath
from typing import IO, Any, NamedTuple

import numpy as np

from textgen.config import TextConfig
from textgen.errors import CorpusError

STDIN = "-"
DEFAULTS = TextConfig()
_HASH_CHARS = 1 << 20


@dataclass(frozen=True)
class Corpus:
    """The documents of a corpus and what is worth knowing about their origin.

    Args:
        documents: decoded, with LF line endings, in the normal form asked for.
        kind: what counts as one document: "whole", "lines", "paragraphs" or "files".
        sources: name of each file that was read and its number of characters.
        notes: sentences for stderr about what was changed on the way.

    >>> corpus = Corpus(("one\\n", "three\\n"), "files", (("a", 4), ("b", 6)), ())
    >>> corpus.num_documents, corpus.num_chars
    (2, 10)
    """

    documents: tuple[str, ...]
    kind: str
    sources: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]

    @property
    def num_documents(self) -> int:
        """How many documents there are."""
        return len(self.documents)

    @property
    def num_chars(self) -> int:
        """Characters of all documents together."""
        return sum(len(document) for document in self.documents)

    @cached_property
    def sha256(self) -> str:
        """A fingerprint of the documents, and of nothing else.

        Names, kind and encoding of the files do not enter: equal text, cut at equal
        places, has an equal fingerprint.
        """
        digest = hashlib.sha256()
        for document in self.documents:
            for start in range(0, len(document), _HASH_CHARS):
                part = document[start : start + _HASH_CHARS]
                digest.update(part.encode("utf-8", "surrogatepass"))
            # No UTF-8 contains this byte, so it marks the end without ambiguity.
            digest.update(b"\xff")
        return digest.hexdigest()


class Decoded(NamedTuple):
    """A text and what had to be done to it, each as the end of "1 file ..."."""

    text: str
    quirks: tuple[str, ...]


class Split(NamedTuple):
    """The documents to learn from, to validate on, and never to look at."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


_CRLF = "had CRLF line endings; they were read as LF"
_CR = "had lone CR line endings; they were read as LF"
_BOM = "began with a byte order mark; it was dropped"
_NO_TEXT = "held no text and added nothing"


def read_corpus(
    paths: str | Path | Iterable[str | Path], config: TextConfig = DEFAULTS
) -> Corpus:
    """Read everything that `paths` name, strictly, into documents.

    Args:
        paths: one or several of: a file, a directory (searched with all that is
            below it for `config.glob`, in sorted order, hidden files left out), a
            pattern such as `texts/*.md`, or `-` for standard input. Files that end
            in `.gz`, `.bz2` or `.xz` are decompressed.
        config: encoding, normal form, and what counts as one document.

    Raises:
        CorpusError: a file is missing, unreadable, damaged, binary or in another
            encoding, or there is no text at all.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_bytes(b"Ada\\r\\nGrace\\r\\n")
    ...     corpus = read_corpus(path, TextConfig(documents="lines"))
    >>> corpus.documents
    ('Ada', 'Grace')
    >>> corpus.notes
    ('1 file had CRLF line endings; they were read as LF.',)
    """
    names, notes = _without_repeats(find_files(paths, config.glob))
    decoded = [(name, _read_decoded(name, config)) for name in names]
    texts = [(name, text) for name, (text, _) in decoded if _has_text(text)]
    if not texts:
        raise CorpusError(_no_text_message([(n, text) for n, (text, _) in decoded]))
    quirks = Counter(quirk for _, (_, found) in decoded for quirk in found)
    quirks[_NO_TEXT] = len(decoded) - len(texts)
    return Corpus(
        documents=tuple(cut_documents((text for _, text in texts), config.documents)),
        kind=config.documents,
        sources=tuple((_shown(name), len(text)) for name, text in texts),
        notes=(*notes, *_sentences(quirks)),
    )


def read_text(path: str | Path, config: TextConfig = DEFAULTS) -> str:
    """Read one file, a prompt for example, as strictly as a corpus.

    Args:
        path: a file, also compressed, or `-` for standard input.
        config: encoding and normal form; the rest does not matter here.

    Returns:
        The text as it stands, also when it is empty.

    Raises:
        CorpusError: as for `read_corpus`.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "prompt.txt")
    ...     _ = path.write_text("It was ")
    ...     read_text(path)
    'It was '
    """
    name = str(path)
    if name != STDIN and os.path.isdir(name):
        raise CorpusError(f"{name} is a directory; one file is needed here.")
    if name != STDIN and not os.path.exists(name):
        raise _missing(name)
    return _read_decoded(name, config).text


def find_files(paths: str | Path | Iterable[str | Path], glob: str) -> list[str]:
    """Name the files behind `paths` in reading order; see `read_corpus`.

    Args:
        paths: as for `read_corpus`.
        glob: which files of a directory count; `*.txt` also finds `*.txt.gz`.
            Links to directories inside a directory are not followed.

    Raises:
        CorpusError: something named does not exist, or a directory has no such file.

    >>> find_files("-", "*.txt")
    ['-']
    """
    named = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not named:
        raise CorpusError("no text was named. Name a file, a directory, or - for stdin.")
    return [name for path in named for name in _expanded(str(path), glob)]


def _expanded(path: str, glob: str) -> list[str]:
    if path == STDIN:
        return [path]
    if os.path.isdir(path):
        return _files_below(path, glob)
    if os.path.exists(path):
        return [path]
    if globbing.has_magic(path):
        return _matches(path)
    raise _missing(path)


def _matches(pattern: str) -> list[str]:
    found = sorted(p for p in globbing.glob(pattern, recursive=True) if os.path.isfile(p))
    if not found:
        raise CorpusError(
            f"no file matches {pattern!r}. Check the folder and the ending, or name a "
            "directory and choose its files with --glob."
        )
    return found


def _files_below(directory: str, glob: str) -> list[str]:
    files = sorted(_walk(directory))
    found = [file for file in files if _is_wanted(file.relative_to(directory), glob)]
    if not found:
        raise CorpusError(_nothing_matches(directory, glob, files))
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
    plain = file.with_suffix("") if file.suffix.lower() in _OPENERS else file
    if "/" not in pattern:
        return any(fnmatch.fnmatchcase(name, pattern) for name in (file.name, plain.name))
    return file.match(pattern) or plain.match(pattern)


def _nothing_matches(directory: str, glob: str, files: Sequence[Path]) -> str:
    if not files:
        return f"{directory} holds no files (hidden ones do not count). Add text to it."
    endings = Counter("*" + file.suffix if file.suffix else file.name for file in files)
    common = endings.most_common(5)
    seen = ", ".join(f"{ending} ({count})" for ending, count in common)
    more = ", ..." if len(endings) > len(common) else ""
    return (
        f"{directory} holds no file that matches {glob!r}, but {seen}{more}. "
        f"Choose the files with --glob, for example --glob '{common[0][0]}'."
    )


def _missing(path: str) -> CorpusError:
    folder, name = os.path.split(path)
    if folder and not os.path.isdir(folder):
        return CorpusError(
            f"{path} does not exist, nor does the directory {folder}. Check the path."
        )
    near = difflib.get_close_matches(name, _names_in(folder or os.curdir), n=3)
    offers = " or ".join(os.path.join(folder, other) for other in near)
    hint = f"Did you mean {offers}?" if near else "Check the path."
    return CorpusError(f"{path} does not exist. {hint}")


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise _unreadable(folder, error) from error


def _without_repeats(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Each file once, with a note: text read twice would leak into validation."""
    first: dict[str, str] = {}
    times: Counter[str] = Counter()
    for name in names:
        place = name if name == STDIN else os.path.realpath(name)
        first.setdefault(place, name)
        times[place] += 1
    again = [_shown(first[place]) for place, count in times.items() if count > 1]
    notes = [f"{_few(again)}: named more than once, but read once."] if again else []
    return list(first.values()), notes


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def read_bytes(name: str) -> bytes:
    """Everything in a file, decompressed by its suffix, or in standard input (`-`).

    Raises:
        CorpusError: the file cannot be read, or its compressed data are damaged.

    >>> read_bytes(os.devnull)
    b''
    """
    try:
        with open_bytes(name) as file:
            return file.read()
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
        f"{_shown(name)} is damaged or cut short and cannot be decompressed ({error}). "
        "Fetch or compress it again."
    )


def _unreadable(name: str, error: OSError) -> CorpusError:
    return CorpusError(
        f"{_shown(name)} cannot be read: {error.strerror or error}. Check its permissions "
        "and its disk."
    )


def decode_text(data: bytes, encoding: str, name: str) -> Decoded:
    """Decode the bytes of one file strictly, and make every line end in LF.

    Args:
        data: the whole file, decompressed.
        encoding: any text encoding that Python knows.
        name: of the file, for messages.

    Returns:
        The text without its byte order mark, and what was changed.

    Raises:
        CorpusError: a byte that is wrong in this encoding, or a binary file.

    >>> decode_text(b"one\\r\\ntwo", "utf-8", "a.txt")
    Decoded(text='one\\ntwo', quirks=('had CRLF line endings; they were read as LF',))
    """
    _check_binary(data, encoding, name)
    text = _decoded_strictly(data, encoding, name)
    quirks = []
    if text.startswith("\ufeff"):
        text = text[1:]
        quirks.append(_BOM)
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
        quirks.append(_CRLF)
    if "\r" in text:
        text = text.replace("\r", "\n")
        quirks.append(_CR)
    return Decoded(text, tuple(quirks))


def _check_binary(data: bytes, encoding: str, name: str) -> None:
    for start, what in _SIGNATURES.items():
        if data.startswith(start):
            raise CorpusError(f"{_shown(name)} is not plain text: it looks like {what}.")
    if b"\0" in data and not _is_wide(encoding):
        hint = _mark_hint(data) or "If it is UTF-16 without a mark, try --encoding utf-16."
        raise CorpusError(
            f"{_shown(name)} is binary, not text: it has a NUL byte at offset "
            f"{data.index(0)}. {hint}"
        )


_SIGNATURES = {
    b"%PDF-": "a PDF document. Save it as text first",
    b"{\\rtf": "an RTF document. Save it as text first",
    b"PK\x03\x04": "a docx, odt, epub or other ZIP archive. Save it as text first",
    b"\x1f\x8b\x08": "gzip data. Give it a name that ends in .gz",
}


def _is_wide(encoding: str) -> bool:
    """Whether NUL bytes are an ordinary part of text in this encoding."""
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def _mark_hint(data: bytes) -> str:
    """Advice where the file itself says that it is UTF-16 or UTF-32, else nothing."""
    # The mark of UTF-32 begins with that of UTF-16.
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        wide = "32"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        wide = "16"
    else:
        return ""
    return f"It starts with a UTF-{wide} byte order mark: try --encoding utf-{wide}."


def _decoded_strictly(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        # Some codecs count from behind the byte order mark.
        offset = error.start + len(data) - len(error.object)
        raise CorpusError(_wrong_byte_message(data, offset, encoding, name)) from error
    except (LookupError, UnicodeError) as error:
        raise CorpusError(
            f"{_shown(name)} cannot be decoded with --encoding {encoding}: {error}. "
            "Try utf-8, cp1252 or utf-16."
        ) from error


def _wrong_byte_message(data: bytes, offset: int, encoding: str, name: str) -> str:
    line = data[:offset].decode(encoding, "replace").count("\n") + 1
    own = codecs.lookup(encoding).name
    others = [
        e for e in ("utf-8", "latin-1", "cp1252", "utf-16") if codecs.lookup(e).name != own
    ]
    hint = _mark_hint(data) or (
        f"If the file has another encoding, name it: --encoding {', '.join(others[:-1])} "
        f"or {others[-1]}. If not, mend that byte."
    )
    return (
        f"{_shown(name)}: byte 0x{data[offset]:02x} at offset {offset} (line {line}) is "
        f"not {encoding}. {hint}"
    )


def normalize_text(text: str, form: str) -> str:
    """Bring text into a Unicode normal form: "none" (as it is), "nfc" or "nfkc".

    >>> normalize_text("e\\u0301", "nfc")
    'é'
    """
    if form == "none" or text.isascii():
        return text
    return unicodedata.normalize("NFC" if form == "nfc" else "NFKC", text)


def _read_decoded(name: str, config: TextConfig) -> Decoded:
    text, quirks = decode_text(read_bytes(name), config.encoding, name)
    return Decoded(normalize_text(text, config.normalize), quirks)


def cut_documents(texts: Iterable[str], kind: str) -> Iterator[str]:
    """Cut the texts of files into documents, none of them blank.

    Args:
        texts: one for each file.
        kind: "whole" joins all files, with a newline after a file that lacks one;
            "lines" and "paragraphs" (which blank lines separate) cut each file;
            "files" leaves each as it is.

    >>> list(cut_documents(["a\\nb\\n\\nc\\n"], "paragraphs"))
    ['a\\nb', 'c']
    """
    if kind == "whole":
        return iter([_joined(list(texts))])
    if kind == "files":
        return (text for text in texts if _has_text(text))
    cut = _lines if kind == "lines" else _paragraphs
    return (document for text in texts for document in cut(text))


def _joined(texts: Sequence[str]) -> str:
    *first, last = texts
    return "".join(t if t.endswith("\n") else t + "\n" for t in first) + last


def _lines(text: str) -> Iterator[str]:
    # str.splitlines would also cut at form feeds and U+2028, which stand within lines.
    return (line for line in text.split("\n") if _has_text(line))


def _paragraphs(text: str) -> Iterator[str]:
    for has_text, lines in groupby(text.split("\n"), key=_has_text):
        if has_text:
            yield "\n".join(lines)


def _has_text(text: str) -> bool:
    return bool(text) and not text.isspace()


def _no_text_message(read: Sequence[tuple[str, str]]) -> str:
    if len(read) > 1:
        shown = _few([_shown(name) for name, _ in read])
        return f"none of these {len(read)} files holds any text: {shown}. Add text."
    name, text = read[0]
    what = "holds nothing but whitespace" if text else "is empty"
    return f"{_shown(name)} {what}. Name a file with text in it."


def _sentences(quirks: Counter[str]) -> Iterator[str]:
    for quirk in (_BOM, _CRLF, _CR, _NO_TEXT):
        count = quirks[quirk]
        if count:
            yield f"{count:,} file{'s' if count > 1 else ''} {quirk}."


def _shown(name: str) -> str:
    return "standard input" if name == STDIN else name


def split(corpus: Corpus, config: TextConfig, seed: int) -> Split:
    """Hold text back for validation and for a last test.

    One whole text is cut in two places, so that what is held back is its end. Of
    several documents, whole ones are drawn at random until they hold the share
    wanted; inside each part they keep the order of the corpus.

    Args:
        corpus: what `read_corpus` gave.
        config: `val_fraction` and `test_fraction`, of the characters.
        seed: of the drawing; without effect on one whole text.

    Raises:
        CorpusError: too little text, or too few documents, for every part to have
            some.

    >>> text = Corpus(("to be or not",), "whole", (), ())
    >>> split(text, TextConfig(val_fraction=0.25), seed=0)
    Split(train=('to be or ',), val=('not',), test=())
    """
    if corpus.kind == "whole":
        return _split_text(corpus.documents[0], config)
    return _split_documents(corpus, config, seed)


def _split_text(text: str, config: TextConfig) -> Split:
    n = len(text)
    val_start = int(n * (1 - config.val_fraction - config.test_fraction))
    test_start = int(n * (1 - config.test_fraction))
    parts = text[:val_start], text[val_start:test_start], text[test_start:]
    needed = 3 if config.test_fraction else 2
    if not all(parts[:needed]):
        fractions = "--val-fraction" + " and --test-fraction" * (needed == 3)
        raise CorpusError(
            f"{n} characters are too few to cut into {needed} parts, of which each has "
            f"at least one. Add text, or raise {fractions}."
        )
    return Split(*((part,) if part else () for part in parts))


def _split_documents(corpus: Corpus, config: TextConfig, seed: int) -> Split:
    num_parts = 3 if config.test_fraction else 2
    if corpus.num_documents < num_parts:
        raise CorpusError(_too_few_documents(corpus, num_parts))
    order = np.random.default_rng(seed).permutation(corpus.num_documents)
    lengths = np.array([len(document) for document in corpus.documents])[order]
    num_val = _num_drawn(lengths, config.val_fraction * corpus.num_chars, num_parts - 1)
    num_test = 0
    if config.test_fraction:
        wanted = config.test_fraction * corpus.num_chars
        num_test = _num_drawn(lengths[num_val:], wanted, 1)
    val, test, train = np.split(order, [num_val, num_val + num_test])
    return Split(*(_in_order(corpus, part) for part in (train, val, test)))


def _num_drawn(lengths: np.ndarray, wanted: float, num_left: int) -> int:
    """How many documents, from the first on, hold `wanted` characters.

    At least `num_left` documents stay for the other parts, however short the ones
    drawn are.
    """
    enough = int(np.searchsorted(np.cumsum(lengths), wanted)) + 1
    return min(enough, len(lengths) - num_left)


def _in_order(corpus: Corpus, indices: np.ndarray) -> tuple[str, ...]:
    return tuple(corpus.documents[index] for index in np.sort(indices))


def _too_few_documents(corpus: Corpus, num_parts: int) -> str:
    count = corpus.num_documents
    without_test = ", leave out --test-fraction" if num_parts == 3 else ""
    return (
        f"--documents {corpus.kind} found {count} document{'s' if count != 1 else ''}, "
        f"but training, validation{' and test' if num_parts == 3 else ''} need one each, "
        f"at least {num_parts}. Add text{without_test}, or use --documents whole, which "
        "holds back the end of the text."
    )
