"""Texts of any size, read in pieces: the same documents as at once, in little memory.

    file --> bytes --> text --> normal form --> documents
             read_pieces        normalize_pieces  cut_pieces

Whatever the pieces' size, joined they are what `reading.corpus` makes of the whole:
a character, a line ending or a combining accent may lie across two of them. Only what
cannot be told yet is held back, such as the blank beginning of a line or an accent that
the next piece may add to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

from textgen.config.text import TextConfig
from textgen.errors import ConfigError, CorpusError
from textgen.text.reading.decoding import decode_pieces
from textgen.text.reading.records import read_records
from textgen.text.reading.sources import STDIN, bytes_pieces, missing_file
from textgen.text.unicode.code_points import BATCH_CHARS
from textgen.text.unicode.normal_form import normalize_pieces

PIECE_BYTES = 1 << 18
DEFAULTS = TextConfig()


class Piece(NamedTuple):
    """A part of a document; the parts of one follow each other.

    Args:
        text: may be empty.
        ends: whether the document ends here.
        label: of the document, where it has one.
    """

    text: str
    ends: bool = False
    label: str | None = None


def stream_documents(
    names: str | Path | Sequence[str | Path],
    config: TextConfig = DEFAULTS,
    *,
    piece_bytes: int = PIECE_BYTES,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[Piece]:
    """Read files piece by piece into the documents that `cut_documents` would give.

    Records are the exception: each of their files is read at once.

    Args:
        names: one file or several, also compressed, or `-` for standard input.
        config: encoding, normal form, and what counts as one document. Blank files
            are files like any other here.
        piece_bytes: how much is read at once.
        on_bytes: is told after each reading how many bytes it brought.

    Raises:
        CorpusError: a name is missing or a directory, which is found out now; or as
            for `read_corpus`, when the file is read.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "names.txt")
    ...     _ = path.write_bytes(b"Ada\\r\\n\\r\\nGrace")
    ...     pieces = stream_documents(path, TextConfig(documents="lines"), piece_bytes=7)
    ...     list(join_pieces(pieces))
    ['Ada', 'Grace']
    """
    several = [names] if isinstance(names, str | Path) else names
    files = [_checked_name(name) for name in several]
    if config.documents == "records":
        return chain.from_iterable(_record_pieces(name, config) for name in files)
    texts = (
        normalize_pieces(
            read_pieces(name, config.encoding, piece_bytes, on_bytes), config.normalize
        )
        for name in files
    )
    return cut_pieces(texts, config.documents)


def _checked_name(path: str | Path) -> str:
    name = str(path)
    if name != STDIN and os.path.isdir(name):
        raise CorpusError(f"{name} is a directory; one file is needed here.")
    if name != STDIN and not os.path.exists(name):
        raise missing_file(name)
    return name


def _record_pieces(name: str, config: TextConfig) -> Iterator[Piece]:
    for record in read_records(name, config).records:
        yield Piece(record.text, ends=True, label=record.label)


# --- reading ---


def read_pieces(
    name: str,
    encoding: str = "utf-8",
    piece_bytes: int = PIECE_BYTES,
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[str]:
    """The text of one file, decompressed, strictly decoded, with LF line endings.

    Args:
        name: a file, or `-` for standard input.
        encoding: any text encoding that Python knows.
        piece_bytes: how much is read at once.
        on_bytes: is told after each reading how many bytes it brought.

    Raises:
        CorpusError: as for `read_bytes` and `decode_text`, when the place is reached.

    >>> list(read_pieces(os.devnull))
    []
    """
    return decode_pieces(bytes_pieces(name, piece_bytes, on_bytes), encoding, name)


# --- documents ---


def cut_pieces(texts: Iterable[Iterable[str]], kind: str) -> Iterator[Piece]:
    r"""Cut texts that come in pieces into the documents that `cut_documents` gives.

    Args:
        texts: one for each file, in pieces.
        kind: "whole", "lines", "paragraphs" or "files".

    Raises:
        ConfigError: another kind.

    >>> list(cut_pieces([["a\nb", "c\n\n"]], "lines"))
    [Piece(text='a', ends=True, label=None), Piece(text='b', ends=False, label=None),
     Piece(text='c', ends=True, label=None)]
    """
    if kind == "whole":
        return _whole(texts)
    cutters = {"lines": _lines, "paragraphs": _paragraphs, "files": _file}
    if kind not in cutters:
        raise ConfigError(f"documents={kind!r} must be one of whole, {', '.join(cutters)}.")
    return chain.from_iterable(map(cutters[kind], texts))


def batches(
    pieces: Iterable[Piece], most_chars: int = BATCH_CHARS
) -> Iterator[list[Piece]]:
    """Group pieces, so that what is done with them is done seldom.

    Args:
        most_chars: a batch ends with the piece that brings it to so many characters.

    >>> [len(batch) for batch in batches([Piece("ab"), Piece("c"), Piece("d")], 3)]
    [1, 2]
    """
    held: list[Piece] = []
    num_chars = 0
    for piece in pieces:
        held.append(piece)
        # An empty piece takes memory, too.
        num_chars += len(piece.text) + 1
        if num_chars >= most_chars:
            yield held
            held, num_chars = [], 0
    if held:
        yield held


def join_pieces(pieces: Iterable[Piece]) -> Iterator[str]:
    """Whole documents again.

    >>> list(join_pieces([Piece("a"), Piece("b", ends=True), Piece("c", ends=True)]))
    ['ab', 'c']
    """
    held: list[str] = []
    for piece in pieces:
        held.append(piece.text)
        if piece.ends:
            yield "".join(held)
            held = []


def _whole(texts: Iterable[Iterable[str]]) -> Iterator[Piece]:
    last = "\n"
    for text in texts:
        if not last.endswith("\n"):
            yield Piece("\n")
        last = ""
        for piece in text:
            yield Piece(piece)
            last = piece or last
    yield Piece("", ends=True)


def _file(text: Iterable[str]) -> Iterator[Piece]:
    held: list[str] = []
    has_text = False
    for piece in text:
        has_text = has_text or (bool(piece) and not piece.isspace())
        held.append(piece)
        if has_text:
            yield Piece("".join(held))
            held = []
    if has_text:
        yield Piece("", ends=True)


def _lines(text: Iterable[str]) -> Iterator[Piece]:
    # A line's blank beginning waits for something that is not blank.
    blank: list[str] = []
    begun = False
    for piece in chain(text, _END):
        first, *others = piece.split("\n")
        if begun or first.strip():
            yield Piece("".join([*blank, first]), ends=bool(others))
            begun, blank = not others, []
        else:
            blank.append(first)
        if others:
            *whole, last = others
            # Most lines lie within a piece; these are passed on without Python's help.
            yield from map(Piece, filter(str.strip, whole), repeat(True))
            begun, blank = bool(last.strip()), []
            if begun:
                yield Piece(last)
            else:
                blank.append(last)


# The last line has no newline behind it, but ends all the same.
_END = ("\n",)


def _paragraphs(text: Iterable[str]) -> Iterator[Piece]:
    inside = False
    for part, begins, ends in _line_parts(text):
        if part or not begins:
            yield Piece("\n" + part if inside and begins else part)
            inside = True
        elif inside and ends:
            yield Piece("", ends=True)
            inside = False
    if inside:
        yield Piece("", ends=True)


def _line_parts(text: Iterable[str]) -> Iterator[tuple[str, bool, bool]]:
    """Parts of lines: the part, whether its line begins with it and ends with it.

    A blank line is one empty part; the blank beginning of another is held back until
    something follows it.
    """
    begun = False
    blank: list[str] = []
    for part, ends in _between_newlines(text):
        if begun or part.strip():
            yield "".join([*blank, part]), not begun, ends
            begun, blank = not ends, []
        elif ends:
            yield "", True, True
            blank = []
        else:
            blank.append(part)


def _between_newlines(text: Iterable[str]) -> Iterator[tuple[str, bool]]:
    for piece in text:
        *ended, rest = piece.split("\n")
        yield from ((line, True) for line in ended)
        if rest:
            yield rest, False
    # The last line has no newline behind it, but ends all the same.
    yield "", True
