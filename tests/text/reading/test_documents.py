"""Reading in pieces against reading at once: text, normal form, documents."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tracemalloc
import unicodedata
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.config.text import TextConfig
from textgen.errors import ConfigError, CorpusError
from textgen.text.reading.corpus import cut_documents, normalize_text, read_corpus
from textgen.text.reading.documents import (
    Piece,
    cut_pieces,
    join_pieces,
    read_pieces,
    stream_documents,
)
from textgen.text.unicode.normal_form import PieceNormalizer, begins_anew, normalize_pieces

KINDS = ("whole", "lines", "paragraphs", "files")
every_kind = pytest.mark.parametrize("kind", KINDS)
# Letters, marks of several classes, jamo, syllables, vowel signs, compatibility forms.
TRICKY = (
    "eaK\u0301\u0323\u0327\u0344ᄀ\u1161\u11a8가각\u0bc6\u0bbeか\uff9e\u3099ﬁÅé\n \u037e"
)
tricky_pieces = st.lists(st.text(st.sampled_from(TRICKY), max_size=6), max_size=8)
layout = st.text(st.sampled_from("ab \n\n\t\u00a0"), max_size=30)


def assigned(character: str) -> bool:
    return unicodedata.category(character) not in ("Cn", "Co", "Cs")


def cut_at(text: str, places: Iterable[int]) -> list[str]:
    edges = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def documents_of(pieces: Iterable[Piece]) -> list[str]:
    return list(join_pieces(pieces))


# --- normal form ---


@pytest.mark.parametrize("form", ["none", "nfc", "nfkc"])
@given(pieces=tricky_pieces)
def test_the_normal_form_of_the_pieces_is_that_of_the_whole(
    form: str, pieces: list[str]
) -> None:
    found = list(normalize_pieces(pieces, form))
    assert "".join(found) == normalize_text("".join(pieces), form)
    assert all(found)


@pytest.mark.parametrize("form", ["nfc", "nfkc"])
@given(pieces=st.lists(st.text(max_size=4), max_size=6))
def test_it_is_so_for_any_text(form: str, pieces: list[str]) -> None:
    expected = normalize_text("".join(pieces), form)
    assert "".join(normalize_pieces(pieces, form)) == expected


@pytest.mark.parametrize("form", ["nfc", "nfkc"])
def test_no_character_that_begins_anew_ever_joins_the_one_before(form: str) -> None:
    # Every composition there is: what stands before the second half must not be cut off.
    everything = [c for c in map(chr, range(sys.maxunicode + 1)) if assigned(c)]
    pairs = [
        parts
        for parts in map(unicodedata.decomposition, everything)
        if len(parts.split()) == 2 and not parts.startswith("<")
    ]
    assert len(pairs) > 1000
    seconds = {chr(int(pair.split()[1], 16)) for pair in pairs}
    assert not any(begins_anew(second, form) for second in seconds)
    # And every character there is, after some to which much can happen.
    anew = [character for character in everything if begins_anew(character, form)]
    own = [normalize_text(character, form) for character in anew]
    for start in ("e", "a\u0323", "ᄀ", "가", "\u0bc6", "か", "\u1025", "q\u0327\u0301"):
        whole = normalize_text("\n".join(start + character for character in anew), form)
        alone = normalize_text(start, form)
        assert whole == "\n".join(alone + each for each in own)


def test_almost_every_character_begins_anew_so_that_little_is_held_back() -> None:
    ordinary = "aZ9 \n.,éñßжדא漢字かナ가각थक\u0e01😀—“"
    for form in ("nfc", "nfkc"):
        assert all(begins_anew(character, form) for character in ordinary)


def test_what_cannot_be_told_yet_waits_for_the_next_piece() -> None:
    normalizer = PieceNormalizer("nfc")
    assert normalizer.feed("ab") == "a"
    assert normalizer.feed("\u0323") == ""
    assert normalizer.feed("\u0307") == ""
    assert normalizer.feed("c") == "\u1e05\u0307"
    assert normalizer.flush() == "c"
    assert normalizer.flush() == ""


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ConfigError, match="normalize='nfd' must be one of none, nfc, nfkc"):
        PieceNormalizer("nfd")


# --- documents ---


@every_kind
@given(
    texts=st.lists(layout, min_size=1, max_size=3),
    places=st.lists(st.integers(0, 30), max_size=6),
)
def test_documents_of_pieces_are_those_of_the_whole(
    kind: str, texts: list[str], places: list[int]
) -> None:
    expected = list(cut_documents(texts, kind))
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
    found = list(join_pieces(cut_pieces([[*pieces, "a\n", *pieces, "\nb"]], kind)))
    assert found == [" " * 3000 + "a", "b"]


def test_another_kind_of_document_is_refused() -> None:
    with pytest.raises(ConfigError, match="documents='pages' must be one of whole, lines"):
        cut_pieces([], "pages")


# --- files ---


@every_kind
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_a_file_read_in_pieces_gives_the_documents_of_a_corpus(
    kind: str, size: int, tmp_path: Path
) -> None:
    text = "\ufeffcafe\u0301\r\n\r\n  \r\nsecond ﬁ\rline \u1100\u1161\u11a8\n\nthird"
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    config = TextConfig(documents=kind, normalize="nfkc")
    found = documents_of(stream_documents(path, config, piece_bytes=size))
    assert tuple(found) == read_corpus(path, config).documents


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two\n")
    names = [tmp_path / "a.txt", str(tmp_path / "b.txt")]
    assert documents_of(stream_documents(names)) == ["one\ntwo\n"]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_compressed_files_are_read_in_pieces(
    suffix: str, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    data = compress("né\r\n".encode() * 1000)
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(data)
    assert "".join(read_pieces(str(path), piece_bytes=100)) == "né\n" * 1000
    path.write_bytes(data[:-5])
    with pytest.raises(CorpusError, match="is damaged or cut short"):
        list(read_pieces(str(path), piece_bytes=100))
    path.write_bytes(b"no archive")
    with pytest.raises(CorpusError, match="is damaged or cut short"):
        list(read_pieces(str(path)))


def test_standard_input_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\r\nb")))
    assert list(read_pieces("-", piece_bytes=2)) == ["a\nb"]


def test_what_was_read_is_reported_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("né" * 5, encoding="utf-8")
    reported: list[int] = []
    list(stream_documents(path, piece_bytes=4, on_bytes=reported.append))
    assert reported == [4, 4, 4, 3]


def test_records_bring_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nSun.,glad\nRain.,sad\n")
    found = list(stream_documents(path, TextConfig(documents="records")))
    assert found == [Piece("Sun.", True, "glad"), Piece("Rain.", True, "sad")]


def test_a_missing_file_is_found_out_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nothing\.txt does not exist"):
        stream_documents(tmp_path / "nothing.txt")
    with pytest.raises(CorpusError, match="is a directory; one file is needed"):
        stream_documents(tmp_path)


@every_kind
def test_memory_does_not_grow_with_the_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def peak(num_lines: int) -> int:
        path.write_text("a line of some text é\n" * num_lines, encoding="utf-8")
        tracemalloc.start()
        for _ in stream_documents(path, TextConfig(documents=kind), piece_bytes=5000):
            pass
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(100)  # tables are made once
    assert peak(20_000) < peak(2_000) + 50_000
