"""Made texts that cannot be predicted without memory: an answer is far from its cause.

Both consist of prompts with completions, so the loss counts nothing but the answers. Short
distances are as frequent as long ones ten times their length, as in `examples/recall.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import numpy as np

CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">", '"': '"', "'": "'"}
SENTENCE = "the sea was calm and they had rowed all night to find one more island"
SYMBOLS, NOISE = "ABCDEFGH", "stuvwxyz"

Record = tuple[str, str]
"""A prompt and its completion, one character."""


def brackets(rng: np.random.Generator) -> Record:
    """A bracket or a quotation mark that is to be closed after 50 to 500 characters."""
    opening = str(rng.choice(list(CLOSING)))
    distance = drawn(rng, 50, 500)
    words = " ".join(rng.choice(SENTENCE.split(), distance))[: distance - 1]
    return f"{opening}{words}", CLOSING[opening]


def recall(rng: np.random.Generator) -> Record:
    """One of eight symbols, 10 to 400 characters of noise, and a question."""
    symbol = str(rng.choice(list(SYMBOLS)))
    noise = "".join(rng.choice(list(NOISE), drawn(rng, 10, 400)))
    return f"{symbol}{noise}?", symbol


MEMORY_TEXTS: dict[str, Callable[[np.random.Generator], Record]] = {
    "brackets": brackets,
    "recall": recall,
}


def drawn(rng: np.random.Generator, least: int, most: int) -> int:
    """A distance whose logarithm is uniform."""
    return round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))


def records(name: str, num_chars: int, seed: int) -> Iterator[str]:
    """About as many characters, as lines of JSON."""
    rng = np.random.default_rng(seed)
    written = 0
    while written < num_chars:
        prompt, completion = MEMORY_TEXTS[name](rng)
        written += len(prompt) + len(completion)
        yield json.dumps({"prompt": prompt, "completion": completion}) + "\n"
