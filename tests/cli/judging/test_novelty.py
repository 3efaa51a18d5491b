"""`textgen novelty` as a person meets it, with a real checkpoint."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgen.__main__ import run
from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.text.reading.corpus import read_corpus
from textgen.text.tokenizers.char import CharTokenizer

BOOK = "Kit went to sea.\nHe said nothing, and the sea said nothing.\n"
PAGE = "And then\nthe sea said nothing to Kit.\n"


def saved(path: Path, text: dict[str, Any]) -> Path:
    """An untrained checkpoint with these facts about its text."""
    config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=2)
    weights = {name: np.zeros(s, np.float32) for name, s in config.weight_shapes().items()}
    tokenizer = CharTokenizer("ab", normalize="nfc")
    save_checkpoint(path, Checkpoint(config, tokenizer, weights, {"text": text}))
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(BOOK, encoding="utf-8")
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.txt"
    path.write_text(PAGE, encoding="utf-8")
    return path


@pytest.fixture
def model(tmp_path: Path, book: Path) -> Path:
    """What training on the book would leave."""
    facts = {
        "sources": [str(book)],
        "num_files": 1,
        "sha256": read_corpus(book).sha256,
    }
    return saved(tmp_path / "model", facts)


def test_the_longest_overlap_and_the_shares_are_shown(
    model: Path, page: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["novelty", str(model), str(page), "--corpus", str(book)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.splitlines() == [
        "longest overlap: 20 characters",
        "  text    offset 9, line 2",
        f"  corpus  offset 38, line 2 of {book}",
        "  'the sea said nothing'",
        "pieces of the text that occur in the corpus (short ones do so by chance, long "
        "ones are copied):",
        "  of 10 characters: 37.93%",
        "  of 20 characters: 5.26%",
        "  of 40 characters: -  (the text is shorter)",
    ]


def test_json_has_everything(
    model: Path, page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["novelty", str(model), str(page), "--pieces", "20", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["longest"]["piece"] == "the sea said nothing"
    assert found["shares"] == {"20": 1 / 19}
    assert found["num_corpus_chars"] == len(BOOK)


def test_a_long_piece_is_cut_in_print_and_whole_in_json(
    model: Path, page: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (page, book):
        path.write_text("é\n" * 500, encoding="utf-8")
    arguments = ["novelty", str(model), str(page)]
    assert run(arguments) == 0
    assert "  '" + r"é\n" * 100 + "' ...\n" in capsys.readouterr().out
    assert run([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["longest"]["piece"] == "é\n" * 500


def test_nothing_in_common_is_said_in_words(
    model: Path, page: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text("#", encoding="utf-8")
    assert run(["novelty", str(model), str(page), "--pieces", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "no characters in common",
        "pieces of the text that occur in the corpus (short ones do so by chance, long "
        "ones are copied):",
        "  of 1 character: 0.00%",
    ]


def test_the_text_may_come_from_stdin(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PAGE.encode())))
    assert run(["novelty", str(model), "-"]) == 0
    assert "'the sea said nothing'" in capsys.readouterr().out


def test_without_a_corpus_the_one_of_the_training_is_taken(
    model: Path, page: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["novelty", str(model), str(page)]) == 0
    shown = capsys.readouterr()
    assert f"line 2 of {book}\n" in shown.out
    assert shown.err == ""


def test_another_corpus_than_that_of_the_training_is_noted_and_used(
    model: Path, page: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["novelty", str(model), str(page), "--corpus", str(page)]) == 0
    shown = capsys.readouterr()
    assert shown.err == f"Note: this corpus is not the text that {model} was trained on.\n"
    assert "  of 10 characters: 100.00%" in shown.out


def test_a_book_that_was_changed_since_is_noted(
    model: Path, page: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book.write_text("the end", encoding="utf-8")
    assert run(["novelty", str(model), str(page)]) == 0
    assert "Note: this corpus is not the text" in capsys.readouterr().err


def test_a_corpus_that_is_gone_asks_for_another(
    model: Path, page: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book.unlink()
    assert run(["novelty", str(model), str(page)]) == 1
    assert capsys.readouterr().err == (
        f"Error: {model}: the text it was trained on cannot be found: book.txt is neither "
        "in the working directory nor beside the run. Name it with --corpus PATH.\n"
    )


@pytest.mark.parametrize("place", ["", "checkpoints"])
def test_the_text_is_found_from_here_and_beside_the_run(
    place: str,
    page: Path,
    book: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = {"sources": ["book.txt"], "num_files": 1, "sha256": read_corpus(book).sha256}
    saved(tmp_path / "checkpoints" / "book" / "best", facts)
    monkeypatch.chdir(tmp_path / place)
    assert run(["novelty", str(tmp_path / "checkpoints" / "book"), str(page)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("num_files", "why"), [(12, "it names 1 of 12 files"), (None, "it names 0 of its")]
)
def test_a_checkpoint_that_does_not_name_all_its_files_asks_for_them(
    num_files: int | None,
    why: str,
    tmp_path: Path,
    page: Path,
    book: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = {"sources": [str(book)], "num_files": num_files} if num_files else {}
    model = saved(tmp_path / "other", facts)
    assert run(["novelty", str(model), str(page)]) == 1
    shown = capsys.readouterr().err
    assert why in shown
    assert "Name it with --corpus PATH." in shown


def test_corpus_and_text_are_brought_into_the_form_of_the_model(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, page = tmp_path / "corpus", tmp_path / "page.txt"
    corpus.mkdir()
    (corpus / "one.md").write_bytes("caf\u00e9 au lait\r\nou noir\r\n".encode("latin-1"))
    page.write_bytes("cafe\u0301 au lait\nou noir".encode())
    arguments = ["novelty", str(model), str(page), "--corpus", str(corpus)]
    arguments += ["--glob", "*.md", "--encoding", "latin-1", "--pieces", "20"]
    assert run(arguments) == 0
    shown = capsys.readouterr().out
    assert "longest overlap: 20 characters" in shown
    assert r"'café au lait\nou noir'" in shown


def test_encoding_and_glob_of_the_training_hold_until_others_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, page = tmp_path / "corpus", tmp_path / "page.txt"
    corpus.mkdir()
    (corpus / "one.md").write_bytes("déjà".encode("latin-1"))
    page.write_bytes("déjà".encode("utf-16"))
    model = saved(tmp_path / "model", {"encoding": "latin-1", "glob": "*.md"})
    arguments = ["novelty", str(model), str(page), "--corpus", str(corpus)]
    assert run([*arguments, "--text-encoding", "utf-16"]) == 0
    assert "'déjà'" in capsys.readouterr().out
    assert run([*arguments, "--text-encoding", "utf-16", "--encoding", "utf-8"]) == 1
    assert "one.md" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b", "c"], "Put --corpus before each path of a corpus"),
        (["-", "--corpus", "-"], "TEXT and --corpus cannot both be stdin"),
        (
            ["a", "--pieces", "10;20"],
            "--pieces 10;20 must be whole numbers separated by commas",
        ),
        (["a", "--pieces", "10,0"], "pieces=0 must be a whole number of at least 1"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_read(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["novelty", *arguments]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_an_empty_text_is_an_error(
    model: Path, page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text("", encoding="utf-8")
    assert run(["novelty", str(model), str(page)]) == 1
    assert "Error: the text is empty" in capsys.readouterr().err


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["novelty", "--help"]) == 0
    assert "textgen novelty my_book page.txt --corpus" in capsys.readouterr().out


def test_of_records_only_their_texts_are_judged(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = tmp_path / "samples.jsonl"
    samples.write_text('{"number": 0, "text": "He said nothing"}\n', encoding="utf-8")
    assert run(["novelty", str(model), str(samples), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["longest"]["piece"] == "He said nothing"
    assert found["shares"]["10"] == 1.0
