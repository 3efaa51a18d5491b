"""Streamed decoding: the same text as decoding at once, as early as possible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.text.tokenizers.helpers import streamed
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer


@given(st.lists(st.integers(0, 258), max_size=40))
def test_streamed_bytes_equal_decoding_at_once(ids: list[int]) -> None:
    tokenizer = ByteTokenizer(end_of_document=True, labels=("x", "y"))
    assert streamed(tokenizer, ids) == tokenizer.decode(ids)


@given(st.lists(st.integers(0, 7), max_size=40))
def test_streamed_characters_equal_decoding_at_once(ids: list[int]) -> None:
    tokenizer = CharTokenizer("aé€𝄞", unknown=True, end_of_document=True, labels=("x", "y"))
    assert streamed(tokenizer, ids) == tokenizer.decode(ids)


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
