"""Which architectures pay, and which only teach?

    python benchmarks/architectures.py --corpus tinyshakespeare.txt

Trains every architecture on two texts, once on equal characters and once for equal time:
a real one, and a made one that needs memory. In the made text a bracket closes 50 to 500
characters after it was opened, with the closing bracket of its kind, and about halfway a
word of four letters is repeated that was written at the beginning. Without memory a closing
bracket costs 2 bits and a letter of the word 4.7; with it both cost nothing. Prints bits
per character: the mean over the seeds, the lowest and the highest. For equal time, close
other programs first.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

import textgen
from textgen.generation.network.network import Network

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "lstm": {},
    "coupled": {"cell": "coupled"},
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn"},
    "lstm, layer norm": {"layer_norm": True},
    "lstm, conv 4": {"conv": 4},
    "lstm, attention 64": {"attention": 64},
    "lstm, attention 512": {"attention": 512},
}
FILLER = "the sea was calm and they had rowed all night to find one more island"
BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PLAIN, CLOSING, RECALLED = range(3)
MADE_TEST_CHARS = 50_000


class Scores(NamedTuple):
    """Bits per character: of each text, and of what needs memory in the made one."""

    corpus: float
    made: float
    closing: float
    recalled: float


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option(
    "--architecture", "names", type=click.Choice(list(ARCHITECTURES)), multiple=True
)
@click.option("--chars", default=1_000_000, show_default=True, help="Of each text.")
@click.option(
    "--epochs", default=3, show_default=True, help="Equal characters; 0: leave out."
)
@click.option("--minutes", default=2.0, show_default=True, help="Equal time; 0: leave out.")
@click.option("--units", default=256, show_default=True)
@click.option("--num-layers", default=1, show_default=True)
@click.option("--seed", "seeds", default=(0, 1, 2), show_default=True, multiple=True)
def main(
    corpus: Path,
    names: tuple[str, ...],
    chars: int,
    epochs: int,
    minutes: float,
    units: int,
    num_layers: int,
    seeds: tuple[int, ...],
) -> None:
    """Print a table for equal characters and one for equal time."""
    text = corpus.read_text(encoding="utf-8")[:chars]
    sizes = {"units": units, "num_layers": num_layers}
    if epochs:
        print(f"\nEqual characters: {epochs} times {len(text):,}, {num_layers}x{units}\n")
        table(text, names, seeds, {"epochs": epochs, **sizes})
    if minutes:
        print(f"\nEqual time: {minutes:g} minutes, {num_layers}x{units}\n")
        table(text, names, seeds, {"max_minutes": minutes, **sizes})


def table(
    text: str, names: tuple[str, ...], seeds: tuple[int, ...], options: dict[str, Any]
) -> None:
    columns = ["architecture", "corpus", "made text", "closing bracket", "recalled letter"]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for name in names or ARCHITECTURES:
        own = {**options, **ARCHITECTURES[name]}
        scores = [scored(text, {**own, "seed": seed}) for seed in seeds]
        cells = [shown(values) for values in zip(*scores, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def shown(values: tuple[float, ...]) -> str:
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f}–{max(values):.3f})"


def scored(text: str, options: dict[str, Any]) -> Scores:
    """Train on both texts; score the held-out part of one, and more of the made one."""
    corpus = trained(text, options)
    made = trained(made_text(len(text), options["seed"])[0], options)
    val_bits = float(corpus.facts["score"]["val_bits_per_char"])
    return Scores(val_bits, *memory_scores(made))


def trained(text: str, options: dict[str, Any]) -> textgen.Checkpoint:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        path.write_text(text, encoding="utf-8")
        run = textgen.train(path, Path(folder, "run"), memory=0, quiet=True, **options)
        return textgen.load_checkpoint(run)


def memory_scores(checkpoint: textgen.Checkpoint) -> tuple[float, float, float]:
    """Bits per character of a new made text: all, closing brackets, recalled letters."""
    text, kinds = made_text(MADE_TEST_CHARS, seed=2**20)
    ids = checkpoint.tokenizer.encode(text)
    network = Network(checkpoint.model, checkpoint.weights)
    chunks = network.read_chunks(ids[:-1], network.initial_state())
    logits = np.concatenate([logits for logits, _ in chunks]).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    nats = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), ids[1:]]
    bits, after = nats / np.log(2), kinds[1:]
    return (
        float(bits.mean()),
        float(bits[after == CLOSING].mean()),
        float(bits[after == RECALLED].mean()),
    )


def made_text(num_chars: int, seed: int) -> tuple[str, np.ndarray]:
    """Brackets to close and words to recall; also the kind of each character."""
    rng = np.random.default_rng(seed)
    pieces: list[tuple[str, int]] = []
    length = 0
    while length < num_chars:
        opening = str(rng.choice(list(BRACKETS)))
        word = "".join(rng.choice(list(LETTERS), 4))
        # The mark before it says where memory is asked for, so that only it can know what.
        piece = [
            (f"{opening}{word}: {filler(rng)}=", PLAIN),
            (word, RECALLED),
            (f" {filler(rng)}|", PLAIN),
            (BRACKETS[opening], CLOSING),
            ("\n", PLAIN),
        ]
        pieces += piece
        length += sum(len(part) for part, _ in piece)
    text = "".join(part for part, _ in pieces)
    kinds = np.concatenate([np.full(len(part), kind) for part, kind in pieces])
    return text[:num_chars], kinds[:num_chars]


def filler(rng: np.random.Generator) -> str:
    """Words of 25 to 250 characters together."""
    length = int(rng.integers(25, 250))
    return " ".join(rng.choice(FILLER.split(), length // 3))[:length]


if __name__ == "__main__":
    main()
