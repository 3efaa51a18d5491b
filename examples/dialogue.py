"""Translate numbers into German words, and hold a small conversation.

    python examples/dialogue.py            needs keras-textgen[examples]

A pair is a document: what is given, a separator, and what follows. The model continues a
prompt that ends with the separator until the document, or the turn, ends. Both data sets
are made, from the rules in this file; what is tested on was never seen in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example import Example, percent, run, table

import textgen
from textgen.corpora.bundled import bundled_corpus

SMALL = [
    "null",
    "ein",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
]
TENS = [
    "zwanzig",
    "dreißig",
    "vierzig",
    "fünfzig",
    "sechzig",
    "siebzig",
    "achtzig",
    "neunzig",
]
PLACES = ("at the quay", "in the yard", "out at sea", "behind the Heron Rock")
LIMIT = 10_000
NUM_KNOWN = 100
"""Boats that the training text speaks of."""


def main(arguments: list[str] | None = None) -> None:
    """Train both models, test them on what they have not seen, and write the page."""
    example = Example("dialogue", __doc__ or "", arguments)
    rng = np.random.default_rng(0)
    counts = (300, 5) if example.quick else (3000, 200)
    numbers = rng.permutation(LIMIT)[: sum(counts)]
    pairs = [(f"{number}=", in_german(number)) for number in numbers]
    translator, right = learned(example, "translation", pairs, counts, epochs=40)
    draw(numbers[counts[0] :], right, example.picture())
    names = bundled_corpus("boat_names.txt").read_text(encoding="utf-8").split("\n")
    boats = [name for name in names if name.isascii() and 4 <= len(name) <= 14]
    talks = conversations(rng, sum(counts), boats[:NUM_KNOWN])
    talks += conversations(rng, counts[1], boats[NUM_KNOWN:])
    speaker, answered = learned(example, "chat", talks, counts, epochs=8)
    known, fresh = np.split(answered, [counts[1]])
    rows = [
        ["a number in German words", percent(right.mean()), "0.0 %"],
        ["where a boat is that the text speaks of", percent(known.mean()), "25.0 %"],
        ["where a boat is that it does not know", percent(fresh.mean()), "25.0 %"],
    ]
    header = ["exactly right", f"of {counts[1]} held out", "best without a model"]
    example.show(table(header, *rows), transcript(translator, speaker))


def in_german(number: int) -> str:
    """The German name of a number from 0 to 9,999, as one word.

    >>> in_german(1), in_german(21), in_german(4711)
    ('eins', 'einundzwanzig', 'viertausendsiebenhundertelf')
    """
    word = _prefix(int(number))
    return word + "s" if number % 100 == 1 else word


def _prefix(number: int) -> str:
    """The name as it stands before another word: ein, not eins."""
    for unit, name in ((1000, "tausend"), (100, "hundert")):
        if number >= unit:
            count, rest = divmod(number, unit)
            return _prefix(count) + name + (_prefix(rest) if rest else "")
    if number < len(SMALL):
        return SMALL[number]
    tens, ones = divmod(number, 10)
    if tens == 1:
        return {6: "sech", 7: "sieb"}.get(ones, SMALL[ones]) + "zehn"
    return (SMALL[ones] + "und" if ones else "") + TENS[tens - 2]


def conversations(
    rng: np.random.Generator, count: int, boats: Sequence[str]
) -> list[tuple[str, str]]:
    """What is said before the last answer, and that answer, about any of the boats."""
    talks = []
    for boat in rng.choice(boats, count):
        place, other = rng.choice(PLACES, 2, replace=False)
        said = f"A: {boat} is {place}.\nB: I see.\n"
        if rng.random() < 0.5:
            said += f"A: Is {boat} {other}?\nB: No.\n"
        talks.append((f"{said}A: Where is {boat}?\nB: ", f"{boat} is {place}."))
    return talks


def learned(
    example: Example,
    name: str,
    pairs: Sequence[tuple[str, str]],
    counts: tuple[int, int],
    epochs: int,
) -> tuple[textgen.Generator, np.ndarray]:
    """Train on the first pairs; return the model, and which of the others it gets right."""
    num_train, _ = counts
    path = example.folder / f"{name}.txt"
    path.write_text("\n\n".join(map("".join, pairs[:num_train])), encoding="utf-8")
    best = textgen.train(
        *(path, example.folder / name),
        overwrite=True,
        documents="paragraphs",
        num_layers=1,
        units=8 if example.quick else 192,
        batch_size=16,
        epochs=1 if example.quick else epochs,
        memory=0,
        preview=False,
        quiet=example.quick,
    )
    generator = textgen.Generator.load(best)
    prompts, answers = zip(*pairs[num_train:], strict=True)
    # The most likely character each time: an answer is to be right, not varied.
    said = generator.samples(prompts, seed=0, length=80, temperature=0, until="line")
    right = [
        sample.text.strip() == answer for sample, answer in zip(said, answers, strict=True)
    ]
    return generator, np.array(right)


def transcript(translator: textgen.Generator, speaker: textgen.Generator) -> str:
    """What both models say to prompts that show what they can and cannot do."""
    prompts = ["4711=", "12345="]
    talks = [
        "A: Grey Mitten is in the yard.\nB: I see.\nA: Where is Grey Mitten?\nB:",
        "A: What is the weather like?\nB:",
    ]
    settings = {"length": 80, "temperature": 0, "until": "line"}
    lines = [p + translator.generate(p, **settings).strip() for p in prompts]
    lines += [p + speaker.generate(p, **settings).strip() for p in talks]
    return "```text\n" + "\n\n".join(lines) + "\n```"


def draw(numbers: np.ndarray, right: np.ndarray, path: Path) -> None:
    """The share of held-out numbers that is right, for each number of thousands."""
    thousands = numbers // 1000
    shares = [
        100 * right[thousands == t].mean() if t in thousands else 0 for t in range(10)
    ]
    figure, axes = plt.subplots(figsize=(7, 2.6))
    bars = axes.bar(range(10), shares)
    axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set(xlabel="thousands of the number", ylabel="exactly right in %", ylim=(0, 110))
    axes.set_xticks(range(10))
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(main)
