"""What is written or replaced is seen whole or not at all."""

from __future__ import annotations

import builtins
import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.patience import PATIENCE
from textgen.checkpoint.format import (
    CONFIG,
    FILES,
    Checkpoint,
    TrainingState,
    checkpoint_directory,
    load_checkpoint,
    load_training_state,
    save_checkpoint,
)
from textgen.checkpoint.runs import find_checkpoint
from textgen.config.model import ModelConfig
from textgen.disk.atomic import (
    locate,
    make_directory,
    read_consistent,
    write_file,
)
from textgen.errors import CheckpointError
from textgen.text.tokenizers.char import CharTokenizer


def make(num_letters: int) -> Checkpoint:
    """A checkpoint none of whose files fits one with another number of letters."""
    config = ModelConfig(vocab_size=num_letters, num_layers=1, units=2, embedding_dim=2)
    shapes = config.weight_shapes().items()
    weights = {name: np.full(shape, num_letters, np.float32) for name, shape in shapes}
    return Checkpoint(config, CharTokenizer("abcdefgh"[:num_letters]), weights)


@pytest.fixture
def replaced(tmp_path: Path) -> Iterator[Path]:
    """A run whose `best` is replaced all the time."""
    save_checkpoint(tmp_path / "best", make(2))
    is_over = threading.Event()

    def replace_it() -> None:
        while not is_over.is_set():
            for num_letters in (3, 4, 5):
                save_checkpoint(tmp_path / "best", make(num_letters))

    thread = threading.Thread(target=replace_it)
    thread.start()
    yield tmp_path
    is_over.set()
    thread.join()


# --- reading while somebody writes ---


def test_a_reader_never_sees_files_of_two_versions(replaced: Path) -> None:
    seen = set()
    for _ in at_least(300, until=lambda: len(seen) > 1):
        read = load_checkpoint(find_checkpoint(replaced))
        num_letters = read.tokenizer.vocab_size
        assert read.weights["output.bias"].tolist() == [num_letters] * num_letters
        seen.add(read.model.vocab_size)


def at_least(number: int, until: Callable[[], bool]) -> Iterator[None]:
    """At least so many rounds, and more until something is so: a disk may be slow."""
    end = time.monotonic() + PATIENCE
    while number > 0 or not until():
        assert time.monotonic() < end
        number -= 1
        yield


def test_a_reader_never_sees_training_states_of_two_versions(tmp_path: Path) -> None:
    def save(number: int) -> None:
        state = TrainingState({"step": number}, {"step": np.float32(number)})
        save_checkpoint(tmp_path / "last", make(2), state)

    save(0)
    is_over = threading.Event()

    def replace_it() -> None:
        number = 0
        while not is_over.is_set():
            save(number := number + 1)

    thread = threading.Thread(target=replace_it)
    thread.start()
    steps: set[int] = set()
    try:
        for _ in at_least(300, until=lambda: len(steps) > 1):
            state = load_training_state(tmp_path / "last")
            assert state.values["step"] == state.arrays["step"]
            steps.add(state.values["step"])
    finally:
        is_over.set()
        thread.join()


def test_what_is_replaced_is_never_missing(replaced: Path) -> None:
    assert {checkpoint_directory(replaced / "best").name for _ in range(2000)} <= {
        "best",
        ".best.old",
    }


def test_a_directory_replaced_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    place, steps = tmp_path / "best", iter(range(3, 9))
    save_checkpoint(place, make(2))

    def read(directory: Path) -> str:
        found = (directory / CONFIG).read_text()
        if (num_letters := next(steps)) < 6:
            save_checkpoint(place, make(num_letters))
        return found

    found = read_consistent(lambda: checkpoint_directory(place), read)
    assert '"vocab_size": 5' in found


def test_a_directory_renamed_away_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    place, old = tmp_path / "best", tmp_path / ".best.old"
    save_checkpoint(place, make(2))

    def read(directory: Path) -> str:
        if directory == place and not old.exists():
            place.rename(old)
        return (directory / CONFIG).read_text()

    assert '"vocab_size": 2' in read_consistent(lambda: checkpoint_directory(place), read)


def test_a_real_fault_is_told_at_once(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "best", make(2))
    (tmp_path / "best" / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: this file .* is missing"):
        load_checkpoint(tmp_path)


def test_a_directory_that_never_settles_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "best"
    save_checkpoint(place, make(2))
    with pytest.raises(
        CheckpointError, match="replaced repeatedly while it was being read"
    ):
        read_consistent(lambda: place, lambda _: save_checkpoint(place, make(3)))


def test_the_name_of_a_moment_leads_to_the_new_directory(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "best", make(2))
    old = tmp_path / ".best.old"
    assert locate(old, FILES) == tmp_path / "best"
    assert load_checkpoint(old).model.vocab_size == 2
    assert locate(tmp_path / ".other.old", FILES) is None


@pytest.mark.parametrize("name", ["ab.old", "b.old", "1.old", ".old"])
def test_a_name_that_ends_in_old_is_not_taken_for_another(
    tmp_path: Path, name: str
) -> None:
    """Only `.NAME.old` is the old version of `NAME`."""
    save_checkpoint(tmp_path / "a" / "best", make(2))
    save_checkpoint(tmp_path / "b", make(2))
    save_checkpoint(tmp_path / name / "best", make(3))
    assert load_checkpoint(tmp_path / name).model.vocab_size == 3
    assert find_checkpoint(tmp_path / name) == tmp_path / name / "best"


# --- kills ---


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("left", ["nothing", ".best.old", ".best.new"])
@pytest.mark.slow
def test_a_kill_at_any_call_leaves_the_old_or_the_new(tmp_path: Path, left: str) -> None:
    """Each time the system is called once more before the kill."""
    seen = []
    for moment in range(200):
        run = tmp_path / str(moment)
        save_checkpoint(run / "best", make(2))
        (run / "best" / "notes.txt").write_text("mine")
        if left != "nothing":  # of another kill before
            save_checkpoint(run / left, make(5))
        child = os.fork()
        if not child:
            _kill_at_call(moment)
            save_checkpoint(run / "best", make(3))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        seen.append(load_checkpoint(run / "best").model.vocab_size)
        save_checkpoint(run / "best", make(4))
        assert load_checkpoint(run / "best").model.vocab_size == 4
        assert (run / "best" / "notes.txt").read_text() == "mine"
        assert os.listdir(run) == ["best"]
        if status == 0:
            break
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert seen == sorted(seen)
    assert set(seen) == {2, 3}
    assert 20 < moment < 199


def _kill_at_call(number: int) -> None:
    """Let this process be killed when it asks the file system for something again."""
    left = number

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*values: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*values, **options)

        return wrapped

    for name in ("mkdir", "rename", "unlink", "rmdir", "fsync"):
        setattr(os, name, counted(getattr(os, name)))
    builtins.open = counted(open)  # type: ignore[assignment]


# --- what cannot be written ---


class FullDisk:
    """Makes the disk full once so many files and names are flushed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, num_files: int) -> None:
        self.left = num_files
        flush = os.fsync

        def fail(descriptor: int) -> None:
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", fail)


@pytest.mark.parametrize("num_flushed", range(5))
def test_whatever_cannot_be_written_takes_no_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_flushed: int
) -> None:
    save_checkpoint(tmp_path / "best", make(2))
    with monkeypatch.context() as patch:
        FullDisk(patch, num_flushed)
        with pytest.raises(CheckpointError, match=r"No space left on device"):
            save_checkpoint(tmp_path / "best", make(3))
        with pytest.raises(CheckpointError, match=r"history.csv: cannot write this file"):
            write_file(tmp_path / "history.csv", b"step")
    # Only the last flush, of the names, comes when the new one is in its place.
    assert load_checkpoint(tmp_path).model.vocab_size == (3 if num_flushed > 3 else 2)
    assert [entry.name for entry in tmp_path.iterdir() if ".new" in entry.name] == []


def test_a_failed_renaming_puts_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path / "best", make(2))
    rename = os.rename

    def fail(source: Any, target: Any) -> None:
        if Path(source).name == ".best.new":
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", fail)
        with pytest.raises(CheckpointError, match="Input/output error"):
            save_checkpoint(tmp_path / "best", make(3))
    assert os.listdir(tmp_path) == ["best"]
    assert load_checkpoint(tmp_path / "best").model.vocab_size == 2


# --- making ---


@pytest.mark.skipif(os.name == "nt", reason="Windows flushes no directories")
def test_the_names_of_new_directories_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []
    monkeypatch.setattr("textgen.disk.atomic.flush_directory", flushed.append)
    place = tmp_path / "a" / "b"
    assert make_directory(place) == [place, tmp_path / "a"]
    assert set(flushed) == {tmp_path, tmp_path / "a"}
    assert make_directory(place) == []


def test_windows_lets_nobody_rename_over_a_file_that_is_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal cannot be had on other systems, so it is played here."""
    replace, refusals = os.replace, [PermissionError(errno.EACCES, "in use")] * 2

    def refuse(*paths: Path) -> None:
        if refusals:
            raise refusals.pop()
        replace(*paths)

    monkeypatch.setattr(os, "replace", refuse)
    path = tmp_path / "status.json"
    with pytest.raises(CheckpointError, match="in use"):
        write_file(path, b"1")
    monkeypatch.setattr("textgen.disk.atomic.ON_WINDOWS", True)
    write_file(path, b"2")
    assert path.read_bytes() == b"2"
    assert os.listdir(tmp_path) == ["status.json"]
