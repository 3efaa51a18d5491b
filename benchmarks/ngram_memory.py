"""What is an n-gram memory worth, and what does it cost?

    python benchmarks/ngram_memory.py --corpus corpora/tinyshakespeare.txt

Trains a network on the text (or takes a run of it, with `--run`), counts its n-grams in
several ways, and prints nats per held-out character: of the n-grams alone, of the network
alone and of both. The weight is fitted on the first half of the held-out text, and the
figures are of the second. Then: sampling speed, and how much is copied, with and without.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import click
import numpy as np

import textgen
from textgen.checking.novelty import novelty
from textgen.checkpoint.format import Checkpoint, load_checkpoint
from textgen.config.fields import from_dict, pick
from textgen.config.text import TextConfig
from textgen.generation.generator import Generator
from textgen.generation.network.network import Network
from textgen.generation.scoring.protocols import nats_of
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel, best_weight
from textgen.ngrams.recent import LearningReader
from textgen.ngrams.tables import NOTHING, contexts_of
from textgen.text.encoded.cache_entry import EncodedCorpus
from textgen.text.encoded.prepare import prepare_text

WAYS = ((4, 2), (5, 2), (6, 2), (7, 2), (8, 2), (9, 2), (8, 1), (8, 3))
"""Orders, and how often a context must occur to be kept."""

DEFAULT = 8, 2


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--run", type=click.Path(exists=True, path_type=Path), help="Of this text.")
@click.option("--max-minutes", default=1.5, show_default=True, help="Of training.")
@click.option("--chars", default=100_000, show_default=True, help="Written for novelty.")
@click.option("--rounds", default=5, show_default=True, help="Of the measure of speed.")
def main(
    corpus: Path, run: Path | None, max_minutes: float, chars: int, rounds: int
) -> None:
    """Print the tables of benchmarks/README.md."""
    with tempfile.TemporaryDirectory() as folder:
        if run is None:
            run = textgen.train(
                corpus,
                Path(folder, "run"),
                max_minutes=max_minutes,
                memory=0,
                init_from="none",
                quiet=True,
            )
        saved = load_checkpoint(run)
    text = from_dict(TextConfig, pick(TextConfig, saved.facts["text"]))
    prepared = prepare_text(corpus, text, seed=int(saved.facts["train"]["seed"])).corpus
    default = compare(saved, prepared)
    network = Generator(
        saved.model, saved.weights, saved.tokenizer, saved.facts["text"]["documents"]
    )
    both = Generator(
        saved.model,
        saved.weights,
        saved.tokenizer,
        saved.facts["text"]["documents"],
        ngrams=default,
    )
    speed(network, both, rounds)
    of_lines = text.documents == "lines"
    copied(network, both, corpus.read_text(encoding="utf-8"), chars, of_lines=of_lines)


def compare(saved: Checkpoint, corpus: EncodedCorpus) -> NgramModel:
    """Print a row for each way of counting; returns the default memory."""
    ids, boundary = corpus.val.ids.astype(np.int64), saved.tokenizer.eod_id
    own = network_probs(Network(saved.model, saved.weights), ids)
    half, targets = len(own) // 2, ids[1:]
    print("| order, least count | seconds | MB | n-grams alone | network | weight | both |")
    print("|---" * 7 + "|")
    for order, least in WAYS:
        begin = time.process_time()
        tables = count_ngrams(
            corpus.train.ids,
            saved.model.vocab_size,
            order,
            boundary=boundary,
            least_count=least,
        )
        seconds = time.process_time() - begin
        nothing = [NOTHING] * (order - 1)
        contexts = contexts_of(ids[:-1], nothing, boundary)
        alone = NgramModel(tables).probs_of(contexts, targets)
        weight = best_weight(own[:half], alone[:half])
        both = (1 - weight) * own + weight * alone
        figures = [mean_nats(each[half:]) for each in (alone, own, both)]
        print(
            f"| {order}, {least} | {seconds:.1f} | {tables.num_bytes / 1e6:.1f} | "
            f"{figures[0]:.4f} | {figures[1]:.4f} | {weight:.2f} | {figures[2]:.4f} |",
            flush=True,
        )
        if (order, least) == DEFAULT:
            default = NgramModel(tables, weight)
    learned = LearningReader(default).mixed(ids[:-1], targets, own)
    print(f"\nA memory of the default order that learns: {mean_nats(learned[half:]):.4f}\n")
    return default


def network_probs(network: Network, ids: np.ndarray) -> np.ndarray:
    """The probability that the network gives each id but the first."""
    found, done = [], 1
    for logits, _ in network.read_chunks(ids[:-1], network.initial_state()):
        found.append(np.exp(-nats_of(logits, ids[done : done + len(logits)])))
        done += len(logits)
    return np.maximum(np.concatenate(found), 1e-30)


def mean_nats(probs: np.ndarray) -> float:
    return float(-np.log(probs).mean())


def speed(network: Generator, both: Generator, rounds: int) -> None:
    """Print characters per second of one text, with and without, measured in turn."""
    speeds: dict[str, list[float]] = {"network": [], "both": []}
    for number in range(rounds + 1):
        pairs = [("network", network), ("both", both)]
        for name, generator in pairs if number % 2 else pairs[::-1]:
            begin = time.perf_counter()
            count = sum(1 for _ in generator.stream(length=2000, seed=number))
            if number:  # the first round warms up
                speeds[name].append(count / (time.perf_counter() - begin))
    medians = [statistics.median(each) for each in speeds.values()]
    print(
        f"Sampling one text: {medians[0]:,.0f} characters per second without, "
        f"{medians[1]:,.0f} with the memory ({medians[1] / medians[0]:.0%})\n"
    )


def copied(
    network: Generator, both: Generator, text: str, chars: int, *, of_lines: bool
) -> None:
    """Print the share of pieces that stand in the corpus, with and without."""
    print("| | 10 characters | 20 | 40 | longest overlap |\n|---|---|---|---|---|")
    for name, generator in (("network", network), ("both", both)):
        # Lines are short documents, so that many of them are written.
        count = chars // 7 if of_lines else 8
        texts = generator.samples(
            "", count, length=chars // 8, seed=1, batch_size=min(count, 64)
        )
        written = "\n".join(sample.text for sample in texts)
        found = novelty(written, [("corpus", text)])
        shares = " | ".join(f"{share or 0:.2%}" for share in found.shares.values())
        longest = len(found.longest.piece) if found.longest else 0
        print(f"| {name} | {shares} | {longest} |", flush=True)


if __name__ == "__main__":
    main()
