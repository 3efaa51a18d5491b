"""Decoding is strict, and does not depend on how the bytes are cut into pieces."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.reading.helpers import message_of, write
from textgen.config.text import TextConfig
from textgen.errors import ConfigError, CorpusError
from textgen.text.reading.corpus import read_corpus
from textgen.text.reading.decoding import PieceDecoder, WrongByteError
from textgen.text.unicode.normal_form import normalize_text

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
    return text + decoder.flush(), decoder.changes


def outcome(data: bytes, encoding: str, sizes: list[int]) -> Any:
    """What comes out: text and changes, or the message of the error."""
    try:
        return decoded(data, encoding, sizes)
    except CorpusError as error:
        return str(error)


def decode_all(pieces: list[bytes], encoding: str) -> str:
    return "".join(PieceDecoder(encoding, "a.txt").decode(pieces))


@every_encoding
@given(text=some_text, sizes=st.lists(st.integers(0, 9), max_size=9))
def test_however_the_bytes_are_cut_the_text_is_that_of_the_whole(
    encoding: str, text: str, sizes: list[int]
) -> None:
    data = text.encode(encoding, "ignore")
    whole = data.decode(encoding).removeprefix("\ufeff")
    universal = io.IncrementalNewlineDecoder(None, translate=True).decode(whole, final=True)
    expected = decoded(data, encoding, [len(data)])
    assert expected[0] == universal
    assert decoded(data, encoding, sizes) == expected


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
        # Of two faults, the one that is met first is reported.
        data = data.replace(b"\0", b"")
    expected = outcome(data, encoding, [len(data)])
    assert outcome(data, encoding, sizes) == expected
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        # Some codecs count from behind the byte order mark.
        offset = error.start + len(data) - len(error.object)
        wrong = f"byte 0x{data[offset]:02x} at offset {offset} (line "
        assert wrong in expected or "is not plain text" in expected


def test_an_error_says_where_the_wrong_byte_is() -> None:
    decoder = PieceDecoder("utf-8", "a.txt")
    decoder.feed(b"one\ntwo\n")
    with pytest.raises(WrongByteError) as caught:
        decoder.feed(b"caf\xe9 x")
    error = caught.value
    assert (error.offset, error.line, error.byte) == (11, 3, 0xE9)
    with pytest.raises(WrongByteError) as caught:
        PieceDecoder("utf-8", "a.txt").feed(b"abcdef\0")
    error = caught.value
    assert (error.offset, error.line, error.byte) == (6, None, 0)


def test_the_offset_and_the_line_count_from_the_start_of_the_file() -> None:
    data = b"one\ntwo\n" * 1000 + b"caf\xe9 x"
    with pytest.raises(CorpusError) as caught:
        decode_all([data[:4001], data[4001:]], "utf-8")
    assert "a.txt: byte 0xe9 at offset 8003 (line 2001) is not utf-8." in str(caught.value)
    assert str(caught.value).endswith("It looks like cp1252. Add `encoding='cp1252'`.")


def test_text_before_a_wrong_byte_is_handed_over_first() -> None:
    pieces = PieceDecoder("utf-8", "a.txt").decode([b"good text ", b"caf\xe9 x"])
    assert next(pieces) == "good text "
    with pytest.raises(CorpusError, match="offset 13"):
        next(pieces)


def test_a_character_cut_short_by_the_end_is_an_error() -> None:
    with pytest.raises(CorpusError, match=r"byte 0xc3 at offset 6 \(line 2\)"):
        decode_all([b"one\ntw", b"\xc3"], "utf-8")


@pytest.mark.parametrize("cut", range(7))
def test_nul_bytes_are_binary_wherever_they_stand(cut: int) -> None:
    data = b"abcde\0f"
    with pytest.raises(CorpusError, match=r"NUL byte at offset 5\. Delete its NUL bytes"):
        decode_all([data[:cut], data[cut:]], "utf-8")


@pytest.mark.parametrize(
    "start", [b"%PDF-1.7", b"{\\rtf1 ", b"PK\x03\x04..", b"\x1f\x8b\x08"]
)
def test_well_known_formats_are_named_also_byte_by_byte(start: bytes) -> None:
    expected = outcome(start, "utf-8", [len(start)])
    assert "is not plain text: it looks like" in expected
    assert outcome(start, "utf-8", []) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_wide_file_says_what_it_is(encoding: str) -> None:
    data = "hello".encode(encoding)
    for sizes in ([len(data)], [9], []):
        with pytest.raises(CorpusError) as caught:
            decode_all(pieces_of(data, sizes), "latin-1")
        assert str(caught.value).endswith(
            f"It looks like {encoding}: it starts with the byte order mark of {encoding}. "
            f"Use `encoding={encoding!r}`."
        )


@pytest.mark.parametrize("sizes", [[], [6], [99]])
def test_only_one_mark_is_dropped_at_the_start(sizes: list[int]) -> None:
    data = codecs.BOM_UTF8 * 2 + b"a" + codecs.BOM_UTF8
    text, changes = decoded(data, "utf-8", sizes)
    assert text == "\ufeffa\ufeff"
    assert changes == ("began with a byte order mark; it was dropped",)


def test_a_codec_with_a_name_of_its_own_is_named_as_it_was_asked_for() -> None:
    with pytest.raises(
        CorpusError, match=r"byte 0x5c at offset 3 \(line 2\) is not unicode"
    ):
        decode_all([b"ab\n\\xi"], "unicode_escape")


def test_a_wrong_byte_is_named_with_its_offset_and_line(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": b"one\ntwo\ncaf\xe9 x"})
    message = message_of(tmp_path / "a.txt")
    assert "a.txt: byte 0xe9 at offset 11 (line 3) is not utf-8." in message
    assert message.endswith("It looks like cp1252. Add `encoding='cp1252'`.")


def test_the_offset_counts_the_byte_order_mark(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": codecs.BOM_UTF8 + b"ab\xff"})
    for encoding in ("utf-8", "utf-8-sig"):
        assert "byte 0xff at offset 5" in message_of(tmp_path / "a.txt", encoding=encoding)


def test_the_encoding_in_use_is_not_offered_again(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": b"ab\x81" + bytes(range(1, 256)) * 9})
    message = message_of(tmp_path / "a.txt", encoding="windows-1252")
    assert "byte 0x81 at offset 2 (line 1) is not windows-1252" in message
    assert "`encoding`: utf-8, latin-1 or utf-16" in message


def test_half_a_utf_16_character_is_a_wrong_byte(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "a\nb".encode("utf-16") + b"x"})
    message = message_of(tmp_path / "a.txt", encoding="utf-16")
    assert "byte 0x78 at offset 8 (line 2)" in message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("used", ["utf-8", "latin-1"])
def test_a_wide_file_read_in_a_narrow_encoding_says_what_it_is(
    tmp_path: Path, encoding: str, used: str
) -> None:
    write(tmp_path, {"a.txt": "hello".encode(encoding)})
    message = message_of(tmp_path / "a.txt", encoding=used)
    assert f"it starts with the byte order mark of {encoding}." in message
    assert message.endswith(f" `encoding={encoding!r}`.")


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf_32_le"]
)
def test_wide_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, {"a.txt": "né\r\n€".encode(encoding)})
    corpus = read_corpus(tmp_path / "a.txt", TextConfig(encoding=encoding))
    assert corpus.documents == ("né\n€",)


def test_nul_bytes_are_binary(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": b"ab\0cd"})
    message = message_of(tmp_path / "a.txt")
    assert "a.txt is not utf-8: it has a NUL byte at offset 2." in message
    assert message.endswith("Delete its NUL bytes.")


def test_data_that_are_no_text_are_binary(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": b"\0\1\2\xff\xfe" * 30})
    assert message_of(tmp_path / "a.txt").endswith(
        "It is binary: name a file with text in it."
    )


@pytest.mark.parametrize("size", [700, 40_000, 999_999])
def test_the_guess_does_not_depend_on_how_the_bytes_are_cut(size: int) -> None:
    good = "Лёд и мёд.\n".encode("cp1251") * 30
    data = b"plain\n" * 9000 + good
    with pytest.raises(WrongByteError) as caught:
        decode_all([data[i : i + size] for i in range(0, len(data), size)], "utf-8")
    assert str(caught.value).endswith("It looks like cp1251. Add `encoding='cp1251'`.")


def test_one_wrong_byte_in_much_utf_8_is_damage() -> None:
    with pytest.raises(CorpusError, match="is UTF-8, but damaged there: fix or delete"):
        decode_all(["é".encode() * 30 + b"\xff"], "utf-8")


def test_what_cannot_be_read_after_a_wrong_byte_does_not_matter() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"caf\xe9 noir"
        raise CorpusError("damaged archive")

    with pytest.raises(CorpusError, match="Add `encoding='cp1252'`"):
        list(PieceDecoder("utf-8", "a.txt").decode(pieces()))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7\n", "a PDF document"),
        (b"{\\rtf1 hello}", "an RTF document"),
        (b"PK\x03\x04....", "a docx, odt, epub"),
        (gzip.compress(b"x", mtime=0), "gzip data. Give it a name that ends in .gz."),
    ],
)
def test_well_known_formats_are_named(tmp_path: Path, data: bytes, what: str) -> None:
    write(tmp_path, {"a.txt": data})
    assert f"is not plain text: it looks like {what}" in message_of(tmp_path / "a.txt")


@pytest.mark.parametrize("encoding", ["hex", "rot13"])
def test_a_codec_that_gives_no_text_is_refused_at_once(encoding: str) -> None:
    with pytest.raises(ConfigError, match=f"{encoding}.* is not a text encoding"):
        TextConfig(encoding=encoding)


def test_a_byte_order_mark_is_dropped_and_noted(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": codecs.BOM_UTF8 + b"a\n", "b.txt": codecs.BOM_UTF8 + b"b"})
    corpus = read_corpus(tmp_path)
    assert corpus.documents == ("a\nb",)
    assert corpus.notes == ("2 files began with a byte order mark; it was dropped.",)


def test_only_a_mark_at_the_start_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "a\ufeffb"})
    assert read_corpus(tmp_path).documents == ("a\ufeffb",)


def test_line_endings_become_lf_and_are_noted_once(tmp_path: Path) -> None:
    texts = ("1\r\n2\r\n", "3\r\n\r\n4\r\n", "5\r6", "7\n")
    write(tmp_path, {f"{number}.txt": text for number, text in enumerate(texts)})
    corpus = read_corpus(tmp_path)
    assert corpus.documents == ("1\n2\n3\n\n4\n5\n6\n7\n",)
    assert corpus.notes == (
        "2 files had CRLF line endings; they were read as LF.",
        "1 file had lone CR line endings; they were read as LF.",
    )


@given(st.text(st.sampled_from("ab\r\n\u2028\x0c"), max_size=30))
def test_no_carriage_return_is_left_and_nothing_else_is_lost(text: str) -> None:
    decoded = "".join(PieceDecoder("utf-8", "a.txt").decode([text.encode()]))
    universal = io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8", newline=None)
    assert decoded == universal.read()


def test_text_is_normalised(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "e\u0301 ﬁ"})
    for form, expected in (("nfc", "é ﬁ"), ("nfkc", "é fi"), ("none", "e\u0301 ﬁ")):
        assert read_corpus(tmp_path, TextConfig(normalize=form)).documents == (expected,)
        assert normalize_text("e\u0301 ﬁ", form) == expected
