"""The surprise of each character, which adds up to the score."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.generation.scoring.helpers import LABELLED, network_for
from textgen.errors import CorpusError
from textgen.generation.scoring.score import Surprise, score, surprises
from textgen.generation.scoring.segments import SEGMENT_CHARS
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer


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
