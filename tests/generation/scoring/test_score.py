"""Scores of models whose predictions are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generation.scoring.helpers import (
    LABELLED,
    bits,
    network_for,
    stepped_nats,
    weights_for,
)
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError, ConfigError, CorpusError
from textgen.generation.generator import Generator
from textgen.generation.network.mixture import Mixture
from textgen.generation.network.network import Network
from textgen.generation.scoring.protocols import nats_of
from textgen.generation.scoring.score import Score, score
from textgen.generation.scoring.segments import SEGMENT_CHARS
from textgen.model.cells import CELLS
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer

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


@pytest.mark.parametrize("cell", CELLS)
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


# --- texts in pieces ---


def in_pieces(text: str, size: int) -> list[Piece]:
    pieces = [Piece(text[at : at + size]) for at in range(0, len(text), size)]
    return [*pieces, Piece("", ends=True)]


@pytest.mark.parametrize("tokenizer", [CharTokenizer("abé\n"), ByteTokenizer()], ids=repr)
@pytest.mark.parametrize("window", [None, 1, 7, 300])
def test_no_cut_into_pieces_changes_a_score(
    tokenizer: Tokenizer, window: int | None
) -> None:
    text = "".join(np.random.default_rng(2).choice(list("abé\n€"), SEGMENT_CHARS + 900))
    network = network_for(tokenizer, 1.0)
    expected = score(network, tokenizer, text, window=window)
    for size in (1000, 4097):
        found = score(network, tokenizer, in_pieces(text, size), window=window)
        assert found == expected


@pytest.mark.parametrize("length", [SEGMENT_CHARS - 1, SEGMENT_CHARS, SEGMENT_CHARS + 1])
def test_the_state_is_carried_from_segment_to_segment(length: int) -> None:
    tokenizer = CharTokenizer("\nab")
    text = "".join(np.random.default_rng(1).choice(list("ab\n"), length))
    network = network_for(tokenizer, 1.0)
    ids = [tokenizer.start_id, *tokenizer.encode(text).tolist()]
    assert score(network, tokenizer, text).nats == pytest.approx(
        stepped_nats(network, ids), rel=1e-6
    )


# --- windows ---


def windowed_nats(network: Network, tokenizer: Tokenizer, text: str, window: int) -> float:
    """The same sum, one block after the other, each from a zero state."""
    action = "skip" if tokenizer.unknown_id is None else "token"
    before, total, block, held = tokenizer.start_id, 0.0, [], 0
    for character in text:
        ids = tokenizer.encode(character, unknown=action).tolist()
        if ids and held == window:
            total += stepped_nats(network, [before, *block])
            before, block, held = block[-1], [], 0
        block += ids
        held += bool(ids)
    return total + stepped_nats(network, [before, *block])


@pytest.mark.parametrize(
    "tokenizer",
    [CharTokenizer("abé\n"), CharTokenizer("ab", unknown=True), ByteTokenizer()],
    ids=repr,
)
@pytest.mark.parametrize("window", [1, 2, 5, 64, 999, 1000, 1001, 10**6])
def test_each_window_is_predicted_from_the_one_character_before_it(
    tokenizer: Tokenizer, window: int
) -> None:
    # Characters of other widths and left-out ones shift the windows' edges.
    text = "".join(np.random.default_rng(3).choice(list("aabbé€\n"), 1000))
    network = network_for(tokenizer, 1.0)
    found = score(network, tokenizer, text, window=window)
    expected = windowed_nats(network, tokenizer, text, window)
    assert found.nats == pytest.approx(expected, rel=1e-5)
    assert (found.protocol, found.window) == ("windowed", window)
    without = score(network, tokenizer, text)
    assert (found.num_chars, found.num_bytes) == (without.num_chars, without.num_bytes)
    assert found.num_unknown == without.num_unknown


def test_windows_larger_than_a_segment_keep_their_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("textgen.generation.scoring.score.MAX_WINDOWED_CHARS", 50)
    tokenizer = CharTokenizer("ab")
    text = "".join(np.random.default_rng(3).choice(list("ab?"), 1000))
    network = network_for(tokenizer, 1.0)
    for window in (20, 49, 50, 51, 170):
        found = score(network, tokenizer, text, window=window)
        expected = windowed_nats(network, tokenizer, text, window)
        assert found.nats == pytest.approx(expected, rel=1e-5)


def test_a_window_over_the_whole_text_is_no_window() -> None:
    tokenizer = CharTokenizer("ab")
    network = network_for(tokenizer, 1.0)
    one, other = (score(network, tokenizer, "abba" * 9, window=w) for w in (36, None))
    assert one.nats == pytest.approx(other.nats)


def test_windows_run_on_over_the_ends_of_documents() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True)
    network = network_for(tokenizer, 1.0)
    found = score(network, tokenizer, ["ab", "b"], window=2)
    # <eod> | a b | <eod> b | <eod>
    expected = [[0, 1, 2], [2, 0, 2], [2, 0]]
    assert found.nats == pytest.approx(sum(stepped_nats(network, ids) for ids in expected))


@pytest.mark.parametrize("window", [0, -1, 2.0, True, "5"])
def test_a_window_that_makes_no_sense_is_refused(window: Any) -> None:
    tokenizer = CharTokenizer("ab")
    with pytest.raises(
        ConfigError, match=r"window=.* must be a whole number of at least 1"
    ):
        score(network_for(tokenizer), tokenizer, "ab", window=window)


# --- labels and mixtures ---


@pytest.mark.parametrize("window", [None, 1, 2, 50])
def test_a_label_is_read_but_not_counted(window: int | None) -> None:
    network = network_for(LABELLED, 1.0)
    documents = [Piece("ab", True, "sad"), Piece("b", True, "glad")]
    found = score(network, LABELLED, documents, window=window)
    assert found.num_chars == found.num_bytes == len("ab\nb\n")
    if window is None:
        ids = LABELLED.encode_documents(["ab", "b"], labels=["sad", "glad"]).tolist()
        labels = sum(
            stepped_nats(network, ids[: at + 1]) - stepped_nats(network, ids[:at])
            for at in (1, 5)
        )
        assert found.nats == pytest.approx(stepped_nats(network, ids) - labels)


def test_another_label_gives_another_score() -> None:
    network = network_for(LABELLED, 1.0)
    glad, sad = (score(network, LABELLED, ["ab"], label=label) for label in ("glad", "sad"))
    assert glad.nats != sad.nats


@pytest.mark.parametrize("window", [None, 3])
def test_a_mixture_is_scored_like_any_model(window: int | None) -> None:
    tokenizer = CharTokenizer("ab")
    network = network_for(tokenizer, 1.0)
    mixture = Mixture([network, network], [0.7, 0.3])
    found = score(mixture, tokenizer, "abbaab" * 20, window=window)
    expected = score(network, tokenizer, "abbaab" * 20, window=window)
    assert found.nats == pytest.approx(expected.nats, rel=1e-5)


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
    assert (figures.pop("protocol"), figures.pop("window")) == ("continuous", None)
    assert figures == pytest.approx(
        {
            "bits_per_char": 3 / math.log(2),
            "bits_per_byte": 2 / math.log(2),
            "nats_per_char": 3,
            "perplexity": math.exp(3),
            "num_chars": 4,
            "num_bytes": 6,
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
