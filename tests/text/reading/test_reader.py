"""The one reader: files to documents, in bounded memory, with an observer."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from textgen.config.text import TextConfig
from textgen.errors import CorpusError, TextgenError
from textgen.text.reading.corpus import read_corpus
from textgen.text.reading.decoding import HAD_CRLF
from textgen.text.reading.documents import Piece, join_pieces
from textgen.text.reading.file_stats import FileSummary
from textgen.text.reading.reader import CorpusReader, Observer
from textgen.text.reading.records import Record
from textgen.text.reading.sources import Source, single_source

KINDS = ("whole", "lines", "paragraphs", "files")
every_kind = pytest.mark.parametrize("kind", KINDS)
DEFAULTS = TextConfig()


def reader(path: str | Path, config: TextConfig = DEFAULTS, **options: Any) -> CorpusReader:
    return CorpusReader([Source(str(path))], config, **options)


def documents_of(pieces: Iterable[Piece]) -> list[str]:
    return [piece.text for piece in join_pieces(pieces)]


@every_kind
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_a_file_read_in_pieces_gives_the_documents_of_a_corpus(
    kind: str, size: int, tmp_path: Path
) -> None:
    text = "\ufeffcafe\u0301\r\n\r\n  \r\nsecond ﬁ\rline \u1100\u1161\u11a8\n\nthird"
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    config = TextConfig(documents=kind, normalize="nfkc")
    expected = {
        "whole": ["café\n\n  \nsecond fi\nline 각\n\nthird"],
        "lines": ["café", "second fi", "line 각", "third"],
        "paragraphs": ["café", "second fi\nline 각", "third"],
    }
    found = documents_of(reader(path, config, piece_bytes=size))
    assert found == expected.get(kind, expected["whole"])
    assert tuple(found) == read_corpus(path, config).documents


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two\n")
    sources = [Source(f"{tmp_path}/a.txt"), Source(f"{tmp_path}/b.txt")]
    assert documents_of(CorpusReader(sources)) == ["one\ntwo\n"]


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
    assert documents_of(reader(path, piece_bytes=100)) == ["né\n" * 1000]
    path.write_bytes(data[:-5])
    with pytest.raises(CorpusError, match="is damaged or cut short"):
        list(reader(path, piece_bytes=100))
    path.write_bytes(b"no archive")
    with pytest.raises(CorpusError, match="is damaged or cut short"):
        list(reader(path))


def test_standard_input_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\r\nb")))
    assert documents_of(reader("-", piece_bytes=2)) == ["a\nb"]


def test_what_was_read_is_reported_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("né" * 5, encoding="utf-8")
    reported: list[int] = []
    list(reader(path, on_bytes=reported.append, piece_bytes=4))
    assert reported == [4, 4, 4, 3]


def test_records_bring_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nSun.,glad\nRain.,sad\n")
    found = list(reader(path, TextConfig(documents="records")))
    assert found == [Piece("Sun.", True, "glad"), Piece("Rain.", True, "sad")]


def test_a_single_source_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nothing\.txt does not exist"):
        single_source(tmp_path / "nothing.txt")
    with pytest.raises(CorpusError, match="is a directory; one file is needed"):
        single_source(tmp_path)


@every_kind
def test_memory_does_not_grow_with_the_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def peak(num_lines: int) -> int:
        path.write_text("a line of some text é\n" * num_lines, encoding="utf-8")
        tracemalloc.start()
        for _ in reader(path, TextConfig(documents=kind), piece_bytes=5000):
            pass
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(100)  # tables are made once
    # Both are long enough for full buffers: with fewer lines they are still filling.
    assert peak(60_000) < peak(20_000) + 20_000


# --- blank files ---


def test_blank_files_are_an_error_unless_they_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text, message in (("", "is empty"), (" \n", "contains only whitespace")):
        path.write_text(text)
        with pytest.raises(CorpusError, match=message):
            list(reader(path))
        assert documents_of(reader(path, allow_blank=True)) == [text]


# --- observers ---


class Log(Observer):
    """Logs all calls, and continues after faults."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_file(self, source: Source) -> None:
        self.calls.append(("file", Path(source.name).name))

    def on_bytes(self, data: bytes) -> None:
        self.calls.append(("bytes", data))

    def on_text(self, text: str) -> None:
        self.calls.append(("text", text))

    def on_record(self, record: Record) -> None:
        self.calls.append(("record", *record))

    def on_end(self, file: FileSummary) -> None:
        self.calls.append(("end", file.changes, file.num_chars, file.has_text))

    def on_fault(self, error: TextgenError, source: Source | None) -> None:
        name = None if source is None else Path(source.name).name
        self.calls.append(("fault", name, str(error).rpartition("/")[2][:22]))


def observed(folder: Path, kind: str) -> tuple[list[tuple[Any, ...]], list[str]]:
    log = Log()
    sources = [Source(str(path)) for path in sorted(folder.iterdir())]
    config = TextConfig(documents=kind)
    documents = documents_of(CorpusReader(sources, config, observer=log))
    return log.calls, documents


def test_an_observer_is_given_bytes_and_text_before_the_normal_form(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_bytes("e\u0301\r\n".encode())
    calls, documents = observed(tmp_path, "files")
    assert documents == ["é\n"]
    assert calls == [
        ("file", "a.txt"),
        ("bytes", "e\u0301\r\n".encode()),
        ("text", "e\u0301\n"),
        ("end", (HAD_CRLF,), 2, True),
    ]


def test_an_observer_is_given_records_before_the_normal_form(tmp_path: Path) -> None:
    data = "text,label\ne\u0301,X\n".encode()
    (tmp_path / "a.csv").write_bytes(data)
    calls, documents = observed(tmp_path, "records")
    assert documents == ["é"]
    assert calls == [
        ("file", "a.csv"),
        ("bytes", data),
        ("record", "e\u0301", "X", 2),
        ("end", (), 1, True),
    ]


def test_an_observer_may_continue_after_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff")
    (tmp_path / "b.txt").write_text("B")
    calls, documents = observed(tmp_path, "lines")
    assert documents == ["B"]
    assert ("fault", "a.txt", "a.txt: byte 0xff at of") in calls
    assert calls[-1] == ("end", (), 1, True)


def test_an_observer_is_told_that_no_file_has_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    calls, documents = observed(tmp_path, "lines")
    assert documents == []
    assert calls[-1] == ("fault", None, "a.txt is empty. Name a")


def test_an_error_of_an_observer_is_a_fault_of_the_file(tmp_path: Path) -> None:
    class Refuses(Log):
        def on_record(self, record: Record) -> None:
            if record.text == "A":
                raise CorpusError("no A, please")

    for name, text in (("a.csv", "text\nA\nB\n"), ("b.csv", "text\nC\n")):
        (tmp_path / name).write_text(text)
    log = Refuses()
    sources = [Source(f"{tmp_path}/a.csv"), Source(f"{tmp_path}/b.csv")]
    config = TextConfig(documents="records")
    assert documents_of(CorpusReader(sources, config, observer=log)) == ["C"]
    assert ("fault", "a.csv", "no A, please") in log.calls
