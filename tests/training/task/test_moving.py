"""A run can be given away, moved and renamed, and so can its text."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import textgen
from tests.training.conftest import write_book
from tests.training.helpers import SMALL
from textgen.checkpoint.describe import describe
from textgen.checkpoint.format import load_checkpoint
from textgen.checkpoint.runs import RunDirectory
from textgen.errors import CheckpointError, CorpusError
from textgen.training.task.resume import resumed_task

pytestmark = pytest.mark.one_backend


@pytest.mark.slow
def test_no_file_of_a_run_contains_a_path_of_this_machine(
    finished: Path, tmp_path: Path
) -> None:
    book = write_book(tmp_path)
    go_on = {k: v for k, v in SMALL.items() if k in ("batch_size", "seq_length", "quiet")}
    tuned = textgen.train(
        [book], tmp_path / "tuned", init_from=finished, epochs=1, tensorboard=True, **go_on
    )
    for folder in (str(tmp_path), str(finished.parent)):
        files = [file for run in (finished, tuned) for file in run.rglob("*")]
        contents = [file.read_bytes() for file in files if file.is_file()]
        assert len(contents) > 10
        assert not [c for c in contents if folder.encode() in c]
    text = load_checkpoint(tuned).facts["text"]
    assert (text["sources"], text["init_from"]) == (["book.txt"], finished.name)


def test_a_moved_run_is_resumed_on_its_moved_and_renamed_text(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "elsewhere" / "other name"
    shutil.move(trained, moved)
    text = write_book(tmp_path).rename(moved.parent / "renamed.txt")
    task = resumed_task(text, RunDirectory(moved), {"epochs": 2})
    assert task.facts["sources"] == ["renamed.txt"]
    monkeypatch.chdir(moved.parent)
    task = resumed_task("renamed.txt", RunDirectory("other name"), {"epochs": 2})
    assert task.facts["sources"] == ["renamed.txt"]


def test_a_run_that_is_not_there_is_asked_for(book: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        resumed_task(book, RunDirectory(tmp_path / "run"), {})
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: there is no run to resume. If it was moved, or its text "
        "renamed, name its directory with `out`; to begin a new run, leave out `resume`."
    )


def test_the_facts_of_a_run_are_shown_as_they_are_stored(finished: Path) -> None:
    shown = describe(load_checkpoint(finished), finished)
    assert shown["text"]["sources"] == ["book.txt"]


def refusal(path: str | Path, **options: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        textgen.train(path, quiet=True, **options)
    return str(caught.value)


def test_a_run_in_the_place_of_its_text_is_told_how_to_continue(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = write_book(tmp_path)
    start = f"{trained} is a run, not a text. To continue it, name its text: textgen train "
    for options in ({}, {"resume": True, "out": trained}):
        assert refusal(trained, **options) == f"{start}{book} --out {trained} --resume"
    assert refusal(trained / "best").endswith(f" --out {trained} --resume")
    with pytest.raises(CorpusError, match="is a run, not a text"):
        textgen.tune(trained, 1, quiet=True)
    book.unlink()
    assert refusal(trained) == f"{start}TEXT --out {trained} --resume"
    # By its name, as every other command takes it.
    (tmp_path / "checkpoints").mkdir()
    shutil.move(trained, tmp_path / "checkpoints" / "tale")
    monkeypatch.chdir(tmp_path)
    assert refusal("tale").endswith(" TEXT --out checkpoints/tale --resume")


def test_a_folder_of_texts_is_read_whatever_else_it_holds(
    trained: Path, tmp_path: Path
) -> None:
    write_book(trained)
    foreign = tmp_path / "foreign"
    (foreign / "best").mkdir(parents=True)
    (foreign / "best" / "config.json").write_text("{}", encoding="utf-8")
    assert "contains no file that matches" in refusal(foreign)
    write_book(foreign)
    for number, folder in enumerate((trained, foreign)):
        run = textgen.train(folder, tmp_path / f"new{number}", epochs=1, **SMALL)
        assert load_checkpoint(run).facts["text"]["num_files"] == 1
