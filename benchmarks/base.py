"""Train the base model that comes with the package, and measure it.

    python benchmarks/base.py --books books --minutes 120

Trains on a folder of books, except for those of four authors, on whom the model is scored
afterwards. The same command goes on with a run that was stopped or had fewer minutes. At
the end it writes `textgen/bases/english.safetensors`, with a card that says how the model
was made and how well it predicts. The text and the run stay in `--work`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from base_text import HELD_OUT, prepare

import textgen
from textgen.checking.novelty import Novelty, novelty
from textgen.checkpoint.bases import bundled_base
from textgen.checkpoint.format import Checkpoint, as_single_file, load_checkpoint
from textgen.disk.atomic import write_file
from textgen.generation.generator import Generator
from textgen.wording import percent

RECIPE: dict[str, Any] = {
    "size": "large",
    "dropout": 0.0,
    "optimizer": "muon",
    "learning_rate": 0.012,
    "weight_decay": 0.01,
    "eval_every": 800,
    "eval_chars": 100_000,
    "save_minutes": 3.0,
    "patience": 50,
    "memory": 0,
    "preview": False,
    "init_from": "none",
}
"""A network that reads each piece at most once or twice needs no dropout."""

SCORED_CHARS = 100_000
NOVELTY_CHARS = 100_000
NOVELTY_TEXTS = 50
WARNING_CHARS = 80
"""A verbatim piece of this length is a sentence."""

CARD = """\
# english

An LSTM of {network}, {parameters} parameters, that has read English novels and
tales published before 1927. Training begins with it where a text is like them. By itself it
writes sentences in their manner, and means nothing by them.

Made by `make base` in {minutes} minutes, in which it read {read} characters of 30 books in
the public domain (listed in benchmarks/base.md), with lines wrapped or not, straight and
curly quotation marks, and different dashes. None of their text is in the package.

The first 100,000 characters of books by authors whom it has not read:

| book | bits per character |
|---|---|
{scores}

The weights are stored as float16, which costs {rounding} bits per character at most.

Of {written} characters that it wrote with the default settings, these stand in its books,
whatever their lines, quotation marks and dashes:

{shares}

{longest}"""


@click.command(help=__doc__)
@click.option("--books", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--minutes", default=120.0, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default="checkpoints/base")
@click.option("--seed", default=0, show_default=True)
def main(books: Path, minutes: float, work: Path, seed: int) -> None:
    saved = trained(books, minutes, work, seed)
    weights = {name: weight.astype("<f2") for name, weight in saved.weights.items()}
    half = Checkpoint(
        saved.model,
        saved.tokenizer,
        {name: weight.astype("<f4") for name, weight in weights.items()},
        saved.facts,
    )
    whole, rounded = held_out_bits(books, saved), held_out_bits(books, half)
    copied = copied_from(books, half)
    card = card_of(
        half, minutes, rounded, max(rounded[n] - whole[n] for n in whole), copied
    )
    place = bundled_base()
    place.parent.mkdir(exist_ok=True)
    write_file(place, as_single_file(half, card, is_half=True))
    print(card)


def trained(books: Path, minutes: float, work: Path, seed: int) -> Checkpoint:
    """Begin the run in `work`, or go on with it."""
    text, run = work / "english.txt", work / "english"
    if run.exists():
        textgen.train(text, run, resume=True, tune=True, max_minutes=minutes)
    else:
        work.mkdir(parents=True, exist_ok=True)
        content, val_fraction = prepare(books, seed)
        text.write_text(content, encoding="utf-8")
        options = {**RECIPE, "seed": seed, "max_minutes": minutes}
        textgen.train(text, run, tune=True, val_fraction=val_fraction, **options)
    return load_checkpoint(run)


def held_out_bits(books: Path, saved: Checkpoint) -> dict[str, float]:
    """Bits per character of the beginnings of the books that were not learned from."""
    generator = Generator(saved.model, saved.weights, saved.tokenizer)
    texts = {name: (books / f"{name}.txt").read_text("utf-8") for name in HELD_OUT}
    return {
        name: generator.score(text[:SCORED_CHARS]).bits_per_char
        for name, text in texts.items()
    }


def copied_from(books: Path, saved: Checkpoint) -> Novelty:
    """How much of what the model writes stands in its books, whatever their style."""
    generator = Generator(saved.model, saved.weights, saved.tokenizer)
    length = NOVELTY_CHARS // NOVELTY_TEXTS
    texts = generator.samples("", NOVELTY_TEXTS, seed=0, length=length)
    written = plain("\n\n".join(sample.text for sample in texts))
    learned = (path for path in sorted(books.glob("*.txt")) if path.stem not in HELD_OUT)
    return novelty(
        written, [(path.name, plain(path.read_text("utf-8"))) for path in learned]
    )


def plain(text: str) -> str:
    """A text without what the styles of the pieces vary: lines, quotation marks, dashes."""
    straight = text.translate(str.maketrans("“”‘’—–", "\"\"''--")).replace("_", "")
    return " ".join(straight.split())


def card_of(
    saved: Checkpoint,
    minutes: float,
    bits: Mapping[str, float],
    rounding: float,
    copied: Novelty,
) -> str:
    """The description of the model, in Markdown."""
    score, train = saved.facts["score"], saved.facts["train"]
    shares = {length: share for length, share in copied.shares.items() if share is not None}
    return CARD.format(
        network=f"{saved.model.num_layers} x {saved.model.units} units",
        parameters=f"{saved.model.num_parameters:,}",
        minutes=f"{minutes:g}",
        read=f"{score['step'] * train['batch_size'] * train['seq_length']:,}",
        scores="\n".join(
            f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in bits.items()
        ),
        rounding=f"{max(rounding, 0):.4f}",
        written=f"{copied.num_chars:,}",
        shares="\n".join(
            f"- {percent(share, 1)} of all pieces of {length} characters"
            for length, share in shares.items()
        ),
        longest="" if copied.longest is None else longest_piece(copied.longest.piece),
    )


def longest_piece(piece: str) -> str:
    warning = "\n\n**It can copy a sentence.** Check what it writes: `textgen novelty`."
    is_long = len(piece) >= WARNING_CHARS
    return f"The longest has {len(piece)} characters: “{piece}”{warning * is_long}\n"


if __name__ == "__main__":
    main()
