"""What a score counts: characters, bytes and unknown ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.generation.scoring.helpers import bits, network_for, stepped_nats
from textgen.generation.scoring.score import Score, ScoreAccumulator, score
from textgen.generation.scoring.segments import segments
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer


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
