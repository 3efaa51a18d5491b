"""Train in two network namespaces, with a slow network that loses packets between them.

    python tests/distributed/namespaces.py --delay-ms 1 --loss 1 --mbit 1000

The scores must be those of one process, and the time of a step is shown beside that over
loopback. Then the link is cut in the middle of a run: both processes have to end within a
minute, each in one line, the newest checkpoint has to be whole, and the run goes on from
there to the scores of one that was never interrupted. Needs Linux and the right to make
namespaces; where it cannot, it says so and exits with 77.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from tests.distributed.link import ADDRESSES, Link, NotHere
from tests.training.conftest import write_book
from tests.training.distributed.jobs import SMALL, Job, alone, flags, start
from tests.training.helpers import rows_of
from textgen.checkpoint.format import load_checkpoint, load_training_state

LONG = {**SMALL, "--epochs": 10, "--patience": 1000, "--save-every": 10}
MOST_SECONDS = 60.0
NOTHING_TRIED = 77
"""The exit code by which test harnesses know a test that was skipped."""


@click.command()
@click.option("--delay-ms", default=1.0, show_default=True, help="One way.")
@click.option("--loss", default=1.0, show_default=True, help="Of packets, in percent.")
@click.option("--mbit", default=1000.0, show_default=True, help="Per second, each way.")
@click.option("--seed", default=0, show_default=True, help="Of the packets that are lost.")
def main(delay_ms: float, loss: float, mbit: float, seed: int) -> None:
    print(f"delay {delay_ms:g} ms, loss {loss:g} %, {mbit:g} Mbit/s")
    try:
        with (
            tempfile.TemporaryDirectory() as name,
            Link(delay_ms=delay_ms, loss=loss / 100, mbit=mbit, seed=seed) as link,
        ):
            learn_what_one_does(Path(name), link)
            end_when_the_link_is_cut(Path(name), link)
    except NotHere as error:
        print(f"No such network can be made here, so nothing was tried in it: {error}")
        sys.exit(NOTHING_TRIED)


def learn_what_one_does(folder: Path, link: Link) -> None:
    command = [str(write_book(folder)), *flags(SMALL), "--out"]
    alone([*command, str(folder / "one")], folder)
    for name, options in {"link": over(link), "loopback": {}}.items():
        run = folder / name
        job = Job([[*command, str(run)]] * 2, folder / f"logs of {name}", **options)
        assert job.wait() == [0, 0], job.said()
        differ = difference(run, folder / "one")
        print(f"{name}: {1e3 * step_seconds(run):.1f} ms per step")
        print(f"  scores differ from those of one process by {differ:.0e}", flush=True)
        assert differ < 1e-5


def end_when_the_link_is_cut(folder: Path, link: Link) -> None:
    run, whole, logs = folder / "run", folder / "whole", folder / "logs of a cut"
    book = str(write_book(folder))
    command = [book, "--out", str(run)]
    job = Job([[*command, *flags(LONG)]] * 2, logs, **over(link))
    job.wait_until_saved(run)
    link.is_cut = True
    began = time.monotonic()
    codes = job.wait()
    seconds = time.monotonic() - began
    print(f"cut: the processes end after {seconds:.0f} s with {codes}; they say")
    for said in job.said():
        print(f"  {said.splitlines()[-1]}", flush=True)
        assert said.count("another process of this job") == 1, said
    assert seconds < MOST_SECONDS
    assert all(codes)
    load_checkpoint(run / "best")
    step = load_training_state(run / "last").values["state"]["step"]
    alone([*command, "--resume"], folder)
    alone([book, "--out", str(whole), *flags(LONG)], folder)
    differ = difference(run, whole)
    print(f"  resumed from step {step}: scores differ by {differ:.0e}")
    assert differ < 1e-5


def over(link: Link) -> Mapping[str, Any]:
    """How a job runs with one process at each end of a link."""
    starts = [partial(start, prefix=prefix) for prefix in link.prefixes]
    return {"host": ADDRESSES[0], "starts": starts}


def step_seconds(run: Path) -> float:
    status = json.loads((run / "status.json").read_text())
    chars = SMALL["--batch-size"] * SMALL["--seq-length"]
    return float(chars / status["chars_per_second"])


def difference(ours: Path, theirs: Path) -> float:
    name = "val_bits_per_char"
    pairs = zip(rows_of(ours), rows_of(theirs), strict=True)
    return max(abs(float(a[name]) / float(b[name]) - 1) for a, b in pairs)


if __name__ == "__main__":
    main()
