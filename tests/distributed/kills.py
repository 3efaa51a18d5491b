"""Kill processes of a job at random moments, resume it, and compare what comes out.

    python tests/distributed/kills.py --kills 20

Each round, one of two processes gets SIGKILL at a random moment. The other has to end
within a minute, in one line, and the newest checkpoint has to be whole. The next round goes
on from there. In the end the run must have the scores of one that was never interrupted.
Run by hand: it takes about half a minute per kill.
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

OPTIONS = {**SMALL, "--epochs": 40, "--patience": 1000, "--save-every": 10}
MOST_SECONDS = 60.0


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of victims and moments.")
def main(kills: int, seed: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        book, run = write_book(folder), folder / "run"
        command = [str(book), "--out", str(run)]
        for number in range(kills):
            is_begun = (run / "last").exists()
            options = ["--resume"] if is_begun else flags(OPTIONS)
            job = Job([[*command, *options]] * 2, folder / f"{number}")
            end_by_a_kill(job, run, rng, first=not is_begun)
            print(f"{number + 1}: {report(run)}", flush=True)
        alone([*command, "--resume"])
        whole = folder / "whole"
        alone([str(book), "--out", str(whole), *flags(OPTIONS)])
        print(f"Scores differ by at most {difference(run, whole):.1e} (relative).")


def end_by_a_kill(job: Job, run: Path, rng: random.Random, *, first: bool) -> None:
    """Kill one process at a random moment, and check how the other one ends."""
    if first:
        job.wait_until_saved(run)
    victim = rng.randrange(2)
    time.sleep(rng.uniform(0, 15))
    job.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    job.wait()
    seconds = time.monotonic() - began
    said = job.said()[1 - victim]
    lost = said.count("another process of this job")
    assert seconds < MOST_SECONDS, f"the other process took {seconds:.0f} s"
    # It may not have met the other one yet, or have ended before.
    assert lost + said.count("did not meet") + said.count("Reached") == 1, said


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
