"""Many texts at once: streams of their own, reasons to end, log-probabilities."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tests.generation.models import (
    ABC,
    LETTERS,
    chain_model,
    random_model,
    read_whole,
    writes,
)
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError, ConfigError
from textgen.generation.generator import Generator
from textgen.generation.sampling.filters import log_softmax
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

DOCUMENTS = CharTokenizer("abc", end_of_document=True)


def texts(generator: Generator, *arguments: Any, **options: Any) -> list[str]:
    return [sample.text for sample in generator.samples(*arguments, **options)]


# --- random streams ---


def test_the_first_sample_is_the_text_that_generate_writes() -> None:
    generator = random_model(LETTERS, scale=0.1)
    (first, _) = texts(generator, "ab", 2, seed=7, length=60)
    assert first == generator.generate("ab", seed=7, length=60)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize(
    "options", [{}, {"top_p": 0.9}, {"typical_p": 0.9, "top_k": 5}, {"dry_multiplier": 1.0}]
)
def test_what_else_is_in_the_batch_does_not_change_a_text(
    batch_size: int, options: dict[str, Any]
) -> None:
    generator = random_model(LETTERS, scale=0.1)
    prompts = ["a", "", "abcabc", "gh"]
    alone = texts(generator, prompts, 2, seed=3, length=30, batch_size=1, **options)
    assert len(set(alone)) == 8
    together = texts(
        generator, prompts, 2, seed=3, length=30, batch_size=batch_size, **options
    )
    assert together == alone


def test_texts_of_one_prompt_differ_and_come_again_with_the_seed() -> None:
    generator = random_model(LETTERS, scale=0.1)
    assert len(set(texts(generator, "a", 10, seed=0, length=40))) == 10
    assert texts(generator, "a", 10, seed=0) == texts(generator, "a", 10, seed=0)
    assert texts(generator, "a", 2, seed=0) != texts(generator, "a", 2, seed=1)


def test_a_seed_that_was_not_given_is_named_and_repeats_the_text() -> None:
    generator = random_model(LETTERS, scale=0.1)
    (sample,) = generator.samples("a", length=40)
    assert generator.generate("a", seed=sample.seed, length=40) == sample.text


def test_samples_come_in_order_with_their_numbers_and_prompts() -> None:
    samples = list(random_model(ABC).samples(["a", "b"], 2, length=3, batch_size=3))
    assert [(s.number, s.prompt) for s in samples] == [
        (0, "a"),
        (1, "a"),
        (2, "b"),
        (3, "b"),
    ]


def test_no_prompts_give_no_samples() -> None:
    assert list(random_model(ABC).samples([])) == []


# --- what ends a text ---


def test_each_text_says_what_ended_it() -> None:
    def reason(generator: Generator, **options: Any) -> str:
        (sample,) = generator.samples(**options)
        return sample.finish_reason

    assert reason(writes("abc"), length=5) == "length"
    assert reason(writes("abc"), length=0) == "length"
    assert reason(writes("abc"), stop="bc") == "stop"
    assert reason(chain_model(ABC, {0: 1, 1: 0}), until="line") == "until"
    ends = chain_model(DOCUMENTS, {0: 1, 1: 0})
    assert reason(ends) == "document"
    assert reason(ends, until="document") == "document"
    assert reason(writes("abc"), pattern="ab?") == "pattern"
    assert reason(writes("abc"), no_repeat_ngram_size=1) == "no_choice"


def test_texts_of_one_batch_may_end_at_different_places() -> None:
    tokenizer = CharTokenizer("abcd", end_of_document=True)
    generator = chain_model(tokenizer, {0: 4, 4: 3, 3: 2, 2: 1, 1: 0})
    assert texts(generator, ["b", "d", "", "a"]) == ["a", "cba", "dcba", ""]


def test_a_text_for_which_no_character_is_left_ends_and_keeps_what_it_has() -> None:
    generator = random_model(ABC)
    (sample,) = generator.samples("ab", no_repeat_ngram_size=1, stop="zzz")
    # The prompt counts, so two characters are left.
    assert sorted(sample.text) == ["\n", "c"]
    assert sample.finish_reason == "no_choice"


# --- constraints ---


def test_allowed_and_forbidden_characters_hold() -> None:
    generator = random_model(LETTERS, scale=0.1)
    assert set(generator.generate(allow="abc", length=200)) == set("abc")
    assert set(generator.generate(forbid="\nabc", length=200)) == set("defgh")
    assert set(generator.generate(allow="abcd", pattern="[cdef]{200}", length=200)) == set(
        "cd"
    )


def test_a_byte_model_is_held_to_characters() -> None:
    generator = random_model(ByteTokenizer(), scale=0.01)
    text = generator.generate(allow="aé€😀", length=60, seed=1)
    assert set(text) == set("aé€😀")
    assert len(text) == 60


@pytest.mark.parametrize("tokenizer", [LETTERS, ByteTokenizer()])
@pytest.mark.parametrize("beam_width", [None, 3])
def test_the_new_text_matches_the_pattern_and_the_lengths(
    tokenizer: Any, beam_width: int | None
) -> None:
    generator = random_model(tokenizer, scale=0.05)
    options = {"length": 23, "min_length": 9, "beam_width": beam_width}
    for text in texts(
        generator, "", 3, pattern="(ab|[c-e]{3})+f", unknown="skip", **options
    ):
        assert re.fullmatch("(ab|[c-e]{3})+f", text)
        assert 9 <= len(text) <= 23


def test_the_model_ends_a_document_only_where_the_pattern_matches() -> None:
    ends = chain_model(DOCUMENTS, {0: 1, 1: 0, 2: 0, 3: 0})
    assert ends.generate(pattern="a[bc]{3}") in {"abbb", "accc"} | {
        "a" + x + y + z for x in "bc" for y in "bc" for z in "bc"
    }
    assert ends.generate(pattern="ab*") == "a"


# --- labels ---


def labelled_model() -> Generator:
    tokenizer = CharTokenizer("ab", end_of_document=True, labels=("x", "y"))
    # Ids: 0 end, 1 x, 2 y, 3 a, 4 b.
    return chain_model(tokenizer, {0: 2, 1: 3, 2: 4, 3: 0, 4: 0})


def test_a_label_is_read_before_the_text_and_never_written() -> None:
    generator = labelled_model()
    assert generator.generate(label="x") == "a"
    assert generator.generate(label="y") == "b"
    assert generator.generate("b", label="x") == ""


def test_without_a_label_the_model_chooses_one() -> None:
    assert labelled_model().generate() == "b"
    even = random_model(
        CharTokenizer("ab", end_of_document=True, labels=("x", "y")), scale=0.01
    )
    assert set("".join(texts(even, "", 50, length=5))) == {"a", "b"}


def test_a_sample_names_its_label_asked_for_or_drawn() -> None:
    (asked,) = labelled_model().samples(label="x")
    (drawn,) = labelled_model().samples()
    (without,) = writes("abc").samples()
    assert (asked.label, drawn.label, without.label) == ("x", "y", None)
    assert drawn.to_dict()["label"] == "y"
    assert "label" not in without.to_dict()


def test_a_label_the_model_does_not_know_is_an_error_that_names_those_it_does() -> None:
    with pytest.raises(Exception, match=r"'z'.*x.*y"):
        labelled_model().generate(label="z")
    with pytest.raises(Exception, match="label"):
        writes("abc").generate(label="x")


# --- log-probabilities ---


def test_log_probabilities_are_those_of_the_model_alone() -> None:
    generator = random_model(LETTERS, scale=0.3)
    (sample,) = generator.samples(
        "ab", length=12, temperature=0.3, top_k=3, logprobs=2, seed=1
    )
    network, tokenizer = generator._network, generator.tokenizer
    logits, state = read_whole(network, tokenizer.encode("ab"), network.initial_state())
    rows, _ = read_whole(network, tokenizer.encode(sample.text), state)
    expected = log_softmax(np.vstack([logits[-1:], rows[:-1]]).astype(np.float64))
    ids = tokenizer.encode(sample.text)
    assert [e["id"] for e in sample.logprobs] == ids.tolist()
    assert [e["symbol"] for e in sample.logprobs] == list(sample.text)
    own = expected[np.arange(12), ids]
    np.testing.assert_allclose([e["logprob"] for e in sample.logprobs], own, rtol=1e-5)
    assert sample.logprob == pytest.approx(own.sum(), rel=1e-5)
    for entry, row in zip(sample.logprobs, expected, strict=True):
        best = [tokenizer.decode([i]) for i in np.argsort(-row)[:2]]
        assert list(entry["top"]) == best


def test_log_probability_counts_the_end_of_the_document_and_no_stop_text() -> None:
    ends = random_model(DOCUMENTS, scale=0.3)
    (whole,) = ends.samples(logprobs=1, length=10**4, seed=0)
    assert whole.finish_reason == "document"
    assert len(whole.logprobs) == len(whole.text) + 1
    assert whole.logprobs[-1]["symbol"] == "<eod>"
    (cut,) = writes("abc").samples(stop="bc", logprobs=1)
    assert [entry["symbol"] for entry in cut.logprobs] == ["a"]


def test_without_logprobs_none_are_kept() -> None:
    (sample,) = random_model(ABC).samples(length=3)
    assert sample.logprob is None
    assert set(sample.to_dict()) == {"number", "seed", "prompt", "text", "finish_reason"}


# --- refusals ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 0}, "num_samples=0 must be a whole number of at least 1"),
        ({"batch_size": 0}, "batch_size=0 must be a whole number of at least 1"),
        ({"logprobs": -1}, "logprobs=-1 must be a whole number of at least 0"),
        ({"num_samples": True}, "num_samples=True must be a whole number"),
        ({"num_samples": 2.5}, "num_samples=2.5 must be a whole number"),
        (
            {"pattern": "a+", "no_repeat_ngram_size": 2},
            "may rule out every character",
        ),
        ({"num_samples": 3, "beam_width": 2}, "Raise beam_width"),
        ({"allow": "xyz"}, "allow"),
        ({"pattern": "[xyz]"}, "pattern"),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        writes("abc").samples(**options)


@pytest.mark.parametrize(
    "options", [{}, {"beam_width": 2}, {"top_k": 2}, {"pattern": "a*"}]
)
@pytest.mark.parametrize("count", [1, 3])
def test_weights_that_are_no_numbers_are_an_error(
    options: dict[str, Any], count: int
) -> None:
    config = ModelConfig(vocab_size=ABC.vocab_size, units=2, embedding_dim=2)
    weights = {k: np.zeros(s, np.float32) for k, s in config.weight_shapes().items()}
    weights["output.bias"][:] = np.nan
    generator = Generator(config, weights, ABC)
    count = min(count, options.get("beam_width", count))
    with pytest.raises(CheckpointError, match="largest logit is nan"):
        list(generator.samples("a", count, **options))
