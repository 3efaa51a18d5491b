"""Kill processes of a job at random moments, resume it, and compare what comes out.

    python tests/distributed/kills.py --kills 20

Each round, one of two processes gets SIGKILL at a random moment, in half of the rounds
while they start. The other has to end within a minute, in one line, and the newest
checkpoint has to be whole. The next round goes on from there. In the end the run must have
the scores of one that was never interrupted.
Run by hand on an idle machine, where it takes ten minutes; on a busy one the run may end
before the last kill.
"""

from __future__ import annotations

import random
import signal
import tempfile
import time
from pathlib import Path

import click

from tests.training.conftest import write_book
from tests.training.distributed.jobs import SMALL, Job, alone, flags
from tests.training.helpers import rows_of
from textgen.checkpoint.format import load_checkpoint, load_training_state

OPTIONS = {
    **SMALL,
    # At the usual rate, the rounding of two processes grows to percents in 3,000 steps.
    "--learning-rate": 0.001,
    "--epochs": 300,
    "--patience": 1000,
    "--save-every": 10,
}
MOST_DIFFERENCE = 1e-5
MOST_SECONDS = 60.0
JOIN_SECONDS = "40"
"""How long the one that is left waits if the other is killed before they have met."""


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of victims and moments.")
def main(kills: int, seed: int) -> None:
    rng, seconds = random.Random(seed), 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        book, run = write_book(folder), folder / "run"
        command = [str(book), "--out", str(run)]
        for number in range(kills):
            is_begun = (run / "last").exists()
            options = ["--resume"] if is_begun else flags(OPTIONS)
            job = Job(
                [[*command, *options]] * 2,
                folder / f"{number}",
                TEXTGEN_JOIN_SECONDS=JOIN_SECONDS,
            )
            if not is_begun:
                seconds = until_saved(job, run)
            end_by_a_kill(job, rng, 2 * seconds)
            print(f"{number + 1}: {report(run)}", flush=True)
        alone([*command, "--resume"], folder)
        whole = folder / "whole"
        alone([str(book), "--out", str(whole), *flags(OPTIONS)], folder)
        found = difference(run, whole)
        print(f"Scores differ by at most {found:.1e} (relative).")
        assert found < MOST_DIFFERENCE


def until_saved(job: Job, run: Path) -> float:
    """Wait until a job has saved; return the seconds that it took."""
    began = time.monotonic()
    job.wait_until_saved(run)
    return time.monotonic() - began


def end_by_a_kill(job: Job, rng: random.Random, within: float) -> None:
    """Kill one process within so many seconds, and check how the other one ends."""
    victim = rng.randrange(2)
    time.sleep(rng.uniform(0, within))
    job.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    assert job.wait() != [0, 0], "the run has ended: give it more epochs"
    seconds = time.monotonic() - began
    said = job.said()[1 - victim]
    lost = said.count("another process of this job")
    assert seconds < MOST_SECONDS, f"the other process took {seconds:.0f} s"
    # It may not have met the other one yet.
    assert lost + said.count("did not meet") == 1, said


def report(run: Path) -> str:
    load_checkpoint(run / "best")
    step = load_training_state(run / "last").values["state"]["step"]
    return f"the checkpoint of step {step:,} is whole"


def difference(ours: Path, theirs: Path) -> float:
    pairs = zip(rows_of(ours), rows_of(theirs), strict=True)
    name = "val_bits_per_char"
    return max(abs(float(a[name]) / float(b[name]) - 1) for a, b in pairs)


if __name__ == "__main__":
    main()
