"""Text to ids and back: exact, reversible, and plain about what it does not know."""

from __future__ import annotations

import copy
import json
import pickle
import unicodedata
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.errors import TokenizerError
from textgen.text.tokenizers import base as base_module
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer, tokenizer_from_dict
from textgen.text.unicode import code_points as code_points_module

Find = Callable[[str], Path]
texts = st.text(max_size=60)
documents_lists = st.lists(texts, max_size=6)
every_tokenizer = pytest.mark.parametrize(
    "tokenizer",
    [
        CharTokenizer("\nab"),
        CharTokenizer("ab", unknown=True),
        CharTokenizer("ab", end_of_document=True, normalize="nfkc"),
        CharTokenizer("ba", unknown=True, end_of_document=True, normalize="none"),
        ByteTokenizer(),
        ByteTokenizer(end_of_document=True, normalize="none"),
        CharTokenizer("ab", unknown=True, end_of_document=True, labels=("x", "y")),
        ByteTokenizer(end_of_document=True, labels=("x", "y")),
    ],
)


def streamed(tokenizer: Tokenizer, ids: Any) -> str:
    decoder = tokenizer.stream_decoder()
    return "".join(decoder.feed(int(i)) for i in ids) + decoder.flush()


# Learning a vocabulary


def test_characters_are_sorted_by_code_point() -> None:
    assert CharTokenizer.from_documents(["zéa\n", "b€"]).characters == "\nabzé€"


def test_special_tokens_come_before_the_characters() -> None:
    tokenizer = CharTokenizer.from_documents(
        ["aab", "bx"], min_count=2, end_of_document=True
    )
    assert (tokenizer.eod_id, tokenizer.unknown_id) == (0, 1)
    assert tokenizer.encode("ab").tolist() == [2, 3]
    assert tokenizer.vocab_size == 4


def test_unknown_comes_first_without_an_end_of_document() -> None:
    tokenizer = CharTokenizer("ab", unknown=True)
    assert (tokenizer.eod_id, tokenizer.unknown_id) == (None, 0)


def test_a_vocabulary_extended_at_its_end_keeps_its_ids() -> None:
    old, new = CharTokenizer("bd"), CharTokenizer("bda")
    np.testing.assert_array_equal(old.encode("dbd"), new.encode("dbd"))


def test_no_unknown_token_where_every_character_is_frequent_enough() -> None:
    assert CharTokenizer.from_documents(["aabb"], min_count=2).unknown_id is None


def test_counts_add_up_over_documents() -> None:
    tokenizer = CharTokenizer.from_documents(["ax", "ay", "a"], min_count=3)
    assert tokenizer.characters == "a"
    assert tokenizer.unknown


def test_counts_add_up_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_points_module, "BATCH_CHARS", 2)
    tokenizer = CharTokenizer.from_documents(["axbxcxd", "xa"], min_count=2)
    assert tokenizer.characters == "ax"


def test_characters_are_counted_in_normal_form() -> None:
    assert CharTokenizer.from_documents(["e\u0301"]).characters == "é"
    assert CharTokenizer.from_documents(["e\u0301"], normalize="none").characters == (
        "e\u0301"
    )
    assert CharTokenizer.from_documents(["ﬁ"], normalize="nfkc").characters == "fi"


def test_no_text_leaves_nothing_to_learn() -> None:
    with pytest.raises(TokenizerError, match="empty, so there is no vocabulary"):
        CharTokenizer.from_documents(["", ""])


def test_a_min_count_above_all_counts_names_the_highest_count() -> None:
    with pytest.raises(TokenizerError, match=r"occurs 3 times\. Lower --min-count"):
        CharTokenizer.from_documents(["aaab"], min_count=4)


# Encoding


@every_tokenizer
def test_ids_have_the_smallest_dtype(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("abab")
    assert ids.dtype == tokenizer.id_dtype
    assert tokenizer.id_dtype == (np.uint8 if tokenizer.vocab_size <= 256 else np.uint16)


@pytest.mark.parametrize(
    ("num_chars", "dtype"), [(256, np.uint8), (257, np.uint16), (65537, np.uint32)]
)
def test_dtype_grows_with_the_vocabulary(num_chars: int, dtype: Any) -> None:
    characters = "".join(map(chr, range(0x10000, 0x10000 + num_chars)))
    tokenizer = CharTokenizer(characters)
    assert tokenizer.id_dtype == dtype
    assert tokenizer.encode(characters[-1]).tolist() == [num_chars - 1]


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


def test_each_document_is_normalised_by_itself() -> None:
    ids = ByteTokenizer().encode_documents(["e", "\u0301"])
    assert bytes(ids.tolist()) == "e\u0301".encode()


def test_a_generator_of_documents_is_enough() -> None:
    assert len(CharTokenizer("a").encode_documents("a" for _ in range(3))) == 3


# Characters outside the vocabulary


def test_unknown_characters_are_named_with_their_code_points() -> None:
    with pytest.raises(TokenizerError) as caught:
        CharTokenizer("ab").encode("a€b\u200b€")
    message = str(caught.value)
    assert "not in the vocabulary: '€' (U+20AC), '\\u200b' (U+200B)." in message
    assert 'unknown="skip"' in message
    assert 'unknown="token"' not in message
    assert 'tokenizer="byte"' in message


def test_the_unknown_token_is_offered_where_there_is_one() -> None:
    with pytest.raises(TokenizerError, match='unknown="token"'):
        CharTokenizer("ab", unknown=True).encode("c")


def test_many_unknown_characters_are_counted() -> None:
    with pytest.raises(TokenizerError, match=r"'l' \(U\+006C\) and 3 more"):
        CharTokenizer("ab").encode("cdefghijklmno")


def test_unknown_characters_can_be_skipped_or_become_the_token() -> None:
    tokenizer = CharTokenizer("ab", unknown=True, end_of_document=True)
    assert tokenizer.encode("axb", unknown="skip").tolist() == [2, 3]
    assert tokenizer.encode("axb", unknown="token").tolist() == [2, 1, 3]
    assert tokenizer.encode_documents(["x", "a"], "skip").tolist() == [0, 0, 2, 0]


def test_token_without_an_unknown_token_is_an_error() -> None:
    with pytest.raises(TokenizerError, match="not in the vocabulary: 'x'"):
        CharTokenizer("ab").encode("axb", unknown="token")


@every_tokenizer
def test_a_misspelt_choice_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match="unknown='ignore' must be one of error,"):
        tokenizer.encode("a", unknown="ignore")


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


def test_unknown_character_next_to_the_end_mark_of_documents() -> None:
    last = chr(0x10FFFF)
    tokenizer = CharTokenizer("a", end_of_document=True)
    assert tokenizer.unknown_characters(last) == [last]
    assert CharTokenizer(last).encode(last).tolist() == [0]


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


@given(st.lists(st.integers(0, 258), max_size=40))
def test_streamed_bytes_equal_decoding_at_once(ids: list[int]) -> None:
    tokenizer = ByteTokenizer(end_of_document=True, labels=("x", "y"))
    assert streamed(tokenizer, ids) == tokenizer.decode(ids)


@given(st.lists(st.integers(0, 7), max_size=40))
def test_streamed_characters_equal_decoding_at_once(ids: list[int]) -> None:
    tokenizer = CharTokenizer("aé€𝄞", unknown=True, end_of_document=True, labels=("x", "y"))
    assert streamed(tokenizer, ids) == tokenizer.decode(ids)


def test_special_tokens_decode_to_nothing_and_to_the_replacement_character() -> None:
    tokenizer = CharTokenizer("ab", unknown=True, end_of_document=True)
    assert tokenizer.decode([0, 2, 1, 3, 0]) == "a\ufffdb"


def test_a_stream_shows_a_character_with_its_last_byte() -> None:
    decoder = ByteTokenizer().stream_decoder()
    assert [decoder.feed(i) for i in "𝄞a".encode()] == ["", "", "", "𝄞", "a"]


def test_an_unfinished_character_ends_with_its_document() -> None:
    tokenizer = ByteTokenizer(end_of_document=True)
    first, second, third = "€".encode()
    assert tokenizer.decode([first, 256, second, third]) == "\ufffd\ufffd\ufffd"
    decoder = tokenizer.stream_decoder()
    assert [decoder.feed(first), decoder.feed(256), decoder.feed(97)] == [
        "",
        "\ufffd",
        "a",
    ]


def test_flush_gives_up_on_half_a_character_and_starts_anew() -> None:
    decoder = ByteTokenizer().stream_decoder()
    decoder.feed(0xE2)
    assert decoder.flush() == "\ufffd"
    assert decoder.flush() == ""
    assert decoder.feed(97) == "a"


def test_two_streams_of_one_tokenizer_do_not_mix() -> None:
    tokenizer = ByteTokenizer()
    one, other = tokenizer.stream_decoder(), tokenizer.stream_decoder()
    one.feed(0xC3)
    assert other.feed(97) == "a"
    assert one.feed(0xA9) == "é"


@every_tokenizer
@pytest.mark.parametrize("id", [-1, 1000])
def test_an_id_outside_the_vocabulary_is_refused(tokenizer: Tokenizer, id: int) -> None:
    expected = rf"id {id} is outside the vocabulary \(ids 0 to "
    with pytest.raises(TokenizerError, match=expected):
        tokenizer.decode([0, id])
    with pytest.raises(TokenizerError, match=expected):
        tokenizer.stream_decoder().feed(id)
    with pytest.raises(TokenizerError, match=expected):
        tokenizer.symbol(id)


@every_tokenizer
def test_the_last_id_is_inside_and_the_next_is_not(tokenizer: Tokenizer) -> None:
    tokenizer.stream_decoder().feed(tokenizer.vocab_size - 1)
    tokenizer.decode([tokenizer.vocab_size - 1])
    with pytest.raises(TokenizerError, match="outside the vocabulary"):
        tokenizer.stream_decoder().feed(tokenizer.vocab_size)
    with pytest.raises(TokenizerError, match="outside the vocabulary"):
        tokenizer.decode([tokenizer.vocab_size])


@pytest.mark.parametrize("ids", [[0.5], [[0, 1]], [True], [2**70]])
def test_ids_are_a_flat_sequence_of_integers(ids: Any) -> None:
    with pytest.raises(TokenizerError, match="a flat sequence of integers"):
        CharTokenizer("ab").decode(ids)


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


def test_every_id_has_a_readable_symbol() -> None:
    tokenizer = CharTokenizer("\té", unknown=True, end_of_document=True)
    symbols = [tokenizer.symbol(i) for i in range(tokenizer.vocab_size)]
    assert symbols == ["<eod>", "<unk>", "'\\t'", "'é'"]


# Labels


def test_labels_come_after_the_special_tokens_and_before_the_characters() -> None:
    options: Any = {"end_of_document": True, "labels": ("x", "y")}
    tokenizer = CharTokenizer("ab", unknown=True, **options)
    assert (tokenizer.eod_id, tokenizer.unknown_id) == (0, 1)
    assert tokenizer.label_ids == (2, 3)
    assert tokenizer.encode("ab").tolist() == [4, 5]
    assert (tokenizer.num_special, tokenizer.vocab_size) == (4, 6)
    assert CharTokenizer("ab", **options).label_ids == (1, 2)


def test_labels_of_bytes_come_after_the_end_of_document() -> None:
    tokenizer = ByteTokenizer(end_of_document=True, labels=("x", "y"))
    assert tokenizer.eod_id == 256
    assert tokenizer.label_ids == (257, 258)
    assert tokenizer.vocab_size == 259


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
    known = f"{label!r} is not one of the 2 labels: 'glad', 'sad'. Did you mean "
    assert message.startswith(known)
    if label in ("sat", "Sad"):
        assert message.endswith("Did you mean 'sad'?")


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


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


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


def test_labels_are_gathered_sorted_and_in_normal_form() -> None:
    tokenizer = CharTokenizer.from_documents(
        ["a"], end_of_document=True, labels=iter(["y", "e\u0301", "x", "y", "é"])
    )
    assert tokenizer.labels == ("x", "y", "é")
    assert tokenizer.characters == "a"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["x"], r"labels=\['x'\] must be a tuple of strings"),
        ((1,), r"labels=\(1,\) must be a tuple of strings"),
        (("y", "x"), "label 'x' comes after 'y'. Sort the labels and list each one once"),
        (("x", "x"), "label 'x' comes after 'x'"),
        (("",), "label '' is empty, contains a lone surrogate"),
        (("a\ud800",), "lone surrogate"),
        (("e\u0301",), "not in the normal form 'nfc'"),
        (tuple(map(str, range(10**4, 2 * 10**4 + 1))), "10,001 different labels are more"),
    ],
)
def test_labels_of_nonsense_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        CharTokenizer("a", end_of_document=True, labels=labels)
    with pytest.raises(TokenizerError, match=message):
        ByteTokenizer(end_of_document=True, labels=labels)


def test_labels_need_an_end_of_document() -> None:
    expected = "so they need end_of_document=True"
    with pytest.raises(TokenizerError, match=expected):
        CharTokenizer("a", labels=("x",))
    with pytest.raises(TokenizerError, match=expected):
        ByteTokenizer(labels=("x",))
    with pytest.raises(TokenizerError, match=expected):
        CharTokenizer.from_documents(["a"], labels=["x"])


def test_ten_thousand_labels_are_allowed() -> None:
    labels = tuple(map(str, range(10**4, 2 * 10**4)))
    tokenizer = ByteTokenizer(end_of_document=True, labels=labels)
    assert tokenizer.label_id(labels[-1]) == tokenizer.vocab_size - 1 == 10_256


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


@pytest.mark.parametrize(
    ("characters", "message"),
    [
        ("", "vocabulary is empty"),
        ("aba", r"'a' \(U\+0061\) is in the vocabulary more than once"),
        ("a\ud800", r"'\\ud800' \(U\+D800\) is a lone surrogate"),
        (["a"], "must be a string, not list"),
    ],
)
def test_a_vocabulary_of_nonsense_is_refused(characters: Any, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        CharTokenizer(characters)


def test_an_unknown_normal_form_is_refused() -> None:
    with pytest.raises(TokenizerError, match="normalize='nfd' must be one of none, nfc"):
        CharTokenizer.from_documents(["a"], normalize="nfd")
    with pytest.raises(TokenizerError, match="normalize='nfd' must be one of none, nfc"):
        ByteTokenizer(normalize="nfd")


# Stored tokenizers


@every_tokenizer
def test_json_gives_the_same_tokenizer_back(tokenizer: Tokenizer) -> None:
    assert tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict()))) == tokenizer


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_json_keeps_every_character_in_its_place(text: str) -> None:
    tokenizer = CharTokenizer("".join(dict.fromkeys(text)))
    stored = json.loads(json.dumps(tokenizer.to_dict()))
    assert tokenizer_from_dict(stored) == tokenizer


def test_newer_format_is_refused_with_the_upgrade_command() -> None:
    data = {**ByteTokenizer().to_dict(), "format_version": 3, "merges": []}
    with pytest.raises(TokenizerError, match="pip install --upgrade keras-textgen"):
        tokenizer_from_dict(data)


DAMAGES: dict[str, tuple[dict[str, Any], str]] = {
    "version is text": ({"format_version": "1"}, "format_version='1' must be 2"),
    "version is true": ({"format_version": True}, "format_version=True must be 2"),
    "version is zero": ({"format_version": 0}, "format_version=0 must be 2"),
    "never released": ({"format_version": 1}, "format_version=1 must be 2"),
    "version is a float": ({"format_version": 2.0}, "format_version=2.0 must be 2"),
    "other kind": ({"kind": "bpe"}, "kind='bpe' must be 'char' or 'byte'"),
    "kind is a list": ({"kind": ["char"]}, "must be 'char' or 'byte'"),
    "one string": ({"characters": "ab"}, "must be a list of strings, not str"),
    "a number inside": ({"characters": ["a", 7]}, "entry 1 of characters is 7, not one"),
    "two code points": ({"characters": ["a", "e\u0301"]}, "entry 1 of characters is"),
    "empty string": ({"characters": [""]}, "entry 0 of characters is '', not one"),
    "empty vocabulary": ({"characters": []}, "vocabulary is empty"),
    "twice": ({"characters": ["a", "b", "a"]}, "more than once"),
    "surrogate": ({"characters": ["\udc80"]}, "lone surrogate"),
    "form": ({"normalize": "NFC"}, "normalize='NFC' must be one of"),
    "form is none": ({"normalize": None}, "normalize=None must be one of"),
    "form is a list": ({"normalize": ["nfc"]}, "must be one of"),
    "flag is a number": ({"unknown": 1}, "unknown=1 must be True or False"),
    "flag is text": ({"end_of_document": "no"}, "end_of_document='no' must be True"),
    "labels are text": ({"labels": "xy"}, "labels must be a list of strings, not str"),
    "labels are none": ({"labels": None}, "must be a list of strings, not NoneType"),
    "a label is a number": (
        {"labels": ["x", 7]},
        "damaged: entry 1 of labels is 7, not a string",
    ),
    "a label twice": (
        {"labels": ["x", "x"], "end_of_document": True},
        "label 'x' comes after 'x'. Sort the labels and list each one once",
    ),
    "labels not sorted": (
        {"labels": ["y", "x"], "end_of_document": True},
        "label 'x' comes after 'y'. Sort the labels and list each one once",
    ),
    "an empty label": ({"labels": [""], "end_of_document": True}, "label '' is empty"),
    "nowhere to put labels": ({"labels": ["x"]}, "need end_of_document=True"),
    "unknown key": ({"merges": []}, "unexpected 'merges'; expected format_version"),
}


@pytest.mark.parametrize(("change", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_tokenizer_says_what_is_wrong(
    change: dict[str, Any], message: str
) -> None:
    data = {**CharTokenizer("ab").to_dict(), **change}
    with pytest.raises(TokenizerError, match=message):
        tokenizer_from_dict(data)


@pytest.mark.parametrize("tokenizer", [CharTokenizer("ab"), ByteTokenizer()])
def test_each_missing_part_is_named(tokenizer: Tokenizer) -> None:
    whole = tokenizer.to_dict()
    for name in whole:
        data = copy.deepcopy(whole)
        del data[name]
        with pytest.raises(TokenizerError, match=name):
            tokenizer_from_dict(data)


@pytest.mark.parametrize("data", [None, [], "byte", 3])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(TokenizerError, match="expected a JSON object"):
        tokenizer_from_dict(data)


def test_a_byte_tokenizer_has_no_characters() -> None:
    with pytest.raises(TokenizerError, match="unexpected 'characters'"):
        tokenizer_from_dict({**ByteTokenizer().to_dict(), "characters": ["a"]})


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


def test_tiny_shakespeare_has_65_characters(shared_corpus: Find) -> None:
    text = shared_corpus("tinyshakespeare.txt").read_text(encoding="utf-8")
    tokenizer = CharTokenizer.from_documents([text])
    assert tokenizer.vocab_size == 65
    assert len(tokenizer.encode(text)) == 1_115_394


def test_names_begin_and_end_with_the_end_of_document(shared_corpus: Find) -> None:
    names = shared_corpus("names.txt").read_text(encoding="utf-8").split()
    tokenizer = CharTokenizer.from_documents(names, end_of_document=True)
    ids = tokenizer.encode_documents(names)
    assert tokenizer.vocab_size == 27
    assert np.count_nonzero(ids == tokenizer.eod_id) == len(names) + 1
    assert ids[0] == ids[-1] == tokenizer.eod_id
