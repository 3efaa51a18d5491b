"""Particles against all texts there are, and together with every other setting."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tests.generation.models import ABC, LETTERS, random_model, read_whole, writes
from textgen.config.sampling import SamplingConfig
from textgen.errors import ConfigError
from textgen.generation.generator import Generator
from textgen.generation.sampling.filters import log_softmax, make_filters
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

LENGTH = 4
NUM_TEXTS = 250
DOCUMENTS = CharTokenizer("abc", end_of_document=True)
TOY = random_model(ABC, scale=0.7)
ENDING = random_model(DOCUMENTS, scale=0.7)
BYTES = random_model(ByteTokenizer(), scale=0.15)
MIXED = Generator.mix([TOY, random_model(ABC, scale=0.4)], [0.6, 0.4])


def conditional(
    generator: Generator,
    pattern: str | None = None,
    allow: str = "\nabc",
    forbid: str = "",
    **settings: Any,
) -> dict[str, float]:
    """The probability of every text, given that it fits: each is written out in full."""
    tokenizer = generator.tokenizer
    eod = tokenizer.eod_id
    letters = {c: tokenizer.encode(c)[0].item() for c in "\nabc"[eod is not None :]}
    found: dict[str, float] = {}

    def visit(text: str, prob: float) -> None:
        follows = probabilities(generator, [letters[c] for c in text], **settings)
        if pattern is None:
            ends = 1.0 if len(text) == LENGTH else 0.0 if eod is None else follows[eod]
        elif not re.fullmatch(pattern, text):
            ends = 0.0
        elif eod is not None:
            ends = follows[eod]
        else:
            ends = 1.0 - sum(
                follows[letters[c]] for c in letters if may_match(pattern, text + c)
            )
        if ends > 0:
            found[text] = prob * ends
        for c in letters if len(text) < LENGTH else ():
            if c in allow and c not in forbid:
                visit(text + c, prob * follows[letters[c]])

    visit("", 1.0)
    total = sum(found.values())
    return {text: prob / total for text, prob in found.items()}


def may_match(pattern: str, begun: str) -> bool:
    """Whether some text that begins so matches."""
    tails = itertools.chain.from_iterable(
        itertools.product("\nabc", repeat=size) for size in range(LENGTH)
    )
    return any(re.fullmatch(pattern, begun + "".join(tail)) for tail in tails)


def probabilities(
    generator: Generator, ids: list[int], frequency_penalty: float = 0.0, **settings: Any
) -> np.ndarray:
    """Of the next id, without constraints."""
    network, tokenizer = generator._network, generator.tokenizer
    start = tokenizer.start_id if tokenizer.eod_id is None else tokenizer.eod_id
    rows, _ = read_whole(network, [start, *ids], network.initial_state())
    logits = rows[-1].astype(np.float64)
    for written, count in Counter(ids).items():
        logits[written] -= count * frequency_penalty
    config = SamplingConfig(**settings)
    for each in make_filters(config, settings["temperature"]):
        logits = each(logits)
    return np.exp(log_softmax(logits))


def surplus(drawn: list[str], expected: dict[str, float]) -> float:
    """Chi-squared against `expected`, as standard deviations above its mean."""
    assert set(drawn) <= set(expected)
    counts = Counter(drawn)
    means = {text: prob * len(drawn) for text, prob in expected.items()}
    usual = [text for text, mean in means.items() if mean >= 5]
    pairs = [(counts[text], means[text]) for text in usual]
    rest = sum(counts.values()) - sum(count for count, _ in pairs)
    pairs.append((rest, max(len(drawn) - sum(mean for _, mean in pairs), 1e-9)))
    assert len(pairs) > 5, "too few different texts for a test"
    statistic = sum((count - mean) ** 2 / mean for count, mean in pairs if mean > 1)
    degrees = len(pairs) - 1
    return float((statistic - degrees) / np.sqrt(2 * degrees))


def drawn_texts(generator: Generator, particles: int, **settings: Any) -> list[str]:
    samples = generator.samples(
        "", NUM_TEXTS, seed=1, length=LENGTH, particles=particles, **settings
    )
    return [sample.text for sample in samples]


CASES = {
    "what comes next ends the match": (TOY, {"pattern": "[abc]+b?"}),
    "the end of the document": (ENDING, {"pattern": "[ab]+|c*"}),
    "a mask alone, cut off at the length": (random_model(ABC, scale=2.0), {"forbid": "b"}),
    "a mask and documents": (random_model(DOCUMENTS, scale=2.0), {"allow": "bc"}),
    "a forbidden character does not end a match": (
        TOY,
        {"pattern": "[abc]*a[bc]*", "forbid": "c"},
    ),
    "filters": (TOY, {"pattern": "[ab]+c*|c+[ab]*", "top_k": 3}),
    "penalties": (TOY, {"pattern": "[abc]*(ab|ca)", "frequency_penalty": 1.5}),
    "several models": (MIXED, {"pattern": "(a|b)+c*"}),
    "bytes": (BYTES, {"pattern": "[abc]{2,3}c"}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_text_is_as_probable_as_without_the_constraint_given_that_it_fits(
    name: str,
) -> None:
    generator, settings = CASES[name]
    settings = {"temperature": 1.2, **settings}
    expected = conditional(generator, **settings)
    assert surplus(drawn_texts(generator, 32, **settings), expected) < 3.5
    # A mask alone gives another distribution, or these cases would show nothing.
    masked = [text for text in drawn_texts(generator, 1, **settings) if text in expected]
    assert "pattern" not in settings or surplus(masked, expected) > 10


def test_text_between_the_ends_of_a_match_is_as_long_as_the_model_makes_it() -> None:
    tokenizer = CharTokenizer("\nab.")
    generator = random_model(tokenizer, scale=0.3)
    masked = [
        s.text for s in generator.samples("", 9, seed=0, pattern="a[ab]*", particles=1)
    ]
    # A mask knows of no end but the length.
    assert {len(text) for text in masked} == {500}
    steered = [s.text for s in generator.samples("", 9, seed=0, pattern="a[ab]*")]
    assert max(map(len, steered)) < 30


# --- together with everything else ---


def test_a_text_depends_on_its_seed_and_number_alone() -> None:
    def texts(batch_size: int) -> list[str]:
        samples = TOY.samples(
            ["a", "", "bc"], 2, seed=3, length=12, pattern="[abc]*a", batch_size=batch_size
        )
        return [sample.text for sample in samples]

    assert len(set(texts(1))) > 3
    assert texts(1) == texts(64)
    first = TOY.generate("a", seed=3, length=12, pattern="[abc]*a")
    assert (
        first
        == texts(64)[0]
        == "".join(TOY.stream("a", seed=3, length=12, pattern="[abc]*a"))
    )


def test_one_particle_writes_what_a_mask_alone_writes() -> None:
    options: dict[str, Any] = {"particles": 1, "temperature": 0.8, "length": 12, "seed": 3}
    assert TOY.generate(pattern="[abc]*a", **options) == "abcbabbbcaba"
    assert TOY.generate(forbid="a", **options) == "\n\nbb\nbb\nb\nbb"


def test_characters_are_shown_as_soon_as_all_particles_agree() -> None:
    certain = writes("abcdefgh").stream(pattern="[a-h]{20}", seed=0)
    assert list(certain) == list("abcdefghabcdefghabcd")
    pieces = TOY.stream(pattern="aaa[ab]{30}", seed=0)
    assert [next(pieces) for _ in range(3)] == ["a", "a", "a"]
    assert len("".join(pieces)) == 30


def test_a_long_text_is_shown_while_it_is_written() -> None:
    # Hardly restricted, so that the particles have no reason to agree.
    generator = random_model(LETTERS, scale=0.1)
    pieces = generator.stream(forbid="a", length=10**9, seed=0)
    shown = "".join(itertools.islice(pieces, 3))
    assert len(shown) > 300
    assert "a" not in shown


@pytest.mark.parametrize("generator", [TOY, ENDING, BYTES, MIXED])
@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 1},
        {"top_p": 0.1, "temperature": (1.0, 0)},
        {"min_length": 9},
        {"repetition_penalty": 1.5, "dry_multiplier": 1.0, "dry_allowed_length": 1},
        {"typical_p": 0.2, "forbid": "c"},
    ],
)
def test_every_text_matches_whatever_the_settings(
    generator: Generator, options: dict[str, Any]
) -> None:
    texts = [
        sample.text
        for sample in generator.samples(
            "a", 3, seed=0, length=11, pattern="(ab|b|c)+a?", **options
        )
    ]
    for text in texts:
        assert re.fullmatch("(ab|b|c)+a?", text)
        assert options.get("min_length", 1) <= len(text) <= 11
        assert "c" not in text or "forbid" not in options


def test_stop_texts_units_and_missing_choices_end_a_restricted_text() -> None:
    def sample(**options: Any) -> Any:
        (found,) = TOY.samples("a", seed=0, length=60, **options)
        return found

    assert sample(forbid="b", stop="ca").finish_reason == "stop"
    assert "ca" not in sample(forbid="b", stop="ca").text
    assert sample(forbid="b", until="line").finish_reason == "until"
    assert sample(forbid="b", no_repeat_ngram_size=1).finish_reason == "no_choice"
    assert sample(pattern="ab").finish_reason == "pattern"
    assert sample(pattern="(?s).*").finish_reason == "length"
    assert sample(pattern="[abc]{60}").finish_reason == "length"
    assert sample(allow="ab").finish_reason == "length"


def test_log_probabilities_are_those_of_the_text_that_is_drawn() -> None:
    samples = TOY.samples("a", 3, seed=0, length=9, pattern="[abc]+\n[ab]+", logprobs=2)
    for sample in samples:
        assert "".join(entry["symbol"] for entry in sample.logprobs) == sample.text
        rows, _ = read_whole(
            TOY._network,
            TOY.tokenizer.encode("a" + sample.text),
            TOY._network.initial_state(),
        )
        own = log_softmax(rows.astype(np.float64))
        ids = TOY.tokenizer.encode(sample.text)
        expected = own[np.arange(len(ids)), ids].sum()
        assert sample.logprob == pytest.approx(expected, abs=1e-4)


def test_no_length_gives_no_text() -> None:
    assert TOY.generate(pattern="a*", length=0) == ""


# --- settings ---


def test_what_draws_nothing_has_one_particle() -> None:
    assert SamplingConfig().num_particles == 1
    assert SamplingConfig(pattern="a").num_particles == 16
    assert SamplingConfig(forbid="a", particles=4).num_particles == 4
    assert SamplingConfig(pattern="a", temperature=0).num_particles == 1
    assert SamplingConfig(pattern="a", beam_width=2).num_particles == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "particles has no effect without pattern, allow or forbid. Set one"),
        ({"pattern": "a", "beam_width": 2}, "particles has no effect with beam_width, "),
        ({"allow": "a", "temperature": 0}, "particles has no effect with temperature=0, "),
    ],
)
def test_particles_that_would_have_no_effect_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        SamplingConfig(particles=8, **settings)
