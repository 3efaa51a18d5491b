"""Documents do not depend on how their text is cut into pieces."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.reading.helpers import cut
from textgen.errors import ConfigError
from textgen.text.reading.documents import Piece, cut_pieces, join_pieces

KINDS = ("whole", "lines", "paragraphs", "files")
every_kind = pytest.mark.parametrize("kind", KINDS)
layout = st.text(st.sampled_from("ab \n\n\t\u00a0"), max_size=30)


def cut_at(text: str, places: Iterable[int]) -> list[str]:
    edges = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def documents_of(pieces: Iterable[Piece]) -> list[str]:
    return [piece.text for piece in join_pieces(pieces)]


def cut_at_once(texts: list[str], kind: str) -> list[str]:
    """The definition of documents, for texts as a whole."""
    if kind == "whole":
        *first, last = texts
        return ["".join(t if t.endswith("\n") else t + "\n" for t in first) + last]
    if kind == "files":
        return [text for text in texts if text.strip()]
    documents: list[str] = []
    for text in texts:
        for has_text, group in groupby(
            text.split("\n"), key=lambda line: line.strip() > ""
        ):
            lines = list(group) if has_text else []
            documents += lines if kind == "lines" else ["\n".join(lines)] * has_text
    return documents


@every_kind
@given(
    texts=st.lists(layout, min_size=1, max_size=3),
    places=st.lists(st.integers(0, 30), max_size=6),
)
def test_documents_of_pieces_are_those_of_the_whole(
    kind: str, texts: list[str], places: list[int]
) -> None:
    expected = cut_at_once(texts, kind)
    found = cut_pieces((cut_at(text, places) for text in texts), kind)
    assert documents_of(found) == expected


@every_kind
def test_every_document_ends_with_a_piece_that_says_so(kind: str) -> None:
    pieces = list(cut_pieces([["a\nb\n", "\nc"]], kind))
    assert pieces[-1].ends
    assert sum(piece.ends for piece in pieces) == len(documents_of(pieces))


def test_a_long_document_comes_in_the_pieces_in_which_it_was_read() -> None:
    pieces = list(cut_pieces([["ab", "cd", "e\n", "f"]], "lines"))
    assert pieces == [
        Piece("ab"),
        Piece("cd"),
        Piece("e", ends=True),
        Piece("f"),
        Piece("", ends=True),
    ]


@pytest.mark.parametrize("kind", ["lines", "paragraphs"])
def test_long_blank_beginnings_wait_and_belong_to_their_line(kind: str) -> None:
    pieces = [" " * 10] * 300
    found = documents_of(cut_pieces([[*pieces, "a\n", *pieces, "\nb"]], kind))
    assert found == [" " * 3000 + "a", "b"]


def test_another_kind_of_document_is_refused() -> None:
    with pytest.raises(ConfigError, match="documents='pages' must be one of whole, lines"):
        cut_pieces([], "pages")


def test_lines_are_kept_as_they_are_and_blank_ones_left_out() -> None:
    texts = ["Ada\n\n  Grace \n \nEdsger", "a\u2028b\x0cc\n"]
    expected = ["Ada", "  Grace ", "Edsger", "a\u2028b\x0cc"]
    assert cut(texts, "lines") == expected


def test_paragraphs_end_at_blank_lines_and_keep_their_indentation() -> None:
    text = "\n \n  one\ntwo\n\n\n\tthree\n   \nfour\n"
    expected = ["  one\ntwo", "\tthree", "four"]
    assert cut([text], "paragraphs") == expected


def test_a_document_never_spans_two_files() -> None:
    assert cut(["a", "b"], "lines") == ["a", "b"]
    assert cut(["a", "b"], "paragraphs") == ["a", "b"]


def test_files_stay_as_they_are() -> None:
    assert cut(["a\n\n", " ", "b"], "files") == ["a\n\n", "b"]
