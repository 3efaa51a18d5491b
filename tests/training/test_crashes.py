"""Real training processes that are killed at any moment and resume."""

from __future__ import annotations

import csv
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.fork_server import Processes, is_running, state_of
from textgen.checkpoint.format import load_checkpoint, load_training_state
from textgen.checkpoint.runs import RunDirectory
from textgen.generation.generator import Generator
from textgen.training.backend.choice import wanted_backend

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="forking is sound where /proc counts the threads"
    ),
]

BACKEND = wanted_backend()
STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
NUM_KILLS = 6
# What a kill can break, files and locks, does not depend on the backend.
on_torch = pytest.mark.skipif(
    BACKEND != "torch", reason="runs on PyTorch, which has nothing to compile"
)

# Every kind of dropout that has a generator; lanes enough for two devices.
SMALL = {
    "--units": 8,
    "--num-layers": 2,
    "--embedding-dim": 4,
    "--dropout": 0.2,
    "--embedding-dropout": 0.1,
    "--weight-drop": 0.2,
    "--batch-size": 16,
    "--seq-length": 8,
    "--eval-every": 60,
    "--epochs": 5,
    "--patience": 100,
    "--compute-dtype": "float32",
}
OPTIONS = [*(word for pair in SMALL.items() for word in pair), "--no-preview"]


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    started = Processes(BACKEND)
    yield started
    started.close()


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text with something to learn: 5,100 characters of a regular story."""
    names = ("Kit", "Wenna", "Pell", "Ada", "Jory")
    lines = [f"{names[n % 5]} went to sea and said nothing {n % 7}.\n" for n in range(140)]
    path = tmp_path_factory.mktemp("text") / "book.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(book: Path, processes: Processes) -> Path:
    """A run that was never interrupted."""
    run = book.with_name("whole")
    log = book.with_name("whole.log")
    assert processes.wait(train(processes, book, run, log)) == 0, log.read_text()
    return run


def train(processes: Processes, book: Path, run: Path, log: Path, *words: Any) -> int:
    options = ["--resume"] if RunDirectory(run).holds_run() else OPTIONS
    # What `--tune` sets changes the order of sums, so it is the same for all of them.
    words = "--no-tune", *options, *words
    return processes.start(log, "train", book, "--out", run, *words)


def identity(path: Path) -> tuple[int, ...]:
    """What differs between a directory and the one that replaces it."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns


def read_all(run: Path) -> None:
    """What a person may want of a run at any time."""
    if (run / "best").exists():
        load_checkpoint(run / "best")
    load_checkpoint(run / "last")
    load_training_state(run / "last")
    assert len(Generator.load(run).generate("Kit", length=5, seed=1)) == 5


def untimed(run: Path) -> list[dict[str, str]]:
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["seconds"]
    return rows


def assert_same_bits(run: Path, other: Path) -> None:
    for file in ("best/model", "last/model", "last/training"):
        name = f"{file}.safetensors"
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    assert untimed(run) == untimed(other)
    states = [load_training_state(each / "last").values["state"] for each in (run, other)]
    for state in states:
        del state["seconds"], state["eval_seconds"]
        for row in state["rows"]:
            del row["seconds"]
    assert states[0] == states[1]


@on_torch
def test_a_run_killed_at_random_moments_ends_as_one_never_interrupted(
    book: Path, whole: Path, processes: Processes, tmp_path: Path
) -> None:
    rng, run, log = random.Random(5), tmp_path / "run", tmp_path / "log"
    for _ in range(NUM_KILLS):
        process = train(processes, book, run, log, "--save-every", 1)
        if rng.random() < 0.8:
            # Not before it has saved, so that it comes on, and then in the thick of it.
            wait_for_saving(run, process)
            if rng.random() < 0.5:
                read_all(run)  # while it is written
            time.sleep(rng.uniform(0, 0.06))
        else:
            time.sleep(rng.uniform(0, 1))
        number = rng.choice([signal.SIGKILL] * 3 + STOPS)
        os.kill(process, number)
        code = processes.wait(process)
        assert code in (-number, 130, 0), log.read_text()
        if RunDirectory(run).holds_run():
            read_all(run)
        if code == 0:
            # It was quicker than all kills: it is as it should be, and another begins.
            assert_same_bits(run, whole)
            shutil.rmtree(run)
    process = train(processes, book, run, log, "--save-every", 10_000)
    assert processes.wait(process) == 0, log.read_text()
    assert_same_bits(run, whole)
    assert {entry.name for entry in run.iterdir()} == {
        "best",
        "last",
        "history.csv",
        "history.png",
        "status.json",
    }


@on_torch
def test_a_run_killed_while_it_saves_can_be_read_and_resumed(
    book: Path, whole: Path, processes: Processes, tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    process = train(processes, book, run, log, "--save-every", 1)
    wait_for_saving(run, process)
    kill_in_a_save(run, process)
    assert processes.wait(process) == -signal.SIGKILL, log.read_text()
    assert is_half_saved(run)
    read_all(run)
    process = train(processes, book, run, log, "--save-every", 10_000)
    assert processes.wait(process) == 0, log.read_text()
    assert_same_bits(run, whole)


@on_torch
def test_a_second_training_beside_the_first_is_refused_until_that_is_killed(
    book: Path, processes: Processes, tmp_path: Path
) -> None:
    run, link, logs = tmp_path / "run", tmp_path / "link", [tmp_path / n for n in "abc"]
    link.symlink_to(run, target_is_directory=True)
    first = train(processes, book, run, logs[0], "--save-every", 1, "--epochs", 500)
    wait_for_saving(run, first)
    second = train(processes, book, link, logs[1])
    assert processes.wait(second) == 1
    assert (
        logs[1]
        .read_text()
        .startswith(f"Error: {link}: another training is writing here (process {first} on ")
    )
    os.kill(first, signal.SIGKILL)
    assert processes.wait(first) == -signal.SIGKILL
    third = train(processes, book, link, logs[2])
    wait_for_saving(run, third)
    os.kill(third, signal.SIGTERM)
    assert processes.wait(third) == 130
    assert_says_how_to_go_on(logs[2], link)


@on_torch
def test_ctrl_c_saves_and_says_how_to_go_on(
    book: Path, processes: Processes, tmp_path: Path
) -> None:
    run, logs = tmp_path / "run", [tmp_path / n for n in "ab"]
    process = train(processes, book, run, logs[0], "--save-every", 1, "--epochs", 500)
    for _ in range(2):  # what is saved first is its start
        wait_for_saving(run, process)
    os.kill(process, signal.SIGINT)
    assert processes.wait(process) == 130
    assert_says_how_to_go_on(logs[0], run)
    process = train(processes, book, run, logs[1], "--epochs", 1)
    assert processes.wait(process) == 0, logs[1].read_text()


def assert_says_how_to_go_on(log: Path, run: Path) -> None:
    said = log.read_text()
    assert "Stopped at step" in said
    assert f"--out {run} --resume" in said
    assert "Traceback" not in said


@pytest.mark.one_backend
def test_a_stop_while_the_framework_loads_leaves_no_trace(
    book: Path, tmp_path: Path
) -> None:
    # A process of its own from the start, as the others have loaded everything.
    command = ["train", str(book), "--out", str(tmp_path / "run"), "--no-preview"]
    with subprocess.Popen(
        [sys.executable, "-m", "textgen", *command], stderr=subprocess.PIPE, text=True
    ) as process:
        library = {"jax": "jaxlib", "tensorflow": "libtensorflow"}.get(BACKEND, "libtorch")
        while library not in Path(f"/proc/{process.pid}/maps").read_text():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    note = "Stopping as soon as possible: Keras is being loaded. Nothing was saved."
    notes = r"Text: .*\nBegins from nothing, .*\nSize tiny, for .*\n"
    assert re.fullmatch(rf"{notes}\n{note}\n\n", said)
    assert not any(tmp_path.iterdir())


def wait_for_saving(run: Path, process: int) -> None:
    """Wait until a training has come further than it was; or has ended."""
    before = identity(run / "last")
    while identity(run / "last") == before and is_running(process):
        time.sleep(0.001)


def kill_in_a_save(run: Path, process: int) -> None:
    """Stop a training again and again, until that is while it replaces a directory."""
    while is_running(process):
        os.kill(process, signal.SIGSTOP)
        while state_of(process) not in "TZ":
            time.sleep(0.001)
        if is_half_saved(run):
            os.kill(process, signal.SIGKILL)
            return
        os.kill(process, signal.SIGCONT)
        time.sleep(0.001)


def is_half_saved(run: Path) -> bool:
    return any(entry.name.endswith((".new", ".old")) for entry in run.iterdir())
