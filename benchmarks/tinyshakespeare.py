"""How good is a model after a minute and a half on two cores?

    python benchmarks/tinyshakespeare.py --corpus corpora/tinyshakespeare.txt

Trains with `textgen train` and its defaults except the time limit, on the usual split
(the first 1,003,854 characters for training, the last 111,540 for validation), then
scores the validation text with the NumPy network, which carries its state from the first
character to the last.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

SPLIT = 1_003_854


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--max-minutes", default=1.5, show_default=True)
def main(corpus: Path, max_minutes: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        options = ["--out", str(run), "--max-minutes", str(max_minutes), "--no-preview"]
        # However little it gains, so that both scores can be told.
        options += ["--memory", "8"]
        start = time.perf_counter()
        textgen("train", str(corpus), *options)
        seconds = time.perf_counter() - start
        held_out = Path(folder, "validation.txt")
        held_out.write_bytes(corpus.read_bytes()[SPLIT:])
        score, alone = (
            json.loads(textgen("score", str(run), str(held_out), "--json", *flags))
            for flags in ([], ["--no-memory"])
        )
        trained = json.loads(textgen("info", str(run / "last"), "--json"))["score"]
    print(
        "| minutes | trained | whole command | epochs | nats/char | bits/char "
        "| network alone, nats/char | protocol |"
    )
    print("|---" * 8 + "|")
    print(
        f"| {max_minutes:g} | {trained['seconds']:.0f} s | {seconds:.0f} s "
        f"| {trained['epoch']:.2f} "
        f"| {score['nats_per_char']:.4f} | {score['bits_per_char']:.4f} "
        f"| {alone['nats_per_char']:.4f} "
        f"| {score['protocol']}, {score['num_chars']:,} characters |"
    )


def textgen(*arguments: str) -> str:
    """Run the command and return its stdout."""
    command = [sys.executable, "-m", "textgen", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
