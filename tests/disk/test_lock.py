"""Two trainings never write into one directory, and no crash locks anybody out."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from textgen.checkpoint.runs import RunDirectory
from textgen.disk.lock import LOCK, locked
from textgen.errors import CheckpointError, CorpusError
from textgen.training.train import train

fcntl = pytest.importorskip("fcntl", reason="the tests replace flock")

HOLD = """
import sys
from pathlib import Path
from textgen.disk.lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its stdin ends."""
    command = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process


def refusal(directory: Path) -> str:
    with pytest.raises(CheckpointError) as caught, locked(directory):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_second_process_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with holder(tmp_path / "run") as first:
        message = refusal(tmp_path / "run")
        assert re.fullmatch(
            rf"{tmp_path}/run: another training is writing here \(process {first.pid} on "
            r"[\w.-]+\)\. Wait until it ends, stop it, or choose another `out`\.",
            message,
        )


def test_another_path_to_the_directory_is_the_same_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to("run", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    with holder(tmp_path / "run"):
        for path in (Path("run"), Path("link"), tmp_path / "run" / ".." / "link"):
            assert "another training is writing here" in refusal(path)


def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / LOCK).exists()
        with locked(tmp_path) as is_locked:
            assert is_locked
    assert not any(tmp_path.iterdir())


def test_what_is_left_empty_was_never_there(tmp_path: Path) -> None:
    with locked(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / LOCK).exists()
    assert not any(tmp_path.iterdir())
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "notes.txt").write_text("mine")
    assert os.listdir(tmp_path / "a" / "b") == ["notes.txt"]


def test_a_lock_on_a_file_that_is_gone_keeps_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, taken = fcntl.flock, []

    def too_late(descriptor: int, operation: int) -> None:
        # The holder ends just now, and removes its file.
        if not taken:
            (tmp_path / LOCK).unlink()
        taken.append(descriptor)
        take(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", too_late)
    with locked(tmp_path):
        assert len(taken) == 2
        assert "another training" in refusal(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_the_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).symlink_to(tmp_path / "mine.txt")
    run = RunDirectory(tmp_path / "run")
    with (
        pytest.raises(CheckpointError, match=r"run: cannot use this directory \("),
        run.locked(),
    ):
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("said", ["", "no number", "1" * 200, "1 evil\x1b[31m"])
def test_what_the_file_says_is_shown_only_if_it_is_a_process(
    tmp_path: Path, said: str
) -> None:
    with locked(tmp_path):
        (tmp_path / LOCK).write_text(said)
        assert refusal(tmp_path).startswith(
            f"{tmp_path}: another training is writing here."
        )


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(code, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "run") as is_locked:
        assert not is_locked
    assert not any(tmp_path.iterdir())


# --- a run ---


def test_a_directory_of_others_gets_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    changed = tmp_path.stat().st_mtime_ns
    run = RunDirectory(tmp_path)
    with pytest.raises(CheckpointError, match="holds no run of textgen"), run.locked():
        pass
    assert tmp_path.stat().st_mtime_ns == changed


def test_a_lock_file_of_a_killed_training_is_no_run_and_no_file_of_others(
    tmp_path: Path,
) -> None:
    (tmp_path / LOCK).write_text("123 box")
    run = RunDirectory(tmp_path)
    assert not run.holds_run()
    run.check()
    assert os.listdir(tmp_path) == [LOCK]


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_second_training_is_refused_before_the_text_is_read(
    tmp_path: Path, options: dict[str, bool]
) -> None:
    with holder(tmp_path / "run"), pytest.raises(CheckpointError, match="another training"):
        train(tmp_path / "missing.txt", tmp_path / "run", **options)


@pytest.mark.parametrize("options", [{}, {"resume": True}])
def test_a_start_that_fails_leaves_no_directory(
    tmp_path: Path, options: dict[str, bool]
) -> None:
    with pytest.raises((CorpusError, CheckpointError)):
        train(tmp_path / "missing.txt", tmp_path / "runs" / "run", **options)
    assert not any(tmp_path.iterdir())


def test_one_process_locks_itself_out_too(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(locked(tmp_path))
        assert f"process {os.getpid()}" in refusal(tmp_path)
    with locked(tmp_path):
        pass
