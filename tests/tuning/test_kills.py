"""Real tuning processes that are killed at random moments, and go on."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from tests.patience import wait_until
from tests.training.conftest import write_book
from tests.training.fork_server import Processes
from textgen.checkpoint.format import load_checkpoint
from textgen.training.backend.choice import wanted_backend
from textgen.tuning.study import Study, score_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.one_backend,
    pytest.mark.skipif(
        sys.platform != "linux", reason="forking is sound where /proc counts the threads"
    ),
]

NUM_KILLS = 3
TRIAL_SECONDS = 1.2
OPTIONS: dict[str, Any] = {
    "--trial-minutes": TRIAL_SECONDS / 60,
    "--units": 8,
    "--num-layers": 1,
    "--embedding-dim": 4,
    "--seq-length": 16,
    "--memory": 0,
    "--compute-dtype": "float32",
}


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    started = Processes(wanted_backend(), "textgen.tuning.tune")
    yield started
    started.close()


@pytest.fixture
def study(tmp_path: Path) -> Study:
    write_book(tmp_path)
    return Study(tmp_path / "study", str(tmp_path / "study" / "study.db"), seed=0)


def tune(processes: Processes, study: Study, minutes: float = 60) -> int:
    folder = study.folder
    words = (word for pair in OPTIONS.items() for word in pair)
    log, book = folder.with_name("log"), folder.with_name("book.txt")
    where = "--out", folder, "--minutes", minutes
    return processes.start(log, "tune", book, *where, "--no-tune", *words)


def finish(processes: Processes, study: Study) -> None:
    """Go on for one more trial at least."""
    minutes = study.minutes_used() + OPTIONS["--trial-minutes"]
    log = study.folder.with_name("log")
    assert processes.wait(tune(processes, study, minutes)) == 0, log.read_text()


def kill(processes: Processes, process: int) -> None:
    os.kill(process, signal.SIGKILL)
    assert processes.wait(process) == -signal.SIGKILL


def num_running(trials: list[FrozenTrial]) -> int:
    return sum(trial.state is TrialState.RUNNING for trial in trials)


def complete(study: Study) -> dict[int, float]:
    return {t.number: score_of(t) for t in in_state(study, TrialState.COMPLETE)}


def in_state(study: Study, state: TrialState) -> list[FrozenTrial]:
    return [trial for trial in study.trials() if trial.state is state]


def check(study: Study, kept: dict[int, float]) -> None:
    """Nothing is lost: every score is there, and what was cut off was begun anew."""
    found = complete(study)
    assert kept.items() <= found.items()
    assert not in_state(study, TrialState.RUNNING)
    options = [
        trial.system_attrs.get("fixed_params", {}) | trial.params
        for trial in study.trials()
    ]
    for cut_off in in_state(study, TrialState.FAIL):
        # One that is killed early has been given some of its options, or none, and what is
        # begun anew may still wait for its turn.
        later = options[cut_off.number + 1 :]
        assert any(cut_off.params.items() <= given.items() for given in later)
    for number, score in found.items():
        run = load_checkpoint(study.run_of(number))
        assert run.facts["score"]["val_bits_per_char"] == score
    best = load_checkpoint(study.folder / "best").facts["score"]["val_bits_per_char"]
    assert best == min(found.values())


def test_a_study_killed_at_random_moments_loses_nothing(
    study: Study, processes: Processes
) -> None:
    rng, kept = random.Random(0), {}
    for _ in range(NUM_KILLS):
        seen = len(study.trials())
        process = tune(processes, study)
        wait_until(lambda seen=seen: num_running(study.trials()[seen:]) == 1)
        time.sleep(rng.uniform(0, 1.5 * TRIAL_SECONDS))
        kill(processes, process)
        kept |= complete(study)
    finish(processes, study)
    check(study, kept)
    assert in_state(study, TrialState.FAIL)


def test_a_process_begins_anew_what_another_had_begun_when_it_was_killed(
    study: Study, processes: Processes
) -> None:
    first, second = tune(processes, study), tune(processes, study)
    wait_until(lambda: num_running(study.trials()) == 2)
    kill(processes, first)
    # The other one asks for a trial, sees that this one is dead, and takes it.
    wait_until(lambda: bool(in_state(study, TrialState.FAIL)))
    kept = complete(study)
    kill(processes, second)
    finish(processes, study)
    check(study, kept)
