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

from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError, ConfigError, CorpusError
from textgen.generation.generator import Generator
from textgen.generation.network.mixture import Mixture
from textgen.generation.network.network import Network
from textgen.generation.scoring.protocols import nats_of
from textgen.generation.scoring.score import (
    Score,
    ScoreAccumulator,
    Surprise,
    score,
    surprises,
)
from textgen.generation.scoring.segments import SEGMENT_CHARS, segments
from textgen.model.cells import CELLS
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer


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

LABELLED = CharTokenizer("ab", end_of_document=True, labels=("glad", "sad"))


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


# --- one character at a time ---


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize(
    "tokenizer",
    [
        CharTokenizer("ab"),
        CharTokenizer("ab", unknown=True, end_of_document=True),
        ByteTokenizer(end_of_document=True),
    ],
    ids=repr,
)
def test_the_bits_of_all_characters_add_up_to_the_score(
    tokenizer: Tokenizer, window: int | None
) -> None:
    network = network_for(tokenizer, 1.0)
    documents = ["ab€", "baé\na"]
    found = list(surprises(network, tokenizer, documents, window=window))
    whole = score(network, tokenizer, documents, window=window)
    known = [each.bits for each in found if each.bits is not None]
    assert sum(known) * math.log(2) == pytest.approx(whole.nats)
    assert len(known) == whole.num_chars
    assert sum(each.is_unknown for each in found) == whole.num_unknown
    ends = "\n" if tokenizer.eod_id is not None else ""
    text = "".join(each.character for each in found)
    assert text == "".join(document + ends for document in documents)


def test_a_character_of_several_bytes_costs_their_sum() -> None:
    tokenizer = ByteTokenizer()
    found = list(surprises(network_for(tokenizer), tokenizer, "né"))
    assert [(each.character, each.bits) for each in found] == [("n", 8.0), ("é", 16.0)]


def test_what_cannot_be_predicted_has_no_bits_and_ends_are_marked() -> None:
    tokenizer = CharTokenizer("abc", end_of_document=True)
    found = list(surprises(network_for(tokenizer), tokenizer, ["a?"]))
    assert found == [
        Surprise("a", 2.0),
        Surprise("?", None, is_unknown=True),
        Surprise("\n", 2.0, ends_document=True),
    ]


def test_labels_are_not_among_the_characters() -> None:
    found = surprises(network_for(LABELLED), LABELLED, ["a"], label="sad")
    assert [each.character for each in found] == ["a", "\n"]


def test_surprises_come_while_the_text_is_read() -> None:
    tokenizer = CharTokenizer("ab")
    read = []

    def endless() -> Any:
        while True:
            read.append(1)
            yield Piece("ab" * SEGMENT_CHARS)

    found = surprises(network_for(tokenizer), tokenizer, endless())
    assert next(found).character == "a"
    assert len(read) == 1


def test_surprises_of_nothing_are_an_error() -> None:
    tokenizer = CharTokenizer("ab")
    with pytest.raises(CorpusError, match="nothing to score: the text is empty"):
        list(surprises(network_for(tokenizer), tokenizer, ""))


# --- what is counted ---


def test_a_tally_of_segments_predicted_elsewhere_gives_the_same_counts() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True)
    total = ScoreAccumulator()
    for segment in segments(tokenizer, ["ab?", "b"], size=2):
        total.add(segment, nats=float(segment.is_counted.sum()))
    expected = score(network_for(tokenizer), tokenizer, ["ab?", "b"])
    found = total.score("dynamic")
    assert found == Score(5.0, expected.num_chars, expected.num_bytes, 1, "dynamic")


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
