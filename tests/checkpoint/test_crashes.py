"""A crash at any moment of saving loses no checkpoint."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.checkpoint.helpers import (
    MODEL_FILES,
    make,
    message_of,
    save_and_crash,
    version_of,
)
from textgen.checkpoint.format import (
    CONFIG,
    TRAINING,
    TrainingState,
    load_training_state,
    save_checkpoint,
)


@pytest.fixture
def no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test saves a thousand times, the disk need not keep up."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


# --- crashes ---


def test_a_crash_between_the_two_renames_is_survived(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    saved.rename(saved.with_name(".best.old"))
    assert version_of(saved) == version_of(saved.parent) == 1
    save_checkpoint(saved, make(2))
    assert version_of(saved) == 2
    assert (saved / "notes.txt").read_text() == "mine"
    assert [p.name for p in saved.parent.iterdir()] == ["best"]


def test_the_training_state_is_found_after_a_crash_between_the_renames(
    tmp_path: Path,
) -> None:
    save_checkpoint(tmp_path / "last", make(), TrainingState({"step": 7}, {}))
    (tmp_path / "last").rename(tmp_path / ".last.old")
    assert load_training_state(tmp_path / "last").values == {"step": 7}


def test_a_crash_while_the_new_directory_is_filled_is_survived(saved: Path) -> None:
    fresh = saved.with_name(".best.new")
    fresh.mkdir()
    (fresh / CONFIG).write_text('{"form')
    (fresh / TRAINING).write_text("{}")
    assert version_of(saved) == 1
    save_checkpoint(saved, make(2))
    assert version_of(saved) == 2
    assert {p.name for p in saved.iterdir()} == set(MODEL_FILES)
    assert not fresh.exists()


def test_a_crash_before_the_old_files_are_moved_loses_none_of_them(saved: Path) -> None:
    # The new checkpoint is in place; the old one still holds somebody's file, and
    # somebody has already written another one of that name.
    old = saved.with_name(".best.old")
    saved.rename(old)
    (old / "notes.txt").write_text("first")
    (old / "notes.txt.old").write_text("even before")
    save_checkpoint(saved.with_name("new"), make(2))
    saved.with_name("new").rename(saved)
    (saved / "notes.txt").write_text("second")
    save_checkpoint(saved, make(3))
    assert version_of(saved) == 3
    kept = {p.read_text() for p in saved.iterdir() if p.name.startswith("notes")}
    assert kept == {"first", "second", "even before"}
    assert [p.name for p in saved.parent.iterdir()] == ["best"]


def crashes(prepare: Callable[[Path], None]) -> Iterator[Path]:
    """One directory for each moment at which saving version 2 can crash."""
    for moment in itertools.count():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "best")
            prepare(path)
            if not save_and_crash(path, 2, moment):
                assert moment > 5
                return
            yield path


def prepare_first(path: Path) -> None:
    save_checkpoint(path, make(1))
    (path / "notes.txt").write_text("mine")


@pytest.mark.usefixtures("no_flush")
@pytest.mark.slow
def test_a_crash_at_any_moment_and_then_another_loses_neither_model_nor_notes() -> None:
    for path in crashes(prepare_first):
        assert version_of(path) in (1, 2)
        for moment in itertools.count():
            # Each further crash begins where the one before it ended.
            crashed = save_and_crash(path, 3, moment)
            assert version_of(path) in (1, 2, 3)
            if not crashed:
                break
        assert version_of(path) == 3
        assert (path / "notes.txt").read_text() == "mine"
        assert [p.name for p in path.parent.iterdir()] == ["best"]


@pytest.mark.usefixtures("no_flush")
def test_a_crash_in_the_very_first_save_leaves_nothing_that_looks_like_a_model() -> None:
    for path in crashes(lambda path: None):
        assert not path.exists()
        assert "not a checkpoint" in message_of(path)
        save_checkpoint(path, make(3))
        assert version_of(path) == 3
        assert [p.name for p in path.parent.iterdir()] == ["best"]


SAVE_FOREVER = """
import itertools, sys
import numpy as np
from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import MAX_SIZES, ModelConfig
from textgen.text.tokenizers.char import CharTokenizer

config = ModelConfig(vocab_size=3, units=64, embedding_dim=64, num_layers=2)
for step in itertools.count(int(sys.argv[2])):
    shapes = config.weight_shapes().items()
    weights = {name: np.full(shape, step, np.float32) for name, shape in shapes}
    facts = {"score": {"step": step}}
    save_checkpoint(sys.argv[1], Checkpoint(config, CharTokenizer("abc"), weights, facts))
    print(step, flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    path, rng = tmp_path / "best", random.Random(0)
    step = 0
    for _ in range(10):
        command = [sys.executable, "-c", SAVE_FOREVER, str(path), str(step)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            saved = int(process.stdout.readline())
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
            saved = int((process.stdout.read().split() or [saved])[-1])
        # What it said it saved is there, or the one it was just finishing.
        step = version_of(path)
        assert step in (saved, saved + 1)
        step += 1
