"""Files to documents: everything found, nothing guessed, every fault named."""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import io
import lzma
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.config.text import TextConfig
from textgen.errors import ConfigError, CorpusError
from textgen.text.encoded.splitting import split
from textgen.text.reading import sources as sources_module
from textgen.text.reading.corpus import Corpus, read_corpus, read_text
from textgen.text.reading.decoding import PieceDecoder
from textgen.text.reading.documents import cut_pieces, join_pieces
from textgen.text.reading.sources import Source
from textgen.text.unicode.normal_form import normalize_text

Find = Callable[[str], Path]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
every_packer = pytest.mark.parametrize("suffix", PACKERS)


def write(folder: Path, texts: dict[str, str | bytes]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)


def message_of(paths: Any, **options: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        read_corpus(paths, TextConfig(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def corpus_of(*documents: str, kind: str = "lines") -> Corpus:
    return Corpus(documents, kind, (), ())


def cut(texts: list[str], kind: str) -> list[str]:
    documents = join_pieces(cut_pieces([[text] for text in texts], kind))
    return [document.text for document in documents]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def feed(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return feed


# Which files are read


def test_one_file_is_one_text(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "hello\n"})
    for path in (tmp_path / "a.txt", str(tmp_path / "a.txt"), [tmp_path / "a.txt"]):
        corpus = read_corpus(path)
        assert corpus.documents == ("hello\n",)
        assert corpus.kind == "whole"
        assert corpus.sources == ((str(tmp_path / "a.txt"), 6),)
        assert corpus.notes == ()


def test_several_files_keep_the_order_given(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A\n", "b.txt": "B\n"})
    corpus = read_corpus([tmp_path / "b.txt", tmp_path / "a.txt"])
    assert corpus.documents == ("B\nA\n",)


def test_a_directory_is_read_with_all_below_it_in_sorted_order(tmp_path: Path) -> None:
    write(tmp_path, {"c.txt": "C", "a/z.txt": "Z", "a/b.txt": "B", "a/x.md": "no"})
    corpus = read_corpus(tmp_path, TextConfig(documents="files"))
    assert corpus.documents == ("B", "Z", "C")


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A", ".b.txt": "no", ".git/c.txt": "no"})
    assert (tmp_path / ".b.txt").exists()
    assert (tmp_path / ".git" / "c.txt").exists()
    assert read_corpus(tmp_path).documents == ("A",)


def test_a_hidden_folder_that_is_named_is_read(tmp_path: Path) -> None:
    write(tmp_path, {".notes/c.txt": "C"})
    assert read_corpus(tmp_path / ".notes").documents == ("C",)


@pytest.mark.parametrize("glob", ["*.md", "**/*.md", "below/*.md", "?.md*"])
def test_the_glob_chooses_files_of_a_directory(tmp_path: Path, glob: str) -> None:
    write(tmp_path, {"below/a.md": "A", "below/b.txt": "B"})
    assert read_corpus(tmp_path, TextConfig(glob=glob)).documents == ("A",)


def test_a_glob_with_folders_finds_files_at_the_top_too(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "A"})
    assert read_corpus(tmp_path, TextConfig(glob="**/*.md")).documents == ("A",)


def test_a_pattern_that_the_shell_left_alone_is_followed(tmp_path: Path) -> None:
    write(tmp_path, {"b.md": "B\n", "a.md": "A\n", "c.txt": "C\n"})
    assert read_corpus(f"{tmp_path}/*.md").documents == ("A\nB\n",)
    assert read_corpus(tmp_path / "[bc].*").documents == ("B\nC\n",)


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("one")
    (tmp_path / "a1.txt").write_text("other")
    assert read_corpus(tmp_path / "a[1].txt").documents == ("one",)


def test_a_pattern_without_files_is_an_error(tmp_path: Path) -> None:
    assert message_of(f"{tmp_path}/*.md").startswith(f"no file matches '{tmp_path}/*.md'")


def test_a_file_named_twice_is_read_once_and_noted(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A", "b.txt": "B"})
    corpus = read_corpus([tmp_path, tmp_path / "a.txt"], TextConfig(documents="files"))
    assert corpus.documents == ("A", "B")
    assert corpus.notes == (f"{tmp_path}/a.txt: named more than once, but read once.",)


def test_a_file_and_a_link_to_it_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A"})
    (tmp_path / "b.txt").symlink_to(tmp_path / "a.txt")
    corpus = read_corpus(tmp_path)
    assert corpus.documents == ("A",)
    assert len(corpus.notes) == 1


def test_a_missing_file_offers_near_names(tmp_path: Path) -> None:
    write(tmp_path, {"shakespeare.txt": "x"})
    message = message_of(tmp_path / "shakespear.txt")
    assert "shakespear.txt does not exist. Did you mean " in message
    assert f"{tmp_path}/shakespeare.txt?" in message


def test_a_missing_file_without_near_names_only_says_so(tmp_path: Path) -> None:
    assert message_of(tmp_path / "qqq") == f"{tmp_path}/qqq does not exist. Check the path."


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    message = message_of(tmp_path / "none" / "a.txt")
    assert f"nor does the directory {tmp_path}/none" in message


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", ""])
def test_impossible_names_are_missing_files(name: str) -> None:
    assert "does not exist" in message_of(name)


def test_no_path_at_all_is_an_error() -> None:
    assert message_of([]).startswith("no text was named.")


def test_a_directory_without_matches_says_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "x", "b.md": "x", "c.rst": "x", "z": "x"})
    message = message_of(tmp_path)
    assert "no file that matches '*.txt', only *.md (2), *.rst (1), z (1)." in message
    assert "--glob '*.md'" in message


def test_an_empty_directory_says_so(tmp_path: Path) -> None:
    write(tmp_path, {".hidden.txt": "x"})
    assert f"{tmp_path} contains no files" in message_of(tmp_path)


def test_standard_input_is_read_as_bytes(stdin: Callable[[bytes], None]) -> None:
    stdin("caf\u00e9\r\n".encode("latin-1"))
    corpus = read_corpus("-", TextConfig(encoding="latin-1"))
    assert corpus.documents == ("café\n",)
    assert corpus.sources == (("standard input", 5),)


def test_standard_input_is_read_once(
    stdin: Callable[[bytes], None], tmp_path: Path
) -> None:
    stdin(b"in\n")
    write(tmp_path, {"a.txt": "file"})
    corpus = read_corpus(["-", tmp_path / "a.txt", Path("-")])
    assert corpus.documents == ("in\nfile",)
    assert corpus.notes == ("standard input: named more than once, but read once.",)


def test_standard_input_stays_open(stdin: Callable[[bytes], None]) -> None:
    stdin(b"in")
    read_corpus("-")
    assert not sys.stdin.buffer.closed


def test_a_wrong_byte_of_standard_input_names_it(stdin: Callable[[bytes], None]) -> None:
    stdin(b"\xff")
    assert message_of("-").startswith("standard input: byte 0xff at offset 0")


# Compressed files


@every_packer
def test_compressed_files_are_read_by_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACKERS[suffix]("né\r\n".encode()))
    assert read_corpus(path).documents == ("né\n",)
    assert read_text(path) == "né\n"
    assert read_corpus(tmp_path).documents == ("né\n",)


def test_a_directory_holds_plain_and_compressed_text(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt.GZ": gzip.compress(b"A"), "b.txt": "B", "c.md.gz": b"no"})
    corpus = read_corpus(tmp_path, TextConfig(documents="files"))
    assert corpus.documents == ("A", "B")


@every_packer
def test_a_truncated_compressed_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACKERS[suffix](os.urandom(500))[:-20])
    message = message_of(path)
    assert f"a.txt{suffix} is damaged or cut short and cannot be decompressed" in message


@every_packer
@pytest.mark.parametrize("data", [b"this is no archive", b"\x1f\x8b\x08\x00 broken"])
def test_what_is_no_archive_is_an_error(tmp_path: Path, suffix: str, data: bytes) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(data)
    assert "is damaged or cut short" in message_of(path)


@every_packer
def test_a_changed_byte_inside_an_archive_is_an_error(tmp_path: Path, suffix: str) -> None:
    data = bytearray(PACKERS[suffix](b"some words of text. " * 40))
    data[len(data) // 2] ^= 0x55
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(bytes(data))
    assert "is damaged or cut short" in message_of(path)


@every_packer
def test_the_offset_of_a_wrong_byte_counts_decompressed_bytes(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACKERS[suffix](b"a" * 5000 + b"\xe9"))
    assert "byte 0xe9 at offset 5000 (line 1)" in message_of(path)


# Files that cannot be read


def test_an_unreadable_file_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Source) -> Any:
        raise PermissionError(13, "Permission denied", source.path)

    write(tmp_path, {"a.txt": "x"})
    monkeypatch.setattr(sources_module, "open_source", refuse)
    assert "a.txt cannot be read: Permission denied." in message_of(tmp_path)


def test_an_unreadable_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_folder = os.scandir

    def refuse(folder: str) -> Any:
        if str(folder).endswith("below"):
            raise PermissionError(13, "Permission denied", folder)
        return list_folder(folder)

    write(tmp_path, {"a.txt": "x", "below/b.txt": "x"})
    monkeypatch.setattr(os, "scandir", refuse)
    assert "below cannot be read: Permission denied" in message_of(tmp_path)


def test_a_broken_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "gone.txt")
    assert "a.txt cannot be read: No such file" in message_of(tmp_path)


# Decoding


def test_a_wrong_byte_is_named_with_its_offset_and_line(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": b"one\ntwo\ncaf\xe9 x"})
    message = message_of(tmp_path / "a.txt")
    assert "a.txt: byte 0xe9 at offset 11 (line 3) is not utf-8." in message
    assert "--encoding latin-1, cp1252 or utf-16" in message


def test_the_offset_counts_the_byte_order_mark(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": codecs.BOM_UTF8 + b"ab\xff"})
    for encoding in ("utf-8", "utf-8-sig"):
        assert "byte 0xff at offset 5" in message_of(tmp_path / "a.txt", encoding=encoding)


def test_the_encoding_in_use_is_not_offered_again(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": b"ab\x81"})
    message = message_of(tmp_path / "a.txt", encoding="windows-1252")
    assert "byte 0x81 at offset 2 (line 1) is not windows-1252" in message
    assert "--encoding utf-8, latin-1 or utf-16" in message


def test_half_a_utf_16_character_is_a_wrong_byte(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "a\nb".encode("utf-16") + b"x"})
    message = message_of(tmp_path / "a.txt", encoding="utf-16")
    assert "byte 0x78 at offset 8 (line 2)" in message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("used", ["utf-8", "latin-1"])
def test_a_wide_file_says_what_it_is(tmp_path: Path, encoding: str, used: str) -> None:
    write(tmp_path, {"a.txt": "hello".encode(encoding)})
    message = message_of(tmp_path / "a.txt", encoding=used)
    mark = encoding.upper()
    assert f"starts with a {mark} byte order mark: try --encoding {encoding}." in message


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
    assert "a.txt is binary, not text: it has a NUL byte at offset 2." in message
    assert "--encoding utf-16" in message


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


# Empty and blank files


def test_an_empty_file_alone_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": ""})
    assert message_of(tmp_path / "a.txt").startswith(f"{tmp_path}/a.txt is empty.")


@pytest.mark.parametrize("kind", ["whole", "lines", "paragraphs", "files"])
def test_nothing_but_whitespace_is_an_error(tmp_path: Path, kind: str) -> None:
    write(tmp_path, {"a.txt": " \n\t\r\n\u00a0"})
    message = message_of(tmp_path / "a.txt", documents=kind)
    assert "a.txt contains only whitespace." in message


def test_an_empty_file_among_others_is_noted(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A", "b.txt": "", "c.txt": "  \n", "d.txt": "D"})
    corpus = read_corpus(tmp_path)
    assert corpus.documents == ("A\nD",)
    assert corpus.notes == ("2 files held no text and added nothing.",)
    assert [Path(name).name for name, _ in corpus.sources] == ["a.txt", "d.txt"]


def test_many_files_without_text_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "", "b.txt": "", "c.txt": "", "d.txt": ""})
    message = message_of(tmp_path)
    assert "none of these 4 files contains text" in message
    assert "c.txt and 1 more" in message


# Documents


def test_a_newline_stands_between_files_that_lack_one() -> None:
    assert cut(["a", "b\n", "c"], "whole") == ["a\nb\nc"]


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


def test_counts_are_of_the_documents() -> None:
    corpus = corpus_of("ab", "c€")
    assert (corpus.num_documents, corpus.num_chars) == (2, 4)


# Fingerprint


def test_equal_documents_have_equal_fingerprints_wherever_they_lie(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "é\n", "b.md": "e\u0301\r\n"})
    one, other = read_corpus(tmp_path / "a.txt"), read_corpus(tmp_path / "b.md")
    assert one.sha256 == other.sha256
    assert len(one.sha256) == 64


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_different_documents_have_different_fingerprints(
    one: list[str], other: list[str]
) -> None:
    same = corpus_of(*one).sha256 == corpus_of(*other).sha256
    assert same == (one == other)


def test_the_fingerprint_knows_where_documents_end() -> None:
    cuts = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc")]
    assert len({corpus_of(*documents).sha256 for documents in cuts}) == len(cuts)


def test_without_labels_the_fingerprint_is_that_of_the_documents_alone() -> None:
    # What runs from before there were labels have stored.
    ended = b"ab\xffc\xff"
    assert corpus_of("ab", "c").sha256 == hashlib.sha256(ended).hexdigest()


def test_labels_are_part_of_the_fingerprint() -> None:
    labels = [None, ("x", "y"), ("y", "x"), ("xy", ""), ("", "xy"), ("x", "z")]
    corpora = [Corpus(("a", "b"), "records", (), (), each) for each in labels]
    assert len({corpus.sha256 for corpus in corpora}) == len(labels)
    assert corpora[1].sha256 == Corpus(("a", "b"), "records", (), (), ("x", "y")).sha256


# Records


def test_records_are_documents_with_labels(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": 'text,label\n"A,\na",x\nB,y\n', "b.txt": "no"})
    corpus = read_corpus(tmp_path / "a.csv", TextConfig(documents="records"))
    assert corpus.documents == ("A,\na", "B")
    assert corpus.labels == ("x", "y")
    assert corpus.kind == "records"
    assert corpus.sources == ((str(tmp_path / "a.csv"), 5),)
    assert corpus.notes == ()


def test_records_may_have_no_labels(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": '{"text": "A"}\n{"text": "B", "label": null}\n'})
    corpus = read_corpus(tmp_path / "a.jsonl", TextConfig(documents="records"))
    assert (corpus.documents, corpus.labels) == (("A", "B"), None)


def test_other_documents_have_no_labels(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "A\nB\n"})
    assert read_corpus(tmp_path, TextConfig(documents="lines")).labels is None


def test_a_directory_gives_the_records_of_all_its_files(tmp_path: Path) -> None:
    texts: dict[str, str | bytes] = {
        "a.csv": "text\nA\n",
        "b.tsv": "text\nB\n",
        "c.jsonl": '{"text": "C"}',
        "d.ndjson": '{"text": "D"}',
        "e.csv.gz": gzip.compress(b"text\nE\n"),
        "f.txt": "text\nno\n",
    }
    write(tmp_path, texts)
    corpus = read_corpus(tmp_path, TextConfig(documents="records"))
    assert corpus.documents == ("A", "B", "C", "D", "E")


def test_a_changed_glob_chooses_among_files_of_records(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "text\nA\n", "b.tsv": "text\nB\n"})
    config = TextConfig(documents="records", glob="*.tsv")
    assert read_corpus(tmp_path, config).documents == ("B",)


def test_a_directory_without_records_names_the_endings(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "x"})
    message = message_of(tmp_path, documents="records")
    wanted = "'*.csv' or '*.tsv' or '*.jsonl' or '*.ndjson'"
    assert f"no file that matches {wanted}, only *.txt (1)." in message


def test_standard_input_has_json_lines(stdin: Callable[[bytes], None]) -> None:
    stdin(b'{"text": "A", "label": "x"}\r\n{"text": "B", "label": "y"}')
    corpus = read_corpus("-", TextConfig(documents="records"))
    assert (corpus.documents, corpus.labels) == (("A", "B"), ("x", "y"))
    assert corpus.sources == (("standard input", 2),)


def test_records_without_text_are_left_out_and_counted(tmp_path: Path) -> None:
    texts = ('{"text": " \\n"}\n{"text": "A"}\n', '{"text": ""}\n')
    write(tmp_path, {f"{number}.jsonl": text for number, text in enumerate(texts)})
    corpus = read_corpus(tmp_path, TextConfig(documents="records"))
    assert corpus.documents == ("A",)
    assert corpus.notes == (
        "1 file held no text and added nothing.",
        "2 records without text left out.",
    )


def test_columns_that_are_not_read_are_noted(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "id,text\n1,A\n", "b.jsonl": '{"text": "B", "tag": 3}'})
    corpus = read_corpus(tmp_path, TextConfig(documents="records"))
    assert corpus.notes == ("Only text and label of records are read, not 'id', 'tag'.",)


def test_crlf_between_records_is_nothing_to_note(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": codecs.BOM_UTF8 + b"text\r\nA\r\n"})
    corpus = read_corpus(tmp_path / "a.csv", TextConfig(documents="records"))
    assert corpus.documents == ("A",)
    assert corpus.notes == ("1 file began with a byte order mark; it was dropped.",)


@pytest.mark.parametrize("text", ["", "text,label\n", "text\n \n"])
def test_no_record_with_text_is_an_error(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"a.csv": text})
    message = message_of(tmp_path, documents="records")
    assert message == f"{tmp_path}/a.csv: no record contains text. Add some."


def test_labels_in_one_file_and_none_in_another_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "text,label\nA,x\n", "b.csv": "text\nB\n"})
    message = message_of(tmp_path, documents="records")
    assert f"b.csv: the record in line 2 has no label, but {tmp_path}/a.csv:" in message


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.jsonl", "a.ndjson"])
def test_records_read_as_plain_text_are_noted(tmp_path: Path, name: str) -> None:
    data = gzip.compress(b"A,x") if name.endswith(".gz") else b"A,x"
    write(tmp_path, {name: data, "b.txt": "B"})
    corpus = read_corpus([tmp_path / name, tmp_path / "b.txt"])
    assert corpus.documents == ("A,x\nB",)
    assert corpus.notes == (
        f"{tmp_path}/{name}: read as plain text, including the names and punctuation of "
        "its columns. To train on the text of its records, use --documents records.",
    )


def test_as_many_labels_as_documents() -> None:
    with pytest.raises(CorpusError, match="1 labels do not fit 2 documents"):
        Corpus(("a", "b"), "records", (), (), ("x",))


def test_the_text_of_a_record_is_not_cut(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": '{"text": "a\\n\\nb"}'})
    corpus = read_corpus(tmp_path, TextConfig(documents="records"))
    assert corpus.documents == ("a\n\nb",)


# One file alone


def test_read_text_gives_a_prompt_as_it_stands(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": codecs.BOM_UTF8 + "cafe\u0301\r\n ".encode()})
    assert read_text(tmp_path / "a.txt") == "café\n "


def test_read_text_allows_an_empty_file(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": ""})
    assert read_text(tmp_path / "a.txt") == ""


def test_read_text_reads_standard_input(stdin: Callable[[bytes], None]) -> None:
    stdin(b"It was ")
    assert read_text("-") == "It was "


def test_read_text_refuses_what_is_not_one_file(tmp_path: Path) -> None:
    write(tmp_path, {"prompt.txt": "x"})
    with pytest.raises(CorpusError, match="is a directory; one file is needed"):
        read_text(tmp_path)
    with pytest.raises(CorpusError, match=r"Did you mean .*prompt\.txt"):
        read_text(tmp_path / "promt.txt")


# Splitting


@given(
    st.text(min_size=40, max_size=200),
    st.floats(0.05, 0.4),
    st.one_of(st.just(0.0), st.floats(0.05, 0.4)),
)
def test_one_text_is_cut_into_parts_that_follow_each_other(
    text: str, val: float, test: float
) -> None:
    config = TextConfig(val_fraction=val, test_fraction=test)
    parts = split(corpus_of(text, kind="whole"), config, seed=0)
    assert "".join(parts.train + parts.val + parts.test) == text
    assert len(parts.train[0]) == int(len(text) * (1 - val - test))
    assert parts.val
    assert bool(parts.test) == (test > 0)
    if test:
        assert len(parts.test[0]) == len(text) - int(len(text) * (1 - test))


def test_the_test_part_is_the_very_end() -> None:
    config = TextConfig(val_fraction=0.2, test_fraction=0.1)
    parts = split(corpus_of("abcdefghij", kind="whole"), config, seed=0)
    assert tuple(parts) == (("abcdefg",), ("hi",), ("j",))


def test_a_text_too_short_to_cut_is_an_error() -> None:
    with pytest.raises(CorpusError, match=r"1 characters are too few .* 2 parts"):
        split(corpus_of("a", kind="whole"), TextConfig(), seed=0)
    config = TextConfig(test_fraction=0.1)
    with pytest.raises(CorpusError, match="raise --val-fraction and --test-fraction"):
        split(corpus_of("abc", kind="whole"), config, seed=0)


unique_documents = st.lists(
    st.text("ab", min_size=1, max_size=20), min_size=3, max_size=30
).map(lambda texts: tuple(f"{i}:{text}" for i, text in enumerate(texts)))


@given(
    unique_documents,
    st.floats(0.01, 0.6),
    st.one_of(st.just(0.0), st.floats(0.01, 0.35)),
    st.integers(0, 5),
)
def test_documents_are_shared_out_whole_and_in_order(
    documents: tuple[str, ...], val: float, test: float, seed: int
) -> None:
    config = TextConfig(val_fraction=val, test_fraction=test)
    parts = split(corpus_of(*documents), config, seed)
    assert sorted(parts.train + parts.val + parts.test) == sorted(documents)
    for part in parts:
        assert list(part) == sorted(part, key=documents.index)
    assert parts.train
    assert parts.val
    assert bool(parts.test) == (test > 0)


def test_validation_takes_documents_until_it_holds_its_share() -> None:
    documents = [f"{number:04}" for number in range(100)]
    config = TextConfig(val_fraction=0.105, test_fraction=0.05)
    parts = split(corpus_of(*documents), config, seed=3)
    assert [len(part) for part in parts] == [84, 11, 5]


def test_the_seed_decides_which_documents_are_held_back() -> None:
    corpus = corpus_of(*(f"{number:04}" for number in range(100)))
    config = TextConfig()
    assert split(corpus, config, seed=1) == split(corpus, config, seed=1)
    assert split(corpus, config, seed=1).val != split(corpus, config, seed=2).val


def test_a_long_document_does_not_take_the_last_one_from_training() -> None:
    for seed in range(8):
        parts = split(corpus_of("a", "b" * 1000), TextConfig(val_fraction=0.5), seed)
        assert (len(parts.train), len(parts.val)) == (1, 1)


def test_too_few_documents_name_the_ways_out() -> None:
    with pytest.raises(CorpusError) as caught:
        split(corpus_of("one", kind="files"), TextConfig(), seed=0)
    message = str(caught.value)
    assert "--documents files found 1 document, but" in message
    assert "at least 2" in message
    assert "use --documents whole" in message
    assert "--test-fraction" not in message


def test_a_test_part_needs_a_third_document() -> None:
    with pytest.raises(CorpusError, match=r"at least 3\. .* leave out --test-fraction"):
        split(corpus_of("one", "two"), TextConfig(test_fraction=0.1), seed=0)
    assert split(corpus_of("1", "2", "3"), TextConfig(test_fraction=0.1), seed=0).test


@given(unique_documents, st.integers(0, 5))
def test_each_document_keeps_its_label(documents: tuple[str, ...], seed: int) -> None:
    labels = tuple(f"label of {document}" for document in documents)
    config = TextConfig(val_fraction=0.3, test_fraction=0.3)
    labelled = split(Corpus(documents, "records", (), (), labels), config, seed)
    for part, its_labels in zip(labelled, labelled.labels, strict=True):
        assert its_labels == tuple(f"label of {document}" for document in part)
    # The same documents are drawn as without labels.
    plain = split(corpus_of(*documents), config, seed)
    assert tuple(labelled) == tuple(plain)
    assert plain.labels == (None, None, None)


def test_too_few_records_are_not_told_to_become_one_text() -> None:
    with pytest.raises(CorpusError, match=r"records found 1 document, .* Add records\.$"):
        split(corpus_of("one", kind="records"), TextConfig(), seed=0)


# Real texts


def test_names_are_32033_documents(shared_corpus: Find) -> None:
    corpus = read_corpus(shared_corpus("names.txt"), TextConfig(documents="lines"))
    assert corpus.num_documents == 32_033
    assert corpus.documents[0] == "emma"
    parts = split(corpus, TextConfig(documents="lines"), seed=0)
    held = sum(map(len, parts.val)) / corpus.num_chars
    assert 0.1 <= held < 0.1001


def test_tiny_shakespeare_is_cut_where_it_always_is(shared_corpus: Find) -> None:
    corpus = read_corpus(shared_corpus("tinyshakespeare.txt"))
    assert corpus.num_chars == 1_115_394
    parts = split(corpus, TextConfig(), seed=0)
    assert [sum(map(len, part)) for part in parts] == [1_003_854, 111_540, 0]


def test_every_real_text_is_read_as_one(shared_corpus: Find) -> None:
    folder = shared_corpus("names.txt").parent
    corpus = read_corpus(folder)
    assert len(corpus.sources) == len(list(folder.glob("*.txt")))
    assert corpus.num_documents == 1
    assert "\r" not in corpus.documents[0]
