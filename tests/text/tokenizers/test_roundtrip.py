"""Any text to ids and back is exact, and however it is cut, its ids are the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.text.reading.decoding import PieceDecoder
from textgen.text.reading.documents import cut_pieces, join_pieces
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.text.unicode.normal_form import NORMAL_FORMS, PieceNormalizer, normalize_text

every_form = pytest.mark.parametrize("form", NORMAL_FORMS)
KINDS = ("whole", "lines", "paragraphs", "files")
LABELS = ("glad", "sad")
# Each stands for a way in which a text can go wrong where it is cut.
WORDS = (
    "e\u0301",
    "\u00e9",
    "a\u0323\u0307",
    "\u0301",
    "\u0344",
    "\u0f71\u0f74",
    "\u1100\u1161\u11a8",
    "\uac00\u11a8",
    "\u1161",
    "\u0bc6\u0bbe",
    "\u0958",
    "\u304b\u3099",
    "\uff76\uff9e",
    "\ufb01",
    "\u212b",
    "\u2126",
    "\u1e9b\u0323",
    "\U0001f1e9\U0001f1ea",
    "\U0001f469\u200d\U0001f52c",
    "\U0001f44d\U0001f3fd",
    "\U0001d15f",
    "\U000e0041",
    "\U0010ffff",
    "\u202eabc\u202c",
    "\ufeff",
    "\ufffd",
    "\u2028",
    "\x0c",
    "\x85",
    "\t",
    " ",
    "ab",
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\r\r\n",
)
# Files of text contain neither lone surrogates nor NUL.
any_character = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
rich = st.lists(st.sampled_from(WORDS) | any_character, max_size=14).map("".join)
cuts = st.lists(st.integers(0, 60), max_size=8)


def cut_at(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def tokenizers(documents: Sequence[str], form: str, *, ends: bool) -> list[Tokenizer]:
    """One of each kind that knows these documents, without and with labels."""
    found: list[Tokenizer] = []
    for labels in ((), LABELS) if ends else ((),):
        options: dict[str, Any] = {"normalize": form, "end_of_document": ends}
        found += [
            # The x is for documents without one character.
            CharTokenizer.from_documents([*documents, "x"], labels=labels, **options),
            ByteTokenizer(labels=labels, **options),
        ]
    return found


def streamed(tokenizer: Tokenizer, ids: np.ndarray) -> str:
    decoder = tokenizer.stream_decoder()
    return "".join(decoder.feed(int(i)) for i in ids) + decoder.flush()


def between_ends(tokenizer: Tokenizer, ids: np.ndarray) -> list[str]:
    """The text of each document, each decoded by itself."""
    places = np.flatnonzero(ids == tokenizer.eod_id)
    return [tokenizer.decode(ids[a + 1 : b]) for a, b in pairwise(places.tolist())]


def ids_of_pieces(
    pieces: Sequence[bytes], form: str, kind: str, tokenizer: Tokenizer
) -> np.ndarray:
    """Bytes in pieces, through decoder, normal form and cutter, to ids piece by piece."""
    decoder, normalizer = PieceDecoder("utf-8", "a.txt"), PieceNormalizer(form)
    texts = [decoder.feed(piece) for piece in pieces] + [decoder.flush()]
    normal = [normalizer.feed(text) for text in texts] + [normalizer.flush()]
    ends = [] if tokenizer.eod_id is None else [tokenizer.eod_id]
    ids = list(ends)
    for piece in cut_pieces([normal], kind):
        ids += tokenizer.encode(piece.text).tolist()
        ids += ends if piece.ends else []
    return np.array(ids)


@every_form
@given(text=rich)
def test_a_text_comes_back_in_its_normal_form(form: str, text: str) -> None:
    expected = normalize_text(text, form)
    if form != "none":
        assert expected == unicodedata.normalize(form.upper(), text)
    for ends in (False, True):
        for tokenizer in tokenizers([text], form, ends=ends):
            ids = tokenizer.encode(text)
            assert tokenizer.decode(ids) == expected
            assert streamed(tokenizer, ids) == expected
            # What came back says the same again.
            np.testing.assert_array_equal(tokenizer.encode(expected), ids)


@every_form
@given(records=st.lists(st.tuples(rich, st.sampled_from(LABELS)), max_size=5))
def test_documents_come_back_each_by_itself_with_its_label(
    form: str, records: list[tuple[str, str]]
) -> None:
    documents = [text for text, _ in records]
    labels = [label for _, label in records]
    expected = [normalize_text(text, form) for text in documents]
    for tokenizer in tokenizers(documents, form, ends=True):
        own = labels if tokenizer.labels else None
        ids = tokenizer.encode_documents(documents, labels=own)
        assert between_ends(tokenizer, ids) == expected
        # An accent at the start of one must not join the end of the one before.
        assert tokenizer.decode(ids) == streamed(tokenizer, ids) == "".join(expected)
        if own:
            label_ids = [i for i in ids.tolist() if i in tokenizer.label_ids]
            assert label_ids == [tokenizer.label_id(label) for label in labels]


@every_form
@pytest.mark.parametrize("kind", KINDS)
@given(text=rich, one=cuts, other=cuts)
def test_however_the_bytes_are_cut_the_ids_are_the_same(
    kind: str, form: str, text: str, one: list[int], other: list[int]
) -> None:
    data = text.encode("utf-8")
    # Everything in one piece.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    pieces = cut_pieces([[normalize_text(lines, form)]], kind)
    documents = [document.text for document in join_pieces(pieces)]
    for tokenizer in tokenizers(documents, form, ends=kind != "whole"):
        expected = tokenizer.encode_documents(documents).tolist()
        for places in (one, other, range(len(data))):
            found = ids_of_pieces(cut_at(data, places), form, kind, tokenizer)
            assert found.tolist() == expected
