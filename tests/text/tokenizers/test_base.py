"""Text to ids and back: exact, reversible, and the same for every kind of tokenizer."""

from __future__ import annotations

import pickle
import unicodedata
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.tokenizers.helpers import every_tokenizer, nfc, streamed, texts
from textgen.errors import TokenizerError
from textgen.text.tokenizers import base as base_module
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer, tokenizer_from_dict

Find = Callable[[str], Path]


documents_lists = st.lists(texts, max_size=6)


# Encoding


@every_tokenizer
def test_ids_have_the_smallest_dtype(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("abab")
    assert ids.dtype == tokenizer.id_dtype
    assert tokenizer.id_dtype == (np.uint8 if tokenizer.vocab_size <= 256 else np.uint16)


@given(texts)
def test_encoding_equals_the_slow_and_clear_way(text: str) -> None:
    tokenizer = CharTokenizer.from_documents([text + "x"], end_of_document=True)
    normal = unicodedata.normalize("NFC", text)
    slow = [1 + tokenizer.characters.index(c) for c in normal]
    assert tokenizer.encode(text).tolist() == slow
    assert ByteTokenizer().encode(text).tolist() == list(normal.encode())


@given(documents_lists)
def test_ids_do_not_depend_on_how_text_is_batched(documents: list[str]) -> None:
    pair = (
        CharTokenizer.from_documents([*documents, "x"], end_of_document=True),
        ByteTokenizer(end_of_document=True),
    )
    whole = [tokenizer.encode_documents(documents) for tokenizer in pair]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base_module, "BATCH_CHARS", 3)
        pieces = [tokenizer.encode_documents(documents) for tokenizer in pair]
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, other)


@every_tokenizer
def test_ids_can_be_written_to(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("ab")
    ids[0] = 1
    assert ids[0] == 1


def test_empty_text_gives_no_ids() -> None:
    for tokenizer in (CharTokenizer("a"), ByteTokenizer()):
        assert tokenizer.encode("").shape == (0,)
        assert tokenizer.decode([]) == ""


@given(documents_lists)
def test_documents_stand_between_end_of_document_ids(documents: list[str]) -> None:
    for tokenizer in (
        CharTokenizer.from_documents([*documents, "x"], end_of_document=True),
        ByteTokenizer(end_of_document=True),
    ):
        expected = [tokenizer.eod_id]
        for document in documents:
            expected += [*tokenizer.encode(document).tolist(), tokenizer.eod_id]
        assert tokenizer.encode_documents(documents).tolist() == expected


def test_documents_are_only_joined_without_an_end_of_document() -> None:
    assert CharTokenizer("ab").encode_documents(["a", "b"]).tolist() == [0, 1]
    assert ByteTokenizer().encode_documents(["a", "b"]).tolist() == [97, 98]


def test_a_generator_of_documents_is_enough() -> None:
    assert len(CharTokenizer("a").encode_documents("a" for _ in range(3))) == 3


# Characters outside the vocabulary


def test_unknown_characters_are_listed_once_in_order_and_normal_form() -> None:
    assert CharTokenizer("ab").unknown_characters("ze\u0301bze") == ["z", "é", "e"]
    assert CharTokenizer("é").unknown_characters("e\u0301") == []
    assert ByteTokenizer().unknown_characters("ze\u0301") == []


def test_a_lone_surrogate_is_unknown_to_both() -> None:
    broken = "a\udce9b"
    assert CharTokenizer("ab").unknown_characters(broken) == ["\udce9"]
    assert ByteTokenizer().unknown_characters(broken) == ["\udce9"]
    with pytest.raises(TokenizerError, match=r"'\\udce9' \(U\+DCE9\)"):
        CharTokenizer("ab").encode(broken)
    with pytest.raises(TokenizerError, match=r"lone surrogate.*U\+DCE9"):
        ByteTokenizer().encode(broken)
    for tokenizer in (CharTokenizer("ab"), ByteTokenizer()):
        assert tokenizer.decode(tokenizer.encode(broken, unknown="skip")) == "ab"


# Decoding


@given(texts)
def test_decoding_gives_the_normalised_text_back(text: str) -> None:
    expectations = {
        "none": text,
        "nfc": unicodedata.normalize("NFC", text),
        "nfkc": unicodedata.normalize("NFKC", text),
    }
    for form, expected in expectations.items():
        learned = CharTokenizer.from_documents([text, "x"], normalize=form)
        for tokenizer in (learned, ByteTokenizer(normalize=form)):
            ids = tokenizer.encode(text)
            assert tokenizer.decode(ids) == expected
            assert tokenizer.decode(ids.tolist()) == expected


# Where reading starts, and names of ids


@pytest.mark.parametrize(
    ("tokenizer", "symbol"),
    [
        (CharTokenizer(" \na", end_of_document=True), "<eod>"),
        (CharTokenizer(" a\n", unknown=True), "'\\n'"),
        (CharTokenizer("a b"), "' '"),
        (CharTokenizer("xyz", unknown=True), "'x'"),
        (ByteTokenizer(), "0x0a"),
        (ByteTokenizer(end_of_document=True), "<eod>"),
    ],
)
def test_reading_starts_where_a_text_would(tokenizer: Tokenizer, symbol: str) -> None:
    assert tokenizer.symbol(tokenizer.start_id) == symbol


@pytest.mark.parametrize(
    ("tokenizer", "opening"),
    [
        (CharTokenizer("\n.abc"), ".\n\n"),
        (CharTokenizer("\n.。学而"), "。\n"),
        (CharTokenizer("\nabc"), "\n"),
        (CharTokenizer(".abc"), "."),
        (ByteTokenizer(), ".\n\n"),
        (CharTokenizer("\n.abc", end_of_document=True), ""),
    ],
    ids=str,
)
def test_a_text_without_a_prompt_begins_like_a_new_paragraph(
    tokenizer: Tokenizer, opening: str
) -> None:
    assert tokenizer.decode(list(tokenizer.opening_ids)) == opening


# Labels


@pytest.mark.parametrize(
    "tokenizer", [CharTokenizer("ab", end_of_document=True), ByteTokenizer()]
)
def test_without_labels_there_are_no_label_ids(tokenizer: Tokenizer) -> None:
    assert tokenizer.label_ids == ()
    with pytest.raises(TokenizerError, match="no label 'x': this model has no labels"):
        tokenizer.label_id("x")


def test_each_label_has_its_own_id_in_whatever_form_it_is_asked_for() -> None:
    for tokenizer in (
        CharTokenizer("a", end_of_document=True, labels=("x", "z", "é")),
        ByteTokenizer(end_of_document=True, labels=("x", "z", "é")),
    ):
        ids = tuple(tokenizer.label_id(label) for label in ("x", "z", "e\u0301"))
        assert ids == tokenizer.label_ids


@pytest.mark.parametrize("label", ["", "sat", "zzz", "Sad"])
def test_an_unknown_label_names_the_known_ones_and_the_nearest(label: str) -> None:
    tokenizer = CharTokenizer("a", end_of_document=True, labels=("glad", "sad"))
    with pytest.raises(TokenizerError) as caught:
        tokenizer.label_id(label)
    message = str(caught.value)
    known = f"{label!r} is not one of the 2 labels: 'glad', 'sad'."
    # A label that resembles none is not put into anybody's mouth.
    hint = " Did you mean 'sad'?" if label in ("sat", "Sad") else ""
    assert message == known + hint


def test_of_many_labels_the_error_names_ten() -> None:
    labels = tuple(f"label {number:02}" for number in range(25))
    tokenizer = ByteTokenizer(end_of_document=True, labels=labels)
    with pytest.raises(TokenizerError) as caught:
        tokenizer.label_id("label 2x")
    message = str(caught.value)
    assert "'label 09' and 15 more." in message
    assert "'label 10'" not in message
    assert "Did you mean 'label 2" in message


@given(st.lists(st.tuples(texts, st.sampled_from("xyz")), max_size=6))
def test_a_document_is_its_label_and_its_text_between_ends(
    records: list[tuple[str, str]],
) -> None:
    documents = [text for text, _ in records]
    labels = [label for _, label in records]
    for tokenizer in (
        CharTokenizer.from_documents(
            [*documents, "x"], end_of_document=True, labels=["x", "y", "z"]
        ),
        ByteTokenizer(end_of_document=True, labels=("x", "y", "z")),
    ):
        expected = [tokenizer.eod_id]
        for text, label in records:
            ids = tokenizer.encode(text).tolist()
            expected += [tokenizer.label_id(label), *ids, tokenizer.eod_id]
        encoded = tokenizer.encode_documents(documents, labels=labels)
        assert encoded.tolist() == expected
        assert encoded.dtype == tokenizer.id_dtype
        assert tokenizer.decode(encoded) == "".join(map(nfc, documents))


def test_labels_on_only_some_documents_are_refused() -> None:
    encoder = CharTokenizer("ab", end_of_document=True, labels=("x", "y")).encoder()
    encoder.add([("a", True, "x"), ("b", True, None)])
    with pytest.raises(TokenizerError, match="only 1 of 2 documents have a label"):
        encoder.take()


def test_a_tokenizer_with_labels_encodes_text_without_them_too() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, labels=("x",))
    assert tokenizer.encode_documents(["a", "b"]).tolist() == [0, 2, 0, 3, 0]


def test_labels_go_where_they_belong_when_characters_are_skipped() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, labels=("x", "y"))
    ids = tokenizer.encode_documents(["q", "aq"], "skip", labels=["y", "x"])
    assert ids.tolist() == [0, 2, 0, 1, 3, 0]


@pytest.mark.parametrize("labels", [[], ["x"], ["x", "x", "x"]])
def test_every_document_needs_one_label(labels: list[str]) -> None:
    tokenizer = ByteTokenizer(end_of_document=True, labels=("x",))
    expected = f"there are {len(labels)} labels for 2 documents"
    with pytest.raises(TokenizerError, match=expected):
        tokenizer.encode_documents(["a", "b"], labels=labels)


def test_an_unknown_label_cannot_be_encoded() -> None:
    tokenizer = ByteTokenizer(end_of_document=True, labels=("x",))
    with pytest.raises(TokenizerError, match="'y' is not one of the 1 labels: 'x'"):
        tokenizer.encode_documents(["a"], labels=["y"])


def test_labels_stand_for_no_text_and_end_an_unfinished_character() -> None:
    tokenizer = ByteTokenizer(end_of_document=True, labels=("x",))
    first, *rest = "€".encode()
    assert tokenizer.decode([256, 257, 97, 256]) == "a"
    assert tokenizer.decode([first, 257, *rest]) == "\ufffd\ufffd\ufffd"
    assert CharTokenizer("ab", end_of_document=True, labels=("x",)).decode([1, 2]) == "a"


def test_labels_have_readable_symbols() -> None:
    char = CharTokenizer("a", unknown=True, end_of_document=True, labels=("x", "y z"))
    symbols = [char.symbol(i) for i in range(char.vocab_size)]
    assert symbols == ["<eod>", "<unk>", "<label:x>", "<label:y z>", "'a'"]
    byte = ByteTokenizer(end_of_document=True, labels=("x",))
    assert [byte.symbol(i) for i in (255, 256, 257)] == ["0xff", "<eod>", "<label:x>"]


# Values


@every_tokenizer
def test_a_tokenizer_cannot_be_changed(tokenizer: Tokenizer) -> None:
    with pytest.raises(FrozenInstanceError):
        tokenizer.normalize = "none"  # type: ignore[misc]


@every_tokenizer
def test_equal_tokenizers_are_equal_after_use_and_pickling(tokenizer: Tokenizer) -> None:
    fresh = tokenizer_from_dict(tokenizer.to_dict())
    tokenizer.encode("ab")
    assert fresh == tokenizer == pickle.loads(pickle.dumps(tokenizer))
    assert hash(fresh) == hash(tokenizer)


# Real texts


@pytest.mark.parametrize("end_of_document", [False, True])
def test_many_scripts_survive_both_tokenizers(
    shared_corpus: Find, end_of_document: bool
) -> None:
    text = shared_corpus("udhr_multiscript.txt").read_text(encoding="utf-8")
    expected = unicodedata.normalize("NFC", text)
    for tokenizer in (
        CharTokenizer.from_documents([text], end_of_document=end_of_document),
        ByteTokenizer(end_of_document=end_of_document),
    ):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == expected
        assert streamed(tokenizer, ids) == expected
