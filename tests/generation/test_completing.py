"""Models of prompts with completions: what they read, write and are scored on."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from tests.generation.models import chain_model, random_model
from textgen.errors import ConfigError
from textgen.generation.generator import Generator
from textgen.generation.scoring.protocols import nats_of
from textgen.generation.scoring.score import surprises
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer

COMPLETING = CharTokenizer("\n.abcd", end_of_document=True, separator=True)
BYTES = ByteTokenizer(end_of_document=True, separator=True)
EOD, SEP, _, DOT, A, B, C, D = range(8)


@pytest.fixture
def answering() -> Generator:
    """A model that answers every prompt with "ab." and then ends."""
    return chain_model(COMPLETING, {SEP: A, A: B, B: DOT, DOT: EOD}, documents="records")


def test_a_prompt_is_answered_until_the_document_ends(answering: Generator) -> None:
    assert answering.generate("cd") == "ab."
    (sample,) = answering.samples("cd")
    assert (sample.prompt, sample.text, sample.finish_reason) == ("cd", "ab.", "document")


def test_a_completion_that_has_begun_is_continued(answering: Generator) -> None:
    assert answering.generate("cd\ufdd0a") == "b."


def test_the_prompt_is_shown_on_a_line_of_its_own(answering: Generator) -> None:
    assert answering.generate("cd", echo=True) == "cd\nab."
    assert "".join(answering.stream("cd\ufdd0a", echo=True)) == "cd\nab."


def test_a_unit_that_the_prompt_began_is_not_finished_by_the_completion() -> None:
    generator = chain_model(COMPLETING, {SEP: 2, 2: A, A: B, B: 2})
    # The line feed that comes first ends no line that has text in it.
    assert generator.generate("cd", until="line", length=9) == "\nab"


@pytest.mark.parametrize("prompt", ["", "a\ufdd0b\ufdd0c"])
def test_no_prompt_and_two_separators_are_refused(
    answering: Generator, prompt: str
) -> None:
    with pytest.raises(ConfigError, match=r"Give it a prompt|the separator U\+FDD0 2 t"):
        answering.generate(prompt)


@pytest.mark.parametrize("tokenizer", [COMPLETING, BYTES], ids=["char", "byte"])
def test_the_separator_is_never_written_nor_among_the_likeliest(
    tokenizer: Tokenizer,
) -> None:
    separator = tokenizer.separator_id
    assert separator is not None
    generator = chain_model(tokenizer, dict.fromkeys(range(8), separator))
    (sample,) = generator.samples("a", length=5, seed=0, logprobs=3)
    assert "\ufdd0" not in sample.text
    assert all("<sep>" not in each["top"] for each in sample.logprobs)


# --- scores ---


DOCUMENTS = ["ab\ufdd0cd", "d\ufdd0.", "\n\ufdd0aaa"]


def completion_nats(generator: Generator, documents: list[str]) -> tuple[float, int]:
    """Surprise and number of the ids of completions and ends, one after the other."""
    network, tokenizer = generator._network, generator.tokenizer
    ids = tokenizer.encode_documents(documents).tolist()
    state, total, count, inside = network.initial_state(), 0.0, 0, False
    for before, after in pairwise(ids):
        if before in (tokenizer.eod_id, tokenizer.separator_id):
            inside = before == tokenizer.separator_id
        logits, state = network.step([before], state)
        if inside:
            total += float(nats_of(logits, [after])[0])
            count += 1
    return total, count


@pytest.mark.parametrize("tokenizer", [COMPLETING, BYTES], ids=["char", "byte"])
def test_a_score_counts_completions_and_their_ends_alone(tokenizer: Tokenizer) -> None:
    generator = random_model(tokenizer)
    nats, count = completion_nats(generator, DOCUMENTS)
    found = generator.score(DOCUMENTS)
    assert found.num_chars == count == 3 + 2 + 4
    assert found.nats == pytest.approx(nats, rel=1e-6)
    pieces = [
        Piece("a"),
        Piece("b\ufdd0c"),
        Piece("d", ends=True),
        *map(end, DOCUMENTS[1:]),
    ]
    assert generator.score(pieces).nats == pytest.approx(nats, rel=1e-6)


def end(text: str) -> Piece:
    return Piece(text, ends=True)


def test_the_surprises_are_those_of_the_completions() -> None:
    generator = random_model(COMPLETING)
    found = list(surprises(generator._network, COMPLETING, DOCUMENTS))
    assert "".join(each.character for each in found) == "cd\n.\naaa\n"
    bits = math.fsum(each.bits or 0.0 for each in found)
    assert bits == pytest.approx(generator.score(DOCUMENTS).nats / math.log(2))


@pytest.mark.parametrize("window", [1, 2, 4, 100])
def test_a_window_counts_characters_of_completions(window: int) -> None:
    generator = random_model(COMPLETING)
    found = generator.score(DOCUMENTS, window=window)
    assert found.num_chars == 9
    assert np.isfinite(found.nats)
    if window == 100:
        assert found.nats == pytest.approx(generator.score(DOCUMENTS).nats, rel=1e-6)


@pytest.mark.parametrize("documents", ["ab", ["a\ufdd0b", "ab"], [Piece("ab")]])
def test_a_document_without_a_completion_is_refused(documents: object) -> None:
    with pytest.raises(ConfigError, match="predicts completions, but a document has none"):
        random_model(COMPLETING).score(documents)  # type: ignore[arg-type]
