"""Translate numbers into German words, and hold a small conversation.

    python examples/dialogue.py            needs keras-textgen[examples]

A pair is a record of a prompt and its completion. The model reads the prompt, and only the
completion is learned; it then completes prompts that it has never seen. Both data sets are
made, from the rules in this file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from example import Example, percent, run, table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

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
NUM_KNOWN = 500
"""Boats that the training text speaks of; the others are only asked for."""

NUMBER = "a number in German words"
WHERE = "where a boat is"
WHICH = "where a boat is, of two"
WHETHER = "whether a boat is there"
NEW = " (a new name)"
GUESSES = {NUMBER: 0.0, WHERE: 1 / 4, WHICH: 1 / 2, WHETHER: 1 / 2}
"""How often a guess is right: one of four places, of the two named, of yes and no."""

METHODS = ("loss on the completion", "loss on everything", "nearest pair", "a guess")
NUMBERS = {
    "epochs": 10,
    "seq_length": 48,
    "optimizer": "muon",
    "learning_rate": 0.02,
    "dropout": 0.0,
}
TALKS = {
    "epochs": 4,
    "attention": 96,
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "dropout": 0.1,
}
NUM_TUNED = 500
"""Held-out numbers on which these options were chosen; they are not asked for."""


class Pair(NamedTuple):
    """What is asked, in which words, and what is to be answered."""

    kind: str
    prompt: str
    completion: str


def main(arguments: list[str] | None = None) -> None:
    """Train the models, test them on what they have not seen, and write the page."""
    example = Example("dialogue", __doc__ or "", arguments)
    rng = np.random.default_rng(0)
    num_numbers, num_talks, num_asked = (
        (300, 300, 9) if example.quick else (3000, 4000, 1000)
    )
    drawn = rng.permutation(LIMIT)
    numbers = [Pair(NUMBER, str(number), in_german(number)) for number in drawn]
    held_out = numbers[num_numbers + NUM_TUNED :][:num_asked]
    names = bundled_corpus("boat_names.txt").read_text(encoding="utf-8").split("\n")
    boats = [name for name in names if name.isascii() and 4 <= len(name) <= 14]
    talks = conversations(rng, num_talks, boats[:NUM_KNOWN])
    asked = unseen(conversations(rng, 3 * num_asked, boats[:NUM_KNOWN]), talks)[:num_asked]
    fresh = conversations(rng, num_asked, boats[NUM_KNOWN:])
    asked += [pair._replace(kind=pair.kind + NEW) for pair in fresh]
    translator, translated = compared(
        *(example, "numbers", numbers[:num_numbers], held_out, NUMBERS)
    )
    speaker, answered = compared(example, "talks", talks, asked, TALKS)
    shares = translated | answered
    draw(shares, example.picture())
    rows = [[kind, *map(percent, found)] for kind, found in shares.items()]
    example.show(table(["exactly right", *METHODS], *rows), transcript(translator, speaker))


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


def conversations(rng: np.random.Generator, count: int, boats: Sequence[str]) -> list[Pair]:
    """Talks about one or two of the boats, up to a question and with its answer."""
    return [conversation(rng, boats) for _ in range(count)]


def unseen(asked: Sequence[Pair], known: Sequence[Pair]) -> list[Pair]:
    """Those whose prompt is none of the known ones.

    >>> unseen([Pair("", "1", "one"), Pair("", "2", "two")], [Pair("", "1", "one")])
    [Pair(kind='', prompt='2', completion='two')]
    """
    prompts = {pair.prompt for pair in known}
    return [pair for pair in asked if pair.prompt not in prompts]


def conversation(rng: np.random.Generator, boats: Sequence[str]) -> Pair:
    """A talk that says where one or two boats are, and then asks for one of them."""
    named = rng.choice(boats, rng.integers(1, 3), replace=False)
    places = rng.choice(PLACES, len(named), replace=False)
    turns = zip(named, places, strict=True)
    said = "".join(f"A: {boat} is {place}.\nB: I see.\n" for boat, place in turns)
    number = rng.integers(len(named))
    boat, place = named[number], places[number]
    if rng.random() < 0.3:
        others = [other for other in PLACES if other != place]
        is_there = rng.random() < 0.5
        supposed = place if is_there else rng.choice(others)
        question, answer = f"Is {boat} {supposed}?", "Yes." if is_there else "No."
        return Pair(WHETHER, f"{said}A: {question}", answer)
    kind = WHERE if len(named) == 1 else WHICH
    return Pair(kind, f"{said}A: Where is {boat}?", f"It is {place}.")


def compared(
    example: Example,
    name: str,
    known: Sequence[Pair],
    asked: Sequence[Pair],
    options: Mapping[str, Any],
) -> tuple[textgen.Generator, dict[str, list[float]]]:
    """Learn the known pairs in two ways, and ask for what was held out.

    Returns:
        the model of completions; and for each kind of question how many answers are
        exactly right: one share for each of `METHODS`.
    """
    records = [{"prompt": p.prompt, "completion": p.completion} for p in known]
    texts = [{"text": f"{p.prompt}\n{p.completion}"} for p in known]
    generator = trained(example, name, records, options)
    whole = trained(example, f"{name}-whole", texts, options)
    prompts = [pair.prompt for pair in asked]
    answers = (
        answered(generator, prompts),
        answered(whole, [f"{prompt}\n" for prompt in prompts]),
        nearest(known, prompts),
    )
    right = [
        [answer == pair.completion for answer, pair in zip(said, asked, strict=True)]
        for said in answers
    ]
    kinds = np.array([pair.kind for pair in asked])
    return generator, {
        kind: [
            *(float(np.mean(np.array(each)[kinds == kind])) for each in right),
            GUESSES[kind.removesuffix(NEW)],
        ]
        for kind in (each + new for new in ("", NEW) for each in GUESSES)
        if kind in kinds
    }


def trained(
    example: Example,
    name: str,
    records: Sequence[Mapping[str, str]],
    options: Mapping[str, Any],
) -> textgen.Generator:
    """The model of these records."""
    path = example.folder / f"{name}.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    best = textgen.train(
        *(path, example.folder / name),
        documents="records",
        num_layers=1,
        units=8 if example.quick else 128,
        batch_size=16,
        memory=0,
        overwrite=True,
        preview=False,
        quiet=example.quick,
        **{**options, **({"epochs": 1} if example.quick else {})},
    )
    return textgen.Generator.load(best)


def answered(generator: textgen.Generator, prompts: Sequence[str]) -> list[str]:
    """The likeliest character each time: an answer is to be right, not varied."""
    samples = generator.samples(prompts, seed=0, length=80, temperature=0)
    return [sample.text for sample in samples]


def nearest(known: Sequence[Pair], prompts: Sequence[str]) -> list[str]:
    """The completion of the known prompt that shares the most n-grams with each."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 6))
    vectors = vectorizer.fit_transform([pair.prompt for pair in known])
    neighbours = NearestNeighbors(n_neighbors=1, metric="cosine").fit(vectors)
    found = neighbours.kneighbors(vectorizer.transform(prompts), return_distance=False)
    return [known[place].completion for place in found[:, 0]]


def transcript(translator: textgen.Generator, speaker: textgen.Generator) -> str:
    """What both models say to prompts that show what they can and cannot do."""
    asked = [
        (translator, "4711"),
        (translator, "12345"),
        (speaker, "A: Grey Mitten is in the yard.\nB: I see.\nA: Where is Grey Mitten?"),
        (speaker, "A: What is the weather like?"),
    ]
    settings: dict[str, Any] = {"length": 80, "temperature": 0, "echo": True}
    return (
        "```text\n"
        + "\n\n".join(model.generate(prompt, **settings) for model, prompt in asked)
        + "\n```"
    )


def draw(shares: Mapping[str, Sequence[float]], path: Path) -> None:
    """The shares of right answers as bars, a group for each kind of question."""
    figure, axes = plt.subplots(figsize=(7, 5))
    places = np.arange(len(shares))[::-1]
    for number, method in enumerate(METHODS):
        values = [100 * found[number] for found in shares.values()]
        bars = axes.barh(places + 0.3 - 0.2 * number, values, 0.2, label=method)
        axes.bar_label(bars, fmt="%.0f", fontsize=7, padding=2)
    axes.set_yticks(places, list(shares))
    axes.set(xlabel="exactly right in %", xlim=(0, 108))
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, 1.12), ncols=4, fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(main)
