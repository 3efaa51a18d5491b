"""Several processes train as one does, stop as one does, and are resumed by any number."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import write_book
from tests.training.distributed.jobs import (
    SMALL,
    Job,
    Launcher,
    Start,
    alone,
    flags,
    of_several_processes,
)
from tests.training.helpers import rows_of
from textgen.checkpoint.format import load_checkpoint, load_training_state
from textgen.training.distributed.launching import launch

pytestmark = of_several_processes

# A layer of each kind that carries a state.
OPTIONS = {**SMALL, "--conv": 3, "--attention": 20, "--test-fraction": 0.2}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_book(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def of_one(book: Path, fork: Start) -> Path:
    """The run of one process."""
    run = book.with_name("one")
    alone([str(book), "--out", str(run), *flags(OPTIONS)], book.parent, fork)
    return run


def assert_same_scores(ours: Path, theirs: Path) -> None:
    for found, expected in zip(rows_of(ours), rows_of(theirs), strict=True):
        for name in ("step", "learning_rate", "train_bits_per_char", "val_bits_per_char"):
            assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-5)
    for name, array in load_checkpoint(theirs / "last").weights.items():
        np.testing.assert_allclose(
            load_checkpoint(ours / "last").weights[name], array, atol=1e-4
        )


def test_two_processes_learn_what_one_does(
    book: Path, of_one: Path, fork: Start, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [str(book), "--out", str(run), *flags(OPTIONS)]
    job = Job([command] * 2, tmp_path / "logs", starts=[fork] * 2)
    assert job.wait() == [0, 0], job.said()
    assert_same_scores(run, of_one)
    ours, theirs = (load_checkpoint(each / "best").facts["score"] for each in (run, of_one))
    for name in ("val_bits_per_char", "test_bits_per_char", "temperature"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-5)
    assert theirs["temperature"] != 1
    ours, theirs = (load_training_state(each / "last").arrays for each in (run, of_one))
    assert {name: a.shape for name, a in ours.items()} == {
        name: a.shape for name, a in theirs.items()
    }
    # Only process 0 prints.
    assert job.outputs[0].read_text() == f"{run}\n"
    assert "best so far" in job.said()[0]
    assert (job.outputs[1].read_text(), job.said()[1]) == ("", "")


def test_sigterm_to_one_saves_once_and_ends_all_and_one_process_goes_on(
    book: Path, of_one: Path, fork: Start, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [str(book), "--out", str(run), *flags(OPTIONS)]
    job = Job([command] * 2, tmp_path / "logs", starts=[fork] * 2)
    job.wait_until_saved(run)
    job.kill(1, signal.SIGTERM)
    assert job.wait() == [130, 130], job.said()
    assert job.said()[0].count("Continue with:") == 1
    assert job.said()[1].strip() == ""
    alone([*command[:3], "--resume"], tmp_path, fork)
    assert_same_scores(run, of_one)


def test_launch_passes_a_signal_on_and_two_processes_go_on_in_groups(
    book: Path, of_one: Path, fork: Start, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [str(book), "--out", str(run), *flags(OPTIONS)]
    launcher = Launcher(command, tmp_path)
    launcher.wait_until_saved(run)
    launcher.stop()
    assert launcher.wait() == 130
    assert launcher.said().count("Continue with:") == 1
    # Groups of lanes add up to what all lanes at once give.
    command = [*command[:3], "--resume", "--accumulate", "2"]
    job = Job([command] * 2, tmp_path / "logs", starts=[fork] * 2)
    assert job.wait() == [0, 0], job.said()
    assert_same_scores(run, of_one)


def test_launch_ends_as_its_processes_do_and_one_of_them_prints(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert launch(2, ["--version"]) == 0
    assert capfd.readouterr().out.count("version") == 1
    assert launch(2, ["no-such-command"]) == 2


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_other_with_one_line_and_nothing_is_lost(
    book: Path, of_one: Path, fork: Start, tmp_path: Path, victim: int
) -> None:
    run = tmp_path / "run"
    command = [str(book), "--out", str(run), *flags(OPTIONS), "--save-every", "10"]
    job = Job([command] * 2, tmp_path / "logs", starts=[fork] * 2)
    job.wait_until_saved(run)
    job.kill(victim)
    codes = job.wait()
    survivor = job.said()[1 - victim].splitlines()
    assert codes[victim] == -signal.SIGKILL
    assert codes[1 - victim] not in (0, None)
    lines = [line for line in survivor if "another process of this job" in line]
    assert len(lines) == 1, job.said()
    assert survivor[-1] == lines[0]
    assert not [line for line in survivor if "stack trace" in line or "Gloo" in line]
    alone([*command[:3], "--resume"], tmp_path, fork)
    assert_same_scores(run, of_one)
