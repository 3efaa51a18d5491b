"""A file that a stranger wrote is opened strictly, or refused with the reason."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.disk.helpers import checkpoint, refusal
from textgen.checkpoint.format import (
    CONFIG,
    FILES,
    MAX_BYTES,
    TOKENIZER,
    TRAINING,
    TRAINING_WEIGHTS,
    WEIGHTS,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
)
from textgen.errors import CheckpointError, TextgenError
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    arrays = {"optimizer.0": np.array(3, np.int64), "model.0": np.ones(2, np.float32)}
    ngrams = NgramModel(count_ngrams(np.array([0, 1, 2, 1] * 9, np.uint8), 3, 3), 0.1)
    every_part = replace(checkpoint(), ngrams=ngrams)
    save_checkpoint(tmp_path / "last", every_part, TrainingState({}, arrays))
    return tmp_path / "last"


# --- which files are opened ---


every_file = pytest.mark.parametrize("name", FILES)


@every_file
def test_a_link_in_place_of_a_file_is_not_followed(
    saved: Path, tmp_path: Path, name: str
) -> None:
    (saved / name).rename(tmp_path / "elsewhere")
    (saved / name).symlink_to(tmp_path / "elsewhere")
    expected = "refused (a symbolic link, which may lead out of the checkpoint). Ask for"
    assert refusal(saved, name).startswith(expected)
    (tmp_path / "elsewhere").unlink()
    assert refusal(saved, name).startswith(expected)


def test_a_link_that_comes_between_look_and_opening_is_not_followed(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(os, "O_NOFOLLOW"):
        pytest.skip("this system cannot open a file without following links")
    (saved / CONFIG).rename(tmp_path / "elsewhere")
    (saved / CONFIG).symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(os, "lstat", os.stat)
    assert refusal(saved).startswith("cannot be read (Too many levels of symbolic links)")


@every_file
def test_a_pipe_a_socket_or_a_directory_is_refused_and_does_not_hang(
    saved: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A socket's path may be no longer than about 100 characters.
    monkeypatch.chdir(saved)
    makers: list[Callable[[], object]] = [
        lambda: os.mkfifo(name),
        lambda: socket.socket(socket.AF_UNIX).bind(name),
        lambda: os.mkdir(name),
    ]
    for make in makers:
        (saved / name).unlink()
        make()
        assert refusal(saved, name).startswith("refused (not a plain file). Ask for")
        os.rename(name, f"{name}.{makers.index(make)}")
        (saved / name).touch()


def test_a_pipe_that_comes_between_look_and_opening_does_not_hang(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.lstat(saved / TOKENIZER)
    (saved / CONFIG).unlink()
    os.mkfifo(saved / CONFIG)
    monkeypatch.setattr(os, "lstat", lambda path: plain)
    assert refusal(saved).startswith("refused (not a plain file)")


def test_the_checkpoint_itself_may_be_a_link_but_none_inside_a_run(
    saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").symlink_to(saved, target_is_directory=True)
    assert load_checkpoint(tmp_path / "mine").model.units == 2
    for name in ("best", "last", ".best.old"):
        run = tmp_path / f"run{name}"
        run.mkdir()
        (run / name).symlink_to(saved, target_is_directory=True)
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(run)
        assert str(caught.value) == (
            f"{run / name}: refused (a symbolic link, which may lead out of the run). Name "
            "the checkpoint that it points to."
        )


def test_a_link_in_a_run_is_not_followed_to_what_stands_beside_its_end(
    saved: Path, tmp_path: Path
) -> None:
    # After a crash between two renames `best` is missing, and `.best.old` is read.
    saved.rename(tmp_path / ".x.old")
    run = tmp_path / "run"
    run.mkdir()
    (run / "best").symlink_to(tmp_path / "x", target_is_directory=True)
    with pytest.raises(CheckpointError, match=r"best: refused \(a symbolic link"):
        load_checkpoint(run)


def test_what_could_not_be_read_again_is_not_written(saved: Path) -> None:
    before = load_checkpoint(saved)
    facts = {"text": {"note": "x" * MAX_BYTES[CONFIG]}}
    with pytest.raises(CheckpointError, match=r"config\.json is too large"):
        save_checkpoint(saved, replace(before, facts=facts))
    assert load_checkpoint(saved).facts == before.facts


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER, TRAINING, TRAINING_WEIGHTS])
def test_of_a_file_that_is_too_large_nothing_is_read(saved: Path, name: str) -> None:
    most = MAX_BYTES[name]
    if name == TRAINING_WEIGHTS:
        most += 8 * (saved / WEIGHTS).stat().st_size
    # Mostly a hole: it takes no place on the disk, and would take long to read.
    os.truncate(saved / name, most + 1)
    assert refusal(saved, name).startswith(f"refused ({most + 1:,} bytes are more than")
    os.truncate(saved / name, most)
    assert "bytes are more than" not in refusal(saved, name)


def test_too_little_memory_is_an_error_with_the_name(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", refuse)
    assert refusal(saved, WEIGHTS).startswith("too large for the memory that this process")


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "\0", "\x1b[2J"])
def test_a_path_that_no_file_can_have_is_an_error(path: str) -> None:
    for each in (path, f"nowhere/{path}"):
        with pytest.raises(TextgenError, match=r"not a valid path|no such directory"):
            load_checkpoint(each)
