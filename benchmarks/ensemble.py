"""What do a fitted temperature and a second model gain, without more training?

    python benchmarks/ensemble.py --corpus tinyshakespeare.txt --run RUN --run ANOTHER

Takes runs of the same text and prints nats per character of the second half of their
held-out text: as it is, with the temperature of the logits that suits the first half best,
and of all models together, each with the same share of the probability.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from textgen.checkpoint.format import Checkpoint, load_checkpoint
from textgen.config.fields import from_dict, pick
from textgen.config.text import TextConfig
from textgen.generation.network.network import Network
from textgen.generation.scoring.protocols import nats_of
from textgen.text.encoded.prepare import prepare_text
from textgen.text.encoded.vocabulary_rule import VocabularyRule

TEMPERATURES = np.arange(0.80, 1.21, 0.01)
NEUTRAL = int(np.abs(TEMPERATURES - 1).argmin())


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--run", "runs", multiple=True, required=True, help="Directory; repeatable.")
def main(corpus: Path, runs: tuple[str, ...]) -> None:
    """Print the table of benchmarks/quality.md, "Without more training"."""
    print("| run | nats per character | temperature | with it |\n|---|---|---|---|")
    saved = [load_checkpoint(run) for run in runs]
    ids = held_out(saved[0], corpus)
    together = np.zeros(())
    for run, checkpoint in zip(runs, saved, strict=True):
        if not np.array_equal(held_out(checkpoint, corpus), ids):
            raise click.UsageError(f"{run} holds out another text than {runs[0]}.")
        nats = surprise(Network(checkpoint.model, checkpoint.weights), ids)
        half = nats.shape[1] // 2
        best = int(nats[:, :half].mean(axis=1).argmin())
        scores = nats[:, half:].mean(axis=1)
        print(
            f"| {Path(run).name} | {scores[NEUTRAL]:.4f} | {TEMPERATURES[best]:.2f} "
            f"| {scores[best]:.4f} |",
            flush=True,
        )
        together = together + np.exp(-nats[NEUTRAL, half:]) / len(runs)
    if len(runs) > 1:
        print(f"| together | {-np.log(together).mean():.4f} | | |")


def held_out(saved: Checkpoint, corpus: Path) -> NDArray[np.int64]:
    """`(ids,)`: the held-out text of a run, as ids of its tokenizer."""
    text = from_dict(TextConfig, pick(TextConfig, saved.facts["text"]))
    seed, rule = int(saved.facts["train"]["seed"]), VocabularyRule(saved.tokenizer)
    return prepare_text(corpus, text, seed, rule).corpus.val.ids.astype(np.int64)


def surprise(network: Network, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """`(temperatures, ids - 1)`: nats of each id but the first, read in one go."""
    found, done = [], 1
    for logits, _ in network.read_chunks(ids[:-1], network.initial_state()):
        targets = ids[done : done + len(logits)]
        found.append([nats_of(logits / each, targets) for each in TEMPERATURES])
        done += len(logits)
    return np.concatenate(found, axis=1)


if __name__ == "__main__":
    main()
