"""A new run takes the base model where the text is like what that has read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import textgen
from textgen.checkpoint import bases
from textgen.checkpoint.format import load_checkpoint
from textgen.checkpoint.runs import RunDirectory
from textgen.config.text import TextConfig
from textgen.corpora.bundled import bundled_corpus
from textgen.errors import CheckpointError
from textgen.text.encoded.prepare import prepare_text
from textgen.training.task import beginning as beginnings
from textgen.training.task.beginning import Beginning, beginning
from textgen.training.task.new import new_task

pytestmark = pytest.mark.one_backend

ENGLISH = bundled_corpus("little_harbour.txt").read_text("utf-8")[:8_000]
TUNES = (
    "X:1\nM:6/8\nK:Gmaj\n|:G3 GAB|A3 ABd|edd gdd|edB dBA|\nG2 E EDB,|~B3 BAG:|\n\n" * 200
)
CODE = "def area(width, height):\n    return width * height\n\n\nprint(area(2, 3))\n" * 200
CHINESE = "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？\n" * 200


def begun(path: Path, init_from: Any = "auto", **options: Any) -> Beginning:
    """What a run on a text begins with."""
    text = TextConfig(**options)
    found = beginning(init_from, "auto", options, text)
    prepare_text(path, text, 0, found.rule, instead=partial(found.decide, text=text))
    return found


@pytest.fixture
def english(tmp_path: Path) -> Path:
    path = tmp_path / "english.txt"
    path.write_text(ENGLISH, encoding="utf-8")
    return path


def test_english_prose_begins_with_the_base(english: Path) -> None:
    found = begun(english)
    assert found.base is not None
    assert found.base.name == "english"
    assert "--init-from none" in found.notes[0]


def test_english_that_teaches_more_than_the_base_knows_begins_from_nothing_and_says_so(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list.txt"
    line = "On day {} the boat went out and came home in the evening.\n"
    path.write_text("".join(map(line.format, range(300))), encoding="utf-8")
    found = begun(path)
    assert found.base is None
    (note,) = found.notes
    assert note.startswith("Begins from nothing, as this text soon teaches more than the ")
    assert note.endswith("To begin with that model all the same: --init-from english.")


def test_a_letter_is_long_enough_for_the_base(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text(ENGLISH[:1800], encoding="utf-8")
    task = new_task(path, RunDirectory(tmp_path / "run"), "auto", {}, init_from="auto")
    assert task.base is not None
    assert task.train.batch_size == 4


def test_a_text_that_is_alike_is_read_fewer_times(tmp_path: Path) -> None:
    path, run = tmp_path / "book.txt", RunDirectory(tmp_path / "run")
    book = bundled_corpus("little_harbour.txt").read_text("utf-8")
    for chars, init_from, epochs in (
        (50_000, "auto", 2),
        (50_000, "english", 4),
        (20_000, "auto", 4),
    ):
        path.write_text(book[:chars], encoding="utf-8")
        task = new_task(path, run, "auto", {}, init_from=init_from)
        assert task.base is not None
        assert (task.train.epochs, task.model.dropout) == (epochs, 0.0)


@pytest.mark.parametrize("text", [TUNES, CODE, CHINESE], ids=["tunes", "code", "Chinese"])
def test_other_texts_begin_from_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.txt"
    path.write_text(text, encoding="utf-8")
    assert begun(path) == Beginning()


def test_a_long_text_begins_with_the_base_where_that_knows_it_well(
    english: Path, shared_corpus: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shakespeare = shared_corpus("tinyshakespeare.txt")
    assert begun(shakespeare).base is None
    monkeypatch.setattr(beginnings, "LONG_CHARS", 1_100_000)
    assert begun(shakespeare).base is not None
    monkeypatch.setattr(beginnings, "LONG_CHARS", 1_000)
    assert begun(english).base is not None


def test_a_text_longer_than_all_that_were_measured_begins_from_nothing(
    english: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginnings, "MOST_CHARS", 1_000)
    assert begun(english) == Beginning()


@pytest.mark.parametrize(
    "options",
    [{"units": 128}, {"cell": "gru"}, {"tokenizer": "byte"}, {"normalize": "none"}],
    ids=str,
)
def test_options_that_a_base_cannot_have_leave_it_out(
    english: Path, options: dict[str, Any]
) -> None:
    found = beginning("auto", "auto", options, TextConfig())
    is_of_text = options.keys() <= {"tokenizer", "normalize"}
    if is_of_text:
        found = begun(english, **options)
    assert found == Beginning()
    assert beginning("auto", "small", {}, TextConfig()) == Beginning()


@pytest.mark.parametrize("nothing", ["none", None])
def test_none_begins_from_nothing(english: Path, nothing: Any) -> None:
    assert begun(english, nothing) == Beginning()


@pytest.mark.parametrize("content", [None, b"not a model"], ids=["missing", "damaged"])
def test_without_the_base_training_goes_on_and_says_so(
    english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(bases, "_BUNDLED", tmp_path)
    if content is not None:
        (tmp_path / "english.safetensors").write_bytes(content)
    found = begun(english)
    assert found.base is None
    assert found.notes[0].startswith("Begins without a base model. ")
    # Whoever insists gets an error.
    with pytest.raises(CheckpointError):
        begun(english, "english")


@pytest.mark.slow
def test_a_run_with_the_base_learns_and_resumes(english: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 16, "seq_length": 64, "preview": False}
    out = tmp_path / "run"
    run = textgen.train(english, out, epochs=1, quiet=True, **options)
    first = load_checkpoint(run)
    assert first.facts["text"]["init_from"] == "english"
    assert first.facts["score"]["val_bits_per_char"] < 2.3
    textgen.train(english, out, resume=True, epochs=2, quiet=True)
    assert load_checkpoint(run / "last").facts["score"]["epoch"] == 2
