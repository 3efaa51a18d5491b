"""Cut text that arrives in pieces into documents, in bounded memory.

The documents do not depend on how the text is cut into pieces: a line may begin in one
piece and end in another. Only text whose document is still unknown is kept, such as the
whitespace at the beginning of a line, which may be blank.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import NamedTuple

from textgen.errors import ConfigError
from textgen.text.unicode.code_points import BATCH_CHARS


class Piece(NamedTuple):
    """A part of a document; the parts of a document follow each other.

    Args:
        text: may be empty.
        ends: whether the document ends here.
        label: of the document, if it has one.
    """

    text: str
    ends: bool = False
    label: str | None = None


def cut_pieces(texts: Iterable[Iterable[str]], kind: str) -> Iterator[Piece]:
    r"""Cut texts into documents; only "whole" can produce blank ones.

    Args:
        texts: one for each file, in pieces.
        kind: "whole" joins all texts, with a newline after a text that lacks one;
            "lines" and "paragraphs" (separated by blank lines) cut each text; "files"
            leaves each text as it is.

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


def text_pieces(text: str, kind: str) -> Iterator[Piece]:
    """One text as `cut_pieces` cuts it; "records" do not cut it.

    >>> [piece.text for piece in text_pieces("a b", "records")]
    ['a b', '']
    """
    return cut_pieces([[text]], "files" if kind == "records" else kind)


def batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Group pieces, so that each group can be processed with a few NumPy calls.

    >>> [len(batch) for batch in batches([Piece("ab"), Piece("c")])]
    [2]
    """
    held: list[Piece] = []
    num_chars = 0
    for piece in pieces:
        held.append(piece)
        # An empty piece takes memory, as well.
        num_chars += len(piece.text) + 1
        if num_chars >= BATCH_CHARS:
            yield held
            held, num_chars = [], 0
    if held:
        yield held


def join_pieces(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Each document as one piece.

    >>> [piece.text for piece in join_pieces([Piece("a"), Piece("b", ends=True)])]
    ['ab']
    """
    held: list[str] = []
    for piece in pieces:
        held.append(piece.text)
        if piece.ends:
            yield Piece("".join(held), ends=True, label=piece.label)
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


# The end of a text also ends its last line, which may lack a newline.
_END = ("\n",)


def _lines(text: Iterable[str]) -> Iterator[Piece]:
    # str.splitlines would also cut at form feeds and U+2028, which belong to a line.
    blank: list[str] = []
    is_inside = False
    for piece in chain(text, _END):
        first, *others = piece.split("\n")
        if is_inside or first.strip():
            yield Piece("".join([*blank, first]), ends=bool(others))
            is_inside, blank = not others, []
        else:
            blank.append(first)
        if others:
            *whole, last = others
            # Most lines are within one piece; `map` handles them without a Python loop.
            yield from map(Piece, filter(str.strip, whole), repeat(True))
            is_inside, blank = bool(last.strip()), []
            if is_inside:
                yield Piece(last)
            else:
                blank.append(last)


def _paragraphs(text: Iterable[str]) -> Iterator[Piece]:
    is_inside = False
    for part, begins, ends in _line_parts(text):
        if part or not begins:
            yield Piece("\n" + part if is_inside and begins else part)
            is_inside = True
        elif is_inside and ends:
            yield Piece("", ends=True)
            is_inside = False
    if is_inside:
        yield Piece("", ends=True)


def _line_parts(text: Iterable[str]) -> Iterator[tuple[str, bool, bool]]:
    """Parts of lines: the text, whether it begins its line, and whether it ends it.

    A blank line is one empty part; the blank beginning of another line is kept until
    the rest is known.
    """
    is_inside = False
    blank: list[str] = []
    for part, ends in _between_newlines(text):
        if is_inside or part.strip():
            yield "".join([*blank, part]), not is_inside, ends
            is_inside, blank = not ends, []
        elif ends:
            yield "", True, True
            blank = []
        else:
            blank.append(part)


def _between_newlines(text: Iterable[str]) -> Iterator[tuple[str, bool]]:
    for piece in chain(text, _END):
        *ended, rest = piece.split("\n")
        yield from ((line, True) for line in ended)
        if rest:
            yield rest, False
