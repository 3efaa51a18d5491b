"""Decoding in pieces against decoding at once."""

from __future__ import annotations

import codecs
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.errors import CorpusError
from textgen.text.reading.decoding import PieceDecoder, decode_pieces, decode_text

ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-7",
    "latin-1",
    "cp1252",
    "koi8-r",
    "shift_jis",
    "gb18030",
    "big5",
    "iso2022_jp",
)
every_encoding = pytest.mark.parametrize("encoding", ENCODINGS)
some_text = st.text(st.sampled_from("ab\r\n\ufeffé€漢😀\u0301 \u2028"), max_size=20)


def pieces_of(data: bytes, sizes: list[int]) -> list[bytes]:
    """`data` cut into pieces of these sizes, then single bytes."""
    pieces, at = [], 0
    for size in [*sizes, *([1] * len(data))]:
        pieces.append(data[at : at + size])
        at += size
    return pieces


def decoded(data: bytes, encoding: str, sizes: list[int]) -> tuple[str, tuple[str, ...]]:
    decoder = PieceDecoder(encoding, "a.txt")
    text = "".join(decoder.feed(piece) for piece in pieces_of(data, sizes))
    return text + decoder.flush(), decoder.quirks


def outcome(decode: Any, *arguments: Any) -> Any:
    """What comes out: text and quirks, or the message of the error."""
    try:
        return tuple(decode(*arguments))
    except CorpusError as error:
        return str(error)


@every_encoding
@given(text=some_text, sizes=st.lists(st.integers(0, 9), max_size=9))
def test_however_the_bytes_are_cut_the_text_is_that_of_the_whole(
    encoding: str, text: str, sizes: list[int]
) -> None:
    data = text.encode(encoding, "ignore")
    assert decoded(data, encoding, sizes) == tuple(decode_text(data, encoding, "a.txt"))


@every_encoding
@given(
    data=st.binary(max_size=12)
    | st.lists(st.sampled_from(b"ab\r\n\xef\xbb\xbf\xff\xfe\xc3\xa9\x80"), max_size=12).map(
        bytes
    ),
    sizes=st.lists(st.integers(0, 9), max_size=9),
)
def test_wrong_bytes_give_the_same_error_with_the_same_offset_and_line(
    encoding: str, data: bytes, sizes: list[int]
) -> None:
    if not encoding.startswith(("utf-16", "utf-32")):
        # A file with two faults may be refused for the one or the other.
        data = data.replace(b"\0", b"")
    expected = outcome(decode_text, data, encoding, "a.txt")
    assert outcome(decoded, data, encoding, sizes) == expected


def test_the_offset_and_the_line_count_from_the_start_of_the_file() -> None:
    data = b"one\ntwo\n" * 1000 + b"caf\xe9 x"
    with pytest.raises(CorpusError) as caught:
        list(decode_pieces([data[:4001], data[4001:]], "utf-8", "a.txt"))
    assert "a.txt: byte 0xe9 at offset 8003 (line 2001) is not utf-8." in str(caught.value)
    assert "--encoding latin-1, cp1252 or utf-16" in str(caught.value)


def test_text_before_a_wrong_byte_is_handed_over_first() -> None:
    pieces = decode_pieces([b"good text ", b"caf\xe9 x"], "utf-8", "a.txt")
    assert next(pieces) == "good text "
    with pytest.raises(CorpusError, match="offset 13"):
        next(pieces)


def test_a_character_cut_short_by_the_end_is_an_error() -> None:
    with pytest.raises(CorpusError, match=r"byte 0xc3 at offset 6 \(line 2\)"):
        list(decode_pieces([b"one\ntw", b"\xc3"], "utf-8", "a.txt"))


@pytest.mark.parametrize("cut", range(7))
def test_nul_bytes_are_binary_wherever_they_stand(cut: int) -> None:
    data = b"abcde\0f"
    with pytest.raises(CorpusError, match=r"binary.* NUL byte at offset 5\. If it is UTF"):
        list(decode_pieces([data[:cut], data[cut:]], "utf-8", "a.txt"))


@pytest.mark.parametrize(
    "start", [b"%PDF-1.7", b"{\\rtf1 ", b"PK\x03\x04..", b"\x1f\x8b\x08"]
)
def test_well_known_formats_are_named_also_byte_by_byte(start: bytes) -> None:
    expected = outcome(decode_text, start, "utf-8", "a.txt")
    assert "is not plain text: it looks like" in expected
    assert outcome(decoded, start, "utf-8", []) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_wide_file_says_what_it_is(encoding: str) -> None:
    data = "hello".encode(encoding)
    expected = outcome(decode_text, data, "latin-1", "a.txt")
    assert f"try --encoding {encoding}." in expected
    assert outcome(decoded, data, "latin-1", [9]) == expected


@pytest.mark.parametrize("sizes", [[], [6], [99]])
def test_only_one_mark_is_dropped_at_the_start(sizes: list[int]) -> None:
    data = codecs.BOM_UTF8 * 2 + b"a" + codecs.BOM_UTF8
    text, quirks = decoded(data, "utf-8", sizes)
    assert text == "\ufeffa\ufeff"
    assert quirks == ("began with a byte order mark; it was dropped",)


def test_a_codec_with_a_name_of_its_own_is_named_as_it_was_asked_for() -> None:
    with pytest.raises(
        CorpusError, match=r"byte 0x5c at offset 3 \(line 2\) is not unicode"
    ):
        list(decode_pieces([b"ab\n\\xi"], "unicode_escape", "a.tex"))


def test_standard_input_is_named_in_words() -> None:
    with pytest.raises(CorpusError, match="standard input: byte 0xff at offset 0"):
        list(decode_pieces([b"\xff"], "utf-8", "-"))
