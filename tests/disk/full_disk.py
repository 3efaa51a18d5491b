"""What a training does on a real, small file system that is full; run by test_full_disk.py.

Run as a program with one argument, the directory of that file system, it prints what
happened as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from textgen.__main__ import run as run_command
from textgen.checkpoint.format import load_checkpoint, load_training_state
from textgen.generation.generator import Generator

SMALL = (
    "--units 32 --num-layers 1 --embedding-dim 8 --batch-size 4 --seq-length 16 "
    "--epochs 1 --eval-every 20 --no-preview --no-tune --compute-dtype float32"
)


def main() -> None:
    disk = Path(sys.argv[1])
    print(json.dumps({"disk": str(disk), **scenes(disk)}))


def scenes(disk: Path) -> dict[str, Any]:
    """A start without space, a resumption that runs out of it, one that has it again."""
    book, run = disk / "book.txt", disk / "run"
    book.write_text("Kit went to sea and said nothing.\n" * 60, encoding="utf-8")
    # `.history.png.new` needs more than that; the space is gone at different moments.
    fill(disk, leave=4096)
    start = command("train", book, "--out", run, *SMALL.split())
    empty(disk)
    begun = command("train", book, "--out", run, *SMALL.split())
    size = sum(file.stat().st_size for file in (run / "last").iterdir())
    full = []
    for leave in (0, size // 2, size + 16384):
        fill(disk, leave)
        words = "train", book, "--out", run, "--resume", "--epochs", 2, "--save-every", 3
        full.append(
            {**command(*words), "step": step_of(run), "listed": sorted(os.listdir(run))}
        )
        load_checkpoint(run / "best")
        assert len(Generator.load(run).generate("Kit", length=5, seed=1)) == 5
    empty(disk)
    again = command("train", book, "--out", run, "--resume", "--epochs", 2)
    return {
        "start": start,
        "begun": begun,
        "full": full,
        "again": {**again, "step": step_of(run), "listed": sorted(os.listdir(run))},
    }


def command(*words: Any) -> dict[str, Any]:
    """Run a command; its exit code and what it said on stderr."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = run_command(list(map(str, words)))
    run = Path(words[3])
    return {"code": code, "said": said.getvalue(), "is_there": run.exists()}


def step_of(run: Path) -> int:
    return int(load_training_state(run / "last").values["state"]["step"])


def fill(disk: Path, leave: int) -> None:
    """Take all space but `leave` bytes away from the file system."""
    empty(disk)
    free = shutil.disk_usage(disk).free
    (disk / "ballast").write_bytes(bytes(max(0, free - leave)))


def empty(disk: Path) -> None:
    (disk / "ballast").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
