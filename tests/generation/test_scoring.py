"""Scores of models whose predictions are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.config import ModelConfig
from textgen.errors import CheckpointError, ConfigError, CorpusError
from textgen.generation.generator import Generator
from textgen.generation.network import Network
from textgen.generation.scoring import Score, nats_of, score
from textgen.text.tokenizer import ByteTokenizer, CharTokenizer

Tokenizer = CharTokenizer | ByteTokenizer


def network_for(tokenizer: Tokenizer, scale: float = 0.0, **options: Any) -> Network:
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, units=4, embedding_dim=3, **options
    )
    return Network(config, weights_for(config, scale))


def weights_for(config: ModelConfig, scale: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: (rng.standard_normal(shape) * scale).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }


def bits(tokenizer: Tokenizer, documents: Any, scale: float = 0.0) -> Score:
    return score(network_for(tokenizer, scale), tokenizer, documents)


def stepped_nats(network: Network, ids: list[int]) -> float:
    """The same sum, one character at a time, each softmax written out."""
    state, total = network.initial_state(), 0.0
    for before, after in pairwise(ids):
        logits, state = network.step([before], state)
        shares = np.exp(logits[0].astype(np.float64))
        total -= math.log(shares[after] / shares.sum())
    return total


# --- nats ---


@pytest.mark.parametrize("size", [1, 2, 4, 26])
def test_a_model_that_knows_nothing_needs_the_logarithm_of_its_vocabulary(
    size: int,
) -> None:
    tokenizer = CharTokenizer("abcdefghijklmnopqrstuvwxyz"[:size])
    found = bits(tokenizer, "a" * 1000)
    assert found.bits_per_char == pytest.approx(math.log2(size), abs=1e-12)
    assert found.perplexity == pytest.approx(size)
    assert found.protocol == "continuous"


def test_known_probabilities_give_the_known_sum() -> None:
    tokenizer = CharTokenizer("abc")
    config = ModelConfig(vocab_size=3, units=4, embedding_dim=3)
    weights = weights_for(config, 0.0)
    weights["output.bias"] = np.log([0.5, 0.25, 0.25]).astype(np.float32) + 3
    found = score(Network(config, weights), tokenizer, "aabc")
    assert found.nats == pytest.approx((1 + 1 + 2 + 2) * math.log(2), abs=1e-5)
    assert found.num_chars == 4
    assert found.bits_per_char == pytest.approx(1.5, abs=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("length", [1, 2, 511, 512, 513, 1100])
def test_the_score_is_the_sum_over_single_steps(cell: str, length: int) -> None:
    tokenizer = CharTokenizer("\nabcd")
    text = "".join(np.random.default_rng(1).choice(list("abcd\n"), length))
    network = network_for(tokenizer, 1.0, cell=cell)
    ids = [tokenizer.start_id, *tokenizer.encode(text).tolist()]
    found = score(network, tokenizer, text)
    assert found.nats == pytest.approx(stepped_nats(network, ids), rel=1e-5)
    assert found.num_chars == found.num_bytes == length


def test_several_documents_without_an_end_token_are_one_text() -> None:
    tokenizer = CharTokenizer("abc")
    assert bits(tokenizer, ["ab", "ca"], 1.0) == bits(tokenizer, "abca", 1.0)


def test_the_end_of_each_document_is_predicted_and_counts_as_its_newline() -> None:
    tokenizer = CharTokenizer("abc", end_of_document=True)
    network = network_for(tokenizer, 1.0)
    found = score(network, tokenizer, ["ab", "", "c"])
    assert found.nats == pytest.approx(stepped_nats(network, [0, 1, 2, 0, 0, 3, 0]))
    assert found.num_chars == found.num_bytes == len("ab\n\nc\n")


@given(
    logits=st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=9), data=st.data()
)
def test_surprise_is_right_for_logits_of_any_size(logits: list[float], data: Any) -> None:
    index = data.draw(st.integers(0, len(logits) - 1))
    [found] = nats_of(np.array([logits], np.float32), [index])
    top = max(logits)
    expected = top + math.log(sum(math.exp(v - top) for v in logits)) - logits[index]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert found.dtype == np.float64


# --- what is counted ---


@pytest.mark.parametrize(
    ("text", "num_chars", "num_bytes"),
    [("abc", 3, 3), ("né€", 3, 6), ("😀", 1, 4), ("e\u0301", 1, 2), ("红楼\n", 3, 7)],
)
def test_a_byte_model_counts_characters_and_bytes(
    text: str, num_chars: int, num_bytes: int
) -> None:
    found = bits(ByteTokenizer(), text)
    assert (found.num_chars, found.num_bytes, found.num_unknown) == (
        num_chars,
        num_bytes,
        0,
    )
    assert found.bits_per_byte == pytest.approx(8)
    assert found.bits_per_char == pytest.approx(8 * num_bytes / num_chars)


def test_a_character_model_counts_bytes_too() -> None:
    found = bits(CharTokenizer("é€"), "é€é")
    assert (found.num_chars, found.num_bytes) == (3, 7)
    assert found.bits_per_byte == pytest.approx(3 / 7)


def test_unknown_characters_are_left_out_of_all_counts_but_their_own() -> None:
    tokenizer = CharTokenizer("ab")
    found = bits(tokenizer, "a?b€€", 1.0)
    known = bits(tokenizer, "ab", 1.0)
    assert found.nats == known.nats
    assert (found.num_chars, found.num_bytes, found.num_unknown) == (2, 2, 3)


def test_unknown_characters_are_predicted_where_there_is_a_token_for_them() -> None:
    tokenizer = CharTokenizer("ab", unknown=True)
    network = network_for(tokenizer, 1.0)
    found = score(network, tokenizer, "a?b€€")
    ids = [tokenizer.start_id, 1, 0, 2, 0, 0]
    assert found.nats == pytest.approx(stepped_nats(network, ids))
    assert (found.num_chars, found.num_bytes, found.num_unknown) == (5, 9, 3)


def test_characters_that_would_combine_are_counted_one_by_one() -> None:
    # Apart, both stay as they are; side by side, NFC would make one of them.
    tokenizer = CharTokenizer("ex\u0301")
    found = bits(tokenizer, "ex\u0301")
    assert (found.num_chars, found.num_unknown) == (3, 0)


def test_a_real_text_of_many_scripts_is_counted_exactly(
    shared_corpus: Callable[[str], Path],
) -> None:
    text = shared_corpus("udhr_multiscript.txt").read_text("utf-8")[:20_000]
    found = bits(ByteTokenizer(normalize="none"), text)
    assert found.num_chars == len(text)
    assert found.num_bytes == len(text.encode())
    assert found.bits_per_byte == pytest.approx(8)


# --- refusals ---


@pytest.mark.parametrize("documents", ["", [], ["", ""]])
@pytest.mark.parametrize("end_of_document", [False, True])
def test_an_empty_text_has_no_score(documents: Any, end_of_document: bool) -> None:
    tokenizer = CharTokenizer("ab", end_of_document=end_of_document)
    with pytest.raises(CorpusError, match="nothing to score: the text is empty"):
        bits(tokenizer, documents)


def test_a_text_of_unknown_characters_only_has_no_score() -> None:
    with pytest.raises(CorpusError, match="never seen any of the 2 different characters"):
        bits(CharTokenizer("ab"), "xyx")


def test_a_model_whose_weights_are_no_numbers_is_reported() -> None:
    tokenizer = CharTokenizer("ab")
    with pytest.raises(CheckpointError, match=r"nan nats\. Its weights are damaged"):
        score(network_for(tokenizer, math.nan), tokenizer, "abab")


# --- the figures ---


def test_every_figure_comes_from_one_sum_divided_once() -> None:
    found = Score(nats=12.0, num_chars=4, num_bytes=6, num_unknown=1)
    figures = found.to_dict()
    assert figures.pop("protocol") == "continuous"
    assert figures == pytest.approx(
        {
            "bits_per_char": 3 / math.log(2),
            "bits_per_byte": 2 / math.log(2),
            "nats_per_char": 3,
            "perplexity": math.exp(3),
            "num_chars": 4,
            "num_unknown": 1,
        }
    )


def test_a_hopeless_perplexity_is_infinite_and_no_error() -> None:
    assert Score(nats=1e6, num_chars=1, num_bytes=1).perplexity == math.inf


# --- by way of the generator ---


def generator_for(tokenizer: Tokenizer, documents: str) -> Generator:
    config = ModelConfig(vocab_size=tokenizer.vocab_size, units=4, embedding_dim=3)
    return Generator(config, weights_for(config, 1.0), tokenizer, documents)


def test_a_text_is_cut_into_documents_as_the_training_text_was() -> None:
    tokenizer = CharTokenizer("abc", end_of_document=True)
    generator = generator_for(tokenizer, "lines")
    expected = score(generator._network, tokenizer, ["ab", "c"])
    assert generator.score("ab\n\nc\n") == expected
    assert generator.score(["ab", "c"]) == expected
    assert expected.num_chars == 5


def test_documents_can_be_cut_in_another_way() -> None:
    tokenizer = CharTokenizer("abc\n", end_of_document=True)
    generator = generator_for(tokenizer, "lines")
    expected = score(generator._network, tokenizer, ["a\nb", "c"])
    assert generator.score("a\nb\n\nc", documents="paragraphs") == expected


def test_an_unknown_way_to_cut_documents_is_refused() -> None:
    generator = generator_for(CharTokenizer("ab"), "whole")
    with pytest.raises(ConfigError, match="documents='chapters' must be one of whole, li"):
        generator.score("ab", documents="chapters")
