"""Beam search against all texts there are."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.generation.models import ABC, LETTERS, log_probability, random_model
from textgen.errors import ConfigError
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer

DOCUMENTS = CharTokenizer("ab", end_of_document=True)


def best_texts(generator: Generator, prompt: str, length: int) -> list[str]:
    """All texts of this length, the most likely first."""
    tokenizer = generator.tokenizer
    every = itertools.product(range(tokenizer.vocab_size), repeat=length)
    ranked = sorted(every, key=lambda ids: -log_probability(generator, prompt, list(ids)))
    return [tokenizer.decode(ids) for ids in ranked]


def test_a_wide_beam_finds_the_most_likely_texts_of_all() -> None:
    generator = random_model(ABC, scale=0.5)
    found = [s.text for s in generator.samples("ab", 5, length=4, beam_width=256)]
    assert found == best_texts(generator, "ab", 4)[:5]


def test_a_beam_of_one_is_greedy() -> None:
    generator = random_model(ABC)
    greedy = generator.generate("ab", temperature=0, length=30)
    assert generator.generate("ab", beam_width=1, length=30) == greedy


def test_a_wider_beam_finds_a_likelier_text() -> None:
    generator = random_model(LETTERS, scale=0.5)
    totals = []
    for width in (1, 4, 32):
        found = generator.samples(list("abcdefgh"), beam_width=width, length=8, logprobs=0)
        totals.append(sum(sample.logprob for sample in found))
    assert totals[0] < totals[1] < totals[2]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
def test_ended_texts_are_compared_by_their_normalised_log_probability(
    length_penalty: float,
) -> None:
    generator = random_model(DOCUMENTS, scale=0.9)
    every = [
        [*(1 + np.array(ids, int)), 0]
        for size in range(5)
        for ids in itertools.product(range(2), repeat=size)
    ]
    # Those without an end have reached the length.
    every += [[*(1 + np.array(ids))] for ids in itertools.product(range(2), repeat=5)]
    assert len(every) == 63

    def value(ids: list[int]) -> float:
        return (
            log_probability(generator, "", list(map(int, ids))) / len(ids) ** length_penalty
        )

    best = max(every, key=value)
    (found,) = generator.samples(
        "", beam_width=64, length=5, length_penalty=length_penalty, logprobs=0
    )
    # All candidates fit into the beam.
    assert found.text == DOCUMENTS.decode(list(map(int, best)))
    assert (found.finish_reason == "document") == (best[-1] == 0)


def test_beams_come_best_first_with_numbers_of_their_own() -> None:
    samples = list(
        random_model(ABC).samples(["a", "b"], 3, beam_width=4, length=6, logprobs=0)
    )
    assert [s.number for s in samples] == list(range(6))
    for first in (0, 3):
        values = [s.logprob for s in samples[first : first + 3]]
        assert values == sorted(values, reverse=True)


def test_beam_search_needs_no_seed() -> None:
    generator = random_model(ABC)
    one, other = (generator.generate("a", beam_width=3, seed=seed) for seed in (1, 2))
    assert one == other


def test_the_stream_of_a_search_is_one_piece() -> None:
    assert len(list(random_model(ABC).stream("a", beam_width=2, length=9))) == 1
    assert list(random_model(ABC).stream("a", beam_width=2, length=0)) == []


def test_every_text_is_found_once() -> None:
    # After "a" any character could follow the end of the sentence.
    generator = random_model(CharTokenizer("\n a.!"), scale=0.2)
    options = {"beam_width": 6, "until": "sentence", "length": 40}
    texts = [sample.text for sample in generator.samples("a", 6, **options)]
    assert len(texts) == len(set(texts)) > 1
    stopped = [s.text for s in generator.samples("", 6, beam_width=6, stop=("a", ".", "!"))]
    assert len(stopped) == len(set(stopped)) > 1


def test_a_search_for_no_characters_finds_the_empty_text() -> None:
    samples = list(random_model(ABC).samples("a", 3, beam_width=3, length=0, logprobs=0))
    assert [(s.text, s.finish_reason, s.logprob) for s in samples] == [("", "length", 0.0)]


@pytest.mark.parametrize("length_penalty", [-10.0, 10.0])
def test_an_extreme_length_penalty_is_no_crash(length_penalty: float) -> None:
    generator = random_model(ABC)
    text = generator.generate(beam_width=2, length=300, length_penalty=length_penalty)
    assert len(text) == 300


def test_penalties_hold_in_a_search() -> None:
    text = random_model(ABC).generate("", beam_width=3, length=40, no_repeat_ngram_size=3)
    trigrams = [text[i : i + 3] for i in range(len(text) - 2)]
    assert len(trigrams) == len(set(trigrams)) > 0


@pytest.mark.parametrize(
    "options", [{"top_k": 3}, {"top_p": 0.5}, {"min_p": 0.1}, {"temperature": 0.5}]
)
def test_settings_that_only_make_sense_for_drawing_are_refused(
    options: dict[str, Any],
) -> None:
    with pytest.raises(ConfigError, match="instead of sampling, so"):
        random_model(ABC).generate(beam_width=2, **options)
