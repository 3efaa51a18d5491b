"""What is read and what is counted, held against the tokenizers' own encoding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.errors import ConfigError, TokenizerError
from textgen.generation.scoring.segments import END, FIRST_LABEL, Segment, segments
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer

TOKENIZERS: list[Tokenizer] = [
    CharTokenizer("ab\né"),
    CharTokenizer("ab\né", unknown=True),
    CharTokenizer("ab\né", end_of_document=True),
    CharTokenizer("ab\né", end_of_document=True, unknown=True, normalize="nfkc"),
    ByteTokenizer(),
    ByteTokenizer(end_of_document=True, normalize="none"),
]
every_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=repr)
some_documents = st.lists(st.text("abe\u0301é\n€ﬁ😀", max_size=12), min_size=1, max_size=4)
LABELLED = CharTokenizer("ab", end_of_document=True, labels=("glad", "sad"))


def pieces_of(documents: list[str], size: int) -> list[Piece]:
    """The documents in pieces of `size` characters, each ended by an empty piece."""
    pieces = []
    for text in documents:
        pieces += [Piece(text[at : at + size]) for at in range(0, len(text), size)]
        pieces.append(Piece("", ends=True))
    return pieces


def columns(parts: list[Segment]) -> list[list[Any]]:
    """All that the segments hold, joined."""
    rows = [(part.codes, part.widths, part.unknown, part.ids) for part in parts]
    return [np.concatenate(column).tolist() for column in zip(*rows, strict=True)]


@every_tokenizer
@given(documents=some_documents, size=st.integers(1, 9))
def test_the_ids_are_those_of_the_tokenizer(
    tokenizer: Tokenizer, documents: list[str], size: int
) -> None:
    action = "skip" if tokenizer.unknown_id is None else "token"
    expected = tokenizer.encode_documents(documents, action).tolist()
    # It begins with the id that is read before anything is predicted.
    expected = expected[tokenizer.eod_id is not None :]
    found = [each for p in segments(tokenizer, documents, size=size) for each in p.ids]
    assert found == expected


@every_tokenizer
@given(documents=some_documents, size=st.integers(1, 9), cut=st.integers(1, 5))
def test_no_cut_into_pieces_makes_a_difference(
    tokenizer: Tokenizer, documents: list[str], size: int, cut: int
) -> None:
    whole = list(segments(tokenizer, documents, size=size))
    pieces = list(segments(tokenizer, pieces_of(documents, cut), size=size))
    assert [len(part.codes) for part in pieces] == [len(part.codes) for part in whole]
    if whole:
        assert columns(pieces) == columns(whole)


def test_segments_have_the_size_asked_for_but_the_last() -> None:
    parts = list(segments(CharTokenizer("ab"), "abababa", size=3))
    assert [len(part.codes) for part in parts] == [3, 3, 1]
    assert list(segments(CharTokenizer("ab"), "", size=3)) == []


def test_a_document_without_an_end_is_read_to_its_last_character() -> None:
    [part] = segments(CharTokenizer("aé"), [Piece("a"), Piece("e"), Piece("\u0301")])
    assert part.codes.tolist() == [ord("a"), ord("é")]


def test_left_out_characters_stand_in_the_text_and_have_no_ids() -> None:
    [part] = segments(CharTokenizer("ab"), "a€b")
    assert part.codes.tolist() == [ord("a"), ord("€"), ord("b")]
    assert part.widths.tolist() == [1, 0, 1]
    assert part.unknown.tolist() == [False, True, False]
    assert part.is_predicted.tolist() == [True, False, True]
    assert part.ids.tolist() == [0, 1]


def test_a_lone_surrogate_is_left_out_of_bytes() -> None:
    [part] = segments(ByteTokenizer(), "a\ud800é")
    assert part.widths.tolist() == [1, 0, 2]
    assert part.unknown.tolist() == [False, True, False]


def test_a_label_is_read_where_its_document_begins_and_does_not_count() -> None:
    documents = [Piece("a", False, "sad"), Piece("b", True, "sad"), Piece("", True, "glad")]
    [part] = segments(LABELLED, documents)
    assert part.codes.tolist() == [
        FIRST_LABEL + 1,
        ord("a"),
        ord("b"),
        END,
        FIRST_LABEL,
        END,
    ]
    eod, glad, sad = 0, *LABELLED.label_ids
    assert part.ids.tolist() == [sad, *LABELLED.encode("ab").tolist(), eod, glad, eod]
    assert part.is_counted.tolist() == [False, True, True, True, False, True]
    assert part.is_predicted.tolist() == [False, True, True, True, False, True]


def test_one_label_serves_every_document_and_goes_before_their_own() -> None:
    documents = [Piece("a", True, "sad"), Piece("b", True)]
    [part] = segments(LABELLED, documents, label="glad")
    assert part.codes.tolist() == [FIRST_LABEL, ord("a"), END, FIRST_LABEL, ord("b"), END]


def test_a_document_without_a_label_is_refused_and_the_labels_named() -> None:
    with pytest.raises(ConfigError, match=r"one with `label`: 'glad', 'sad'\."):
        list(segments(LABELLED, ["a"]))


def test_a_label_that_the_model_does_not_know_is_refused_at_once() -> None:
    with pytest.raises(TokenizerError, match="is not one of the 2 labels: 'glad', 'sad'"):
        segments(LABELLED, ["a"], label="glum")
    with pytest.raises(TokenizerError, match="this model has no labels"):
        segments(CharTokenizer("ab"), ["a"], label="glad")
    with pytest.raises(TokenizerError, match="'glum' is not one of the 2 labels"):
        list(segments(LABELLED, [Piece("a", True, "glum")]))


def test_labels_of_documents_are_nothing_to_a_model_without_labels() -> None:
    [part] = segments(CharTokenizer("ab"), [Piece("a", True, "sad")])
    assert part.ids.tolist() == [0]


def test_nats_of_ids_become_nats_of_characters() -> None:
    [part] = segments(ByteTokenizer(), "a€\ud800é")
    nats = part.per_character(np.arange(1.0, 7.0))
    assert nats.tolist() == [1.0, 2.0 + 3.0 + 4.0, 0.0, 5.0 + 6.0]
