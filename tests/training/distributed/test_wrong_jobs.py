"""Jobs that cannot work end before training, in one line that says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.conftest import write_book
from tests.training.distributed.jobs import (
    SETTINGS,
    SMALL,
    Job,
    Start,
    flags,
    free_port,
    of_several_processes,
)

pytestmark = of_several_processes


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_book(tmp_path_factory.mktemp("text"))


def assert_refused(job: Job, code: int, *words: str) -> None:
    """Every process ends with one line, of which these words are a part."""
    assert set(job.wait()) == {code}, job.said()
    for said in job.said():
        (line,) = [line for line in said.splitlines() if line.startswith("Error: ")]
        for word in words:
            assert word in line


def test_lanes_that_cannot_be_shared_out(book: Path, fork: Start, tmp_path: Path) -> None:
    command = [
        str(book),
        "--out",
        str(tmp_path / "run"),
        *flags(SMALL),
        "--batch-size",
        "9",
    ]
    job = Job([command] * 2, tmp_path / "logs", starts=[fork] * 2)
    assert_refused(job, 2, "--batch-size 9 lanes", "2 devices in 2 processes")
    assert not (tmp_path / "run").exists()


def test_processes_with_different_options_and_texts(
    book: Path, fork: Start, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_text(book.read_text().replace("Ada", "Eda"))
    run = ["--out", str(tmp_path / "run"), *flags(SMALL)]
    commands = [[str(book), *run], [str(other), *run, "--units", "9"]]
    job = Job(commands, tmp_path / "logs", starts=[fork] * 2)
    assert_refused(job, 2, "process 1 of 2 differs", "--units 9 (8 in process 0)", "text=")


def test_a_process_without_its_text_ends_the_other(
    book: Path, fork: Start, tmp_path: Path
) -> None:
    run = ["--out", str(tmp_path / "run"), *flags(SMALL)]
    commands = [[str(book), *run], [str(tmp_path / "no.txt"), *run]]
    job = Job(commands, tmp_path / "logs", starts=[fork] * 2)
    assert_refused(job, 1, "no.txt")
    assert "process 1 of 2 cannot start" in job.said()[0]


def test_a_coordinator_that_is_not_there(book: Path, fork: Start, tmp_path: Path) -> None:
    command = [str(book), "--out", str(tmp_path / "run"), *flags(SMALL)]
    environment = {"TEXTGEN_JOIN_SECONDS": "3", "PROCESS_ID": "1"}
    job = Job([command], tmp_path / "logs", number=2, starts=[fork], **environment)
    (code,) = job.wait()
    (line,) = job.said()[0].splitlines()
    assert code
    assert f"did not meet at {job.address} within 3 seconds" in line


def test_another_backend_and_a_process_without_a_job(book: Path, tmp_path: Path) -> None:
    command = [str(book), "--out", str(tmp_path / "run"), *flags(SMALL)]
    job = Job([command], tmp_path / "torch", number=2, KERAS_BACKEND="torch")
    assert_refused(job, 2, "--distributed", "torch is chosen")
    job = Job([command], tmp_path / "nowhere", NUM_PROCESSES="")
    assert_refused(job, 2, "NUM_PROCESSES not set", "textgen launch")


def test_a_connection_of_somebody_else_is_not_a_lost_process(
    book: Path, tmp_path: Path
) -> None:
    script = (
        "import sys, keras, textgen\n"
        "class Upload(keras.callbacks.Callback):\n"
        "    def on_train_batch_end(self, batch, logs=None):\n"
        "        raise ConnectionResetError('Connection reset by peer')\n"
        "textgen.train(*sys.argv[1:], distributed=True, callbacks=[Upload()], units=8)\n"
    )
    address = f"127.0.0.1:{free_port()}"
    places = {"COORDINATOR_ADDRESS": address, "NUM_PROCESSES": "1", "PROCESS_ID": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(book), str(tmp_path / "run")],
        env={**os.environ, **SETTINGS, **places},
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1] == "ConnectionResetError: Connection reset by peer"
