"""Which files are read, in which order, and what is said of those that cannot be."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import textgen
from tests.text.reading.helpers import PACKERS, message_of, write
from textgen.config.text import TextConfig
from textgen.errors import ConfigError
from textgen.text.reading import sources as sources_module
from textgen.text.reading.corpus import read_corpus, read_text
from textgen.text.reading.sources import Source, find_sources

every_packer = pytest.mark.parametrize("suffix", PACKERS)


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


def test_a_common_suffix_makes_no_two_names_similar(tmp_path: Path) -> None:
    for name in ("tea.txt.gz", "no.txt", "poem.md"):
        (tmp_path / name).touch()
    assert message_of(tmp_path / "sea.txt").endswith(
        f"sea.txt does not exist. Did you mean {tmp_path}/tea.txt.gz?"
    )
    assert message_of(tmp_path / "ab.txt").endswith("does not exist. Check the path.")
    assert message_of(tmp_path / "poem.txt").endswith(f"Did you mean {tmp_path}/poem.md?")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    message = message_of(tmp_path / "none" / "a.txt")
    assert f"nor does the directory {tmp_path}/none" in message


def test_an_empty_name_is_a_missing_file() -> None:
    assert "does not exist" in message_of("")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800"])
def test_what_no_file_can_be_called_is_no_path(name: str) -> None:
    with pytest.raises(ConfigError, match=r"paths=.* is not a valid path: it contains a"):
        find_sources(name, "*.txt")


@pytest.mark.parametrize("text", ["so it goes. " * 30, "a/" * 3000], ids=["name", "path"])
def test_a_text_in_place_of_a_path_is_told_from_one(text: str) -> None:
    for call in (textgen.train, textgen.read_corpus):
        with pytest.raises(ConfigError, match=r"is too long for a path\. If it is a text"):
            call(text)


def test_no_path_at_all_is_an_error() -> None:
    assert message_of([]).startswith("no text was named.")


def test_a_directory_without_matches_says_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "x", "b.md": "x", "c.rst": "x", "z": "x"})
    message = message_of(tmp_path)
    assert "no file that matches '*.txt', only *.md (2), *.rst (1), z (1)." in message
    assert "`glob='*.md'`" in message


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
