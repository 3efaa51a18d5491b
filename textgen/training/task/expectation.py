"""What score a run can be expected to reach, foreseen before it trains.

Counts of n-grams tell in a second how predictable a text is. How far below them a network
gets depends on how much it reads, and how much of that is new.
"""

from __future__ import annotations

import math

import numpy as np

from textgen.config.sizes import SIZES
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel
from textgen.ngrams.tables import NOTHING, contexts_of
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.training.task.task import Task

ORDER = 5
MOST_COUNTED = 1 << 18
LEAST_SCORED, MOST_SCORED = 500, 1 << 15

COEFFICIENTS = (0.008, -0.046, 0.007, -0.112, -0.013, -0.066, -0.214)
"""Of `features`; fitted by benchmarks/expectation.py."""

LEAST_READ, MOST_READ = 2e5, 1e7
LEAST_TEXT, MOST_TEXT = 1.5e4, 1e6
"""Characters beyond which little or nothing was measured."""

LEAST_BITS = 1.5
"""What n-grams predict better is no prose, and networks learn such text by heart."""


def expected_bits(task: Task, num_chars: float) -> float | None:
    """Bits per character of the held-out text that the usual options reach.

    Mostly within 5 % for English text, where the options are those that are chosen for the
    text and the time; measured by benchmarks/expectation.py.

    Args:
        num_chars: characters that the network reads, every pass counted.

    Returns:
        None if the text is no prose (see `LEAST_BITS`), or the network reads less than
        any that was measured, and has hardly begun to learn.
    """
    if num_chars < LEAST_READ:
        return None
    bits = ngram_bits(task)
    if bits < LEAST_BITS:
        return None
    units = task.model.num_layers * task.model.units
    ratio = np.dot(COEFFICIENTS, features(bits, task.num_chars[0], num_chars, units))
    return float(bits * 2.0**ratio)


def is_usual(task: Task) -> bool:
    """Whether `expected_bits` knows tasks of this kind: one text and a usual network.

    A few words of held-out text tell nothing about the rest.
    """
    model = task.model
    sizes = {(size["num_layers"], size["units"]) for size in SIZES.values()}
    is_drawn = (model.num_layers, model.units) not in sizes or model.cell != "lstm"
    is_one_text = task.text.documents == "whole" and len(task.val_ids) > LEAST_SCORED
    return is_one_text and not is_drawn and task.base is None


def features(bits: float, text_chars: int, chars_read: float, units: int) -> list[float]:
    """What the logarithm of the ratio of both scores is linear in.

    Args:
        bits: per character, under the n-grams.
        text_chars: the length of the training text.
        units: of all layers.
    """
    read = math.log2(min(chars_read, MOST_READ) / 1e6)
    length = math.log2(min(max(text_chars, LEAST_TEXT), MOST_TEXT) / 1e6)
    size = math.log2(units / 256)
    return [1.0, read, read**2, length, length**2, size, math.log2(bits)]


def ngram_bits(task: Task) -> float:
    """Bits per character of the held-out text under n-grams of the training text."""
    bits = bits_of_ngrams(task.windows.ids, task.val_ids, task.tokenizer)
    return bits * task.ids_per_char[1]


def bits_of_ngrams(ids: np.ndarray, held_out: np.ndarray, tokenizer: Tokenizer) -> float:
    """Bits per id of a held-out text under n-grams of another.

    Args:
        ids: the text that is counted, or the beginning of it.
        held_out: the text that is scored, likewise.
    """
    boundary = tokenizer.eod_id
    counted = count_ngrams(
        ids[:MOST_COUNTED], tokenizer.vocab_size, ORDER, boundary=boundary
    )
    held_out = np.asarray(held_out[: MOST_SCORED + 1])
    contexts = contexts_of(held_out[:-1], [NOTHING] * (ORDER - 1), boundary)
    probs = NgramModel(counted).probs_of(contexts, held_out[1:])
    return float(-np.log2(probs).mean())
