"""Files to documents: the whole corpus, its counts, and one file alone."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.text.reading.helpers import corpus_of, cut, message_of, write
from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.encoded.splitting import split
from textgen.text.reading.corpus import Corpus, read_corpus, read_text

Find = Callable[[str], Path]


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


def test_counts_are_of_the_documents() -> None:
    corpus = corpus_of("ab", "c€")
    assert (corpus.num_documents, corpus.num_chars) == (2, 4)


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
    assert corpus.notes == (
        "Only text and label of records are read, or prompt and completion, not 'id', "
        "'tag'.",
    )


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


# Real texts


def test_names_are_32033_documents(shared_corpus: Find) -> None:
    corpus = read_corpus(shared_corpus("names.txt"), TextConfig(documents="lines"))
    assert corpus.num_documents == 32_033
    assert corpus.documents[0] == "emma"
    parts = split(corpus, TextConfig(documents="lines"), seed=0)
    held = sum(map(len, parts.val)) / corpus.num_chars
    assert 0.1 <= held < 0.1001


def test_every_real_text_is_read_as_one(shared_corpus: Find) -> None:
    folder = shared_corpus("names.txt").parent
    corpus = read_corpus(folder)
    assert len(corpus.sources) == len(list(folder.glob("*.txt")))
    assert corpus.num_documents == 1
    assert "\r" not in corpus.documents[0]
