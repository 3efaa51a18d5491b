"""A run says at its beginning what score to expect of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from textgen.checkpoint.runs import RunDirectory
from textgen.corpora.bundled import bundled_corpus
from textgen.training.task.expectation import expected_bits, is_usual, ngram_bits
from textgen.training.task.new import new_task
from textgen.training.task.task import Task

pytestmark = pytest.mark.one_backend


def task_of(path: Path, folder: Path, **options: Any) -> Task:
    return new_task(path, RunDirectory(folder / "run"), "auto", options)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The beginning of the bundled book."""
    path = tmp_path / "book.txt"
    text = bundled_corpus("little_harbour.txt").read_text(encoding="utf-8")
    path.write_text(text[:45_000], encoding="utf-8")
    return path


def test_ngrams_predict_what_repeats_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abcdefghijklmnop" * 500, encoding="utf-8")
    task = task_of(path, tmp_path)
    assert ngram_bits(task) < 0.1
    assert expected_bits(task, 1e6) is None
    letters = np.random.default_rng(0).choice(list("abcdefghijklmnop"), 8000)
    path.write_text("".join(letters), encoding="utf-8")
    assert 3.9 < ngram_bits(task_of(path, tmp_path)) < 4.5


def test_more_reading_and_plainer_text_promise_a_better_score(
    book: Path, tmp_path: Path
) -> None:
    task = task_of(book, tmp_path)
    scores = [expected_bits(task, chars) or 0 for chars in (2e5, 4e5, 8e5)]
    assert scores == sorted(scores, reverse=True)
    assert 1.5 < scores[-1] < scores[0] < 4
    assert expected_bits(task, 1.9e5) is None


@pytest.mark.slow
def test_what_is_expected_is_reached(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {"epochs": 8, "preview": False, "memory": 0}
    run = textgen.train(book, tmp_path / "run", init_from="none", **options)
    shown = re.search(r"Expect about (\S+) bits per character", capsys.readouterr().err)
    assert shown is not None
    reached = textgen.load_checkpoint(run).facts["score"]["val_bits_per_char"]
    assert float(shown[1]) == pytest.approx(reached, rel=0.1)


def test_nothing_is_expected_of_documents_and_networks_that_a_person_draws(
    book: Path, tmp_path: Path
) -> None:
    task = task_of(book, tmp_path)
    assert is_usual(task)
    assert not is_usual(replace(task, model=replace(task.model, units=99)))
    assert not is_usual(replace(task, model=replace(task.model, cell="gru")))
    assert not is_usual(task_of(book, tmp_path, documents="lines"))


def test_nothing_is_expected_of_a_single_held_out_character(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abcdefghi\n" * 8, encoding="utf-8")
    options = {"batch_size": 1, "seq_length": 8, "val_fraction": 0.012}
    task = task_of(path, tmp_path, **options)
    assert len(task.val_ids) < 3
    assert not is_usual(task)
