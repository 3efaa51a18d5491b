"""Generating: hand-made models whose text is known in advance."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.generation.models import ABC, LETTERS, chain_model, random_model, writes
from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig
from textgen.errors import ConfigError, TokenizerError, UnknownCharacterWarning
from textgen.generation.generator import Generator
from textgen.model.cells import CELLS
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer


def greedy(generator: Generator, ids: list[int], length: int) -> str:
    """What the model finds likeliest after `ids`, by the plainest loop there is."""
    network, tokenizer = generator._network, generator.tokenizer
    state, written = network.initial_state(), []
    for one in ids:
        logits, state = network.step([one], state)
    for _ in range(length):
        written.append(int(logits[0].argmax()))
        logits, state = network.step(written[-1:], state)
    return tokenizer.decode(written)


# --- what is written ---


def test_a_model_writes_what_it_predicts() -> None:
    assert writes("abc").generate(length=7) == "abcabca"


@pytest.mark.parametrize("length", [0, 1, 2, 500, 1025])
def test_length_counts_new_characters_and_not_the_prompt(length: int) -> None:
    generator = random_model(ABC)
    assert len(generator.generate("abcabc", length=length)) == length
    echoed = generator.generate("abcabc", length=length, echo=True, seed=1)
    assert echoed == "abcabc" + generator.generate("abcabc", length=length, seed=1)


def test_500_characters_are_written_unless_told_otherwise() -> None:
    assert len(random_model(ABC).generate()) == 500


def test_the_stream_gives_one_character_at_a_time_and_the_same_text() -> None:
    generator = random_model(ABC)
    pieces = list(generator.stream("ab", length=50, seed=3))
    assert {len(piece) for piece in pieces} == {1}
    assert "".join(pieces) == generator.generate("ab", length=50, seed=3)


def test_a_character_is_handed_over_before_the_next_is_computed() -> None:
    generator = writes("abc")
    stream = generator.stream(length=10**9)
    assert [next(stream) for _ in range(4)] == ["a", "b", "c", "a"]


def test_echo_hands_over_the_prompt_as_it_was_given() -> None:
    stream = writes("abc").stream("ca", length=2, echo=True)
    assert list(stream) == ["ca", "b", "c"]


def test_echo_of_an_empty_prompt_gives_no_empty_piece() -> None:
    assert list(writes("abc").stream(length=1, echo=True)) == ["a"]


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"top_p": 0.9, "temperature": 1.5}])
def test_the_same_seed_gives_the_same_text(options: dict[str, Any]) -> None:
    generator = random_model(LETTERS, scale=0.1)
    texts = {generator.generate("a", length=80, seed=7, **options) for _ in range(3)}
    assert len(texts) == 1
    assert generator.generate("a", length=80, seed=8, **options) not in texts


def test_without_a_seed_every_text_is_another() -> None:
    generator = random_model(LETTERS, scale=0.1)
    assert generator.generate(length=80) != generator.generate(length=80)


def test_two_streams_at_once_do_not_disturb_each_other() -> None:
    generator = random_model(LETTERS)
    first = generator.stream("a", length=30, seed=1)
    second = generator.stream("b", length=30, seed=2)
    one, other = zip(*zip(first, second, strict=True), strict=True)
    assert "".join(one) == generator.generate("a", length=30, seed=1)
    assert "".join(other) == generator.generate("b", length=30, seed=2)


# --- what is read before ---


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("prompt", ["a", "abcbca", "abc\n" * 300])
def test_a_prompt_is_read_from_the_zero_state(cell: str, prompt: str) -> None:
    generator = random_model(ABC, cell=cell)
    expected = greedy(generator, ABC.encode(prompt).tolist(), 20)
    assert generator.generate(prompt, temperature=0, length=20) == expected


def test_without_a_prompt_the_model_starts_after_a_newline() -> None:
    generator = random_model(ABC)
    expected = greedy(generator, [ABC.start_id], 20)
    assert generator.generate(temperature=0, length=20) == expected


@pytest.mark.parametrize("prompt", ["", "abc"])
def test_a_model_of_documents_starts_a_new_one_with_the_prompt(prompt: str) -> None:
    tokenizer = CharTokenizer("abc", end_of_document=True)
    generator = random_model(tokenizer)
    ids = [0, *tokenizer.encode(prompt).tolist()]
    expected = greedy(generator, ids, 1)
    assert generator.generate(prompt, temperature=0, length=1) == expected


def test_a_model_of_documents_stops_at_the_end_of_one_and_shows_no_sign_of_it() -> None:
    tokenizer = CharTokenizer("abc", end_of_document=True)
    generator = chain_model(tokenizer, {0: 1, 1: 2, 2: 3, 3: 0})
    assert list(generator.stream()) == ["a", "b", "c"]
    assert generator.generate("c") == ""


# --- unknown characters ---


def test_unknown_prompt_characters_are_left_out_with_a_warning_that_names_them() -> None:
    generator = random_model(ABC)
    with pytest.warns(UnknownCharacterWarning, match=r"'é' \(U\+00E9\), '\?' \(U\+003F\)"):
        text = generator.generate("aébé?c", seed=1)
    assert text == generator.generate("abc", seed=1)


@pytest.mark.parametrize("method", ["stream", "generate", "samples"])
def test_the_warning_points_at_the_line_that_asked(method: str) -> None:
    ask = getattr(random_model(ABC), method)
    with pytest.warns(UnknownCharacterWarning) as caught:
        ask("é", length=1)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_prompt_of_unknown_characters_only_is_as_no_prompt() -> None:
    generator = random_model(ABC)
    with pytest.warns(UnknownCharacterWarning):
        text = generator.generate("ÄÖ", seed=1)
    assert text == generator.generate(seed=1)


def test_unknown_prompt_characters_are_an_error_where_that_was_asked_for() -> None:
    with pytest.raises(TokenizerError, match=r"not in the vocabulary: 'é' \(U\+00E9\)"):
        random_model(ABC).stream("aé", unknown="error")


def test_of_many_unknown_characters_the_first_ten_are_named() -> None:
    prompt = "".join(map(chr, range(0x4E00, 0x4E64)))
    with pytest.warns(UnknownCharacterWarning, match=r"\(U\+4E09\) and 90 more$"):
        random_model(ABC).generate(prompt, length=1)


def test_a_known_prompt_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        random_model(ABC).generate("abc", length=1)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"top_k": 1}, {"temperature": 3}])
def test_the_unknown_token_is_never_written(options: dict[str, Any]) -> None:
    tokenizer = CharTokenizer("ab", unknown=True)
    generator = chain_model(tokenizer, {0: 0, 1: 0, 2: 0})
    text = generator.generate("a", length=50, seed=0, **options)
    assert set(text) <= {"a", "b"}


# --- stop ---


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("d", "abc"),
        ("de", "abc"),
        (["gh", "cd"], "ab"),
        (("bcx", "bcd"), "a"),
        ("a", ""),
        ("habc", "abcdefg"),
        ("zz", "abcdefghabcd"),
        ((), "abcdefghabcd"),
        (iter(["f"]), "abcde"),
    ],
)
def test_the_text_ends_before_the_first_stop_text(stop: Any, expected: str) -> None:
    assert writes("abcdefgh").generate(length=12, stop=stop) == expected


def test_text_that_only_began_like_a_stop_text_is_shown_after_all() -> None:
    pieces = list(writes("abcdefgh").stream(length=6, stop=["bcx", "efghx"]))
    assert pieces == ["a", "bcd", "ef"]


def test_a_stop_text_in_the_prompt_does_not_stop() -> None:
    text = writes("abcd").generate("abc", length=5, stop="bc", echo=True)
    assert text == "abcda"


def test_a_stop_text_in_another_normal_form_is_found() -> None:
    tokenizer = CharTokenizer("\naé")
    generator = chain_model(tokenizer, {0: 1, 1: 2, 2: 1})
    assert generator.generate(stop="e\u0301") == "a"


@pytest.mark.parametrize("stop", ["", ["a", ""]])
def test_an_empty_stop_text_is_refused(stop: Any) -> None:
    with pytest.raises(ConfigError, match="an empty one would end every text at once"):
        writes("abc").stream(stop=stop)


def test_nothing_ends_a_text_before_its_least_length() -> None:
    assert writes("abcd").generate(stop="d", min_length=4, length=20) == "abcdabc"
    tokenizer = CharTokenizer("ab", end_of_document=True)
    generator = chain_model(tokenizer, {0: 1, 1: 0, 2: 1})
    assert generator.generate() == "a"
    assert len(generator.generate(min_length=5)) >= 5


def test_a_text_ends_with_its_first_whole_line() -> None:
    generator = chain_model(ABC, {0: 1, 1: 2, 2: 0})
    assert generator.generate(until="line") == "ab"
    # The prompt has begun a line, which is finished.
    assert generator.generate("a", until="line") == "b"
    assert generator.generate("ab", until="line") == ""


def test_until_document_needs_a_model_of_documents() -> None:
    with pytest.raises(ConfigError, match="this model has no end of document"):
        writes("abc").stream(until="document")


# --- bytes ---


def test_a_byte_model_counts_and_streams_whole_characters() -> None:
    tokenizer = ByteTokenizer()
    ids = [10, *"é€😀".encode()]
    successors = dict(zip(ids, [*ids[1:], ids[1]], strict=True))
    assert len(successors) == len(ids)  # each byte once, so the chain is one circle
    generator = chain_model(tokenizer, successors)
    assert list(generator.stream(length=5)) == ["é", "€", "😀", "é", "€"]


@pytest.mark.parametrize("seed", range(20))
def test_a_byte_model_that_writes_rubbish_still_gives_whole_characters(seed: int) -> None:
    generator = random_model(ByteTokenizer(), scale=0.01)
    pieces = list(generator.stream(length=101, seed=seed, temperature=1))
    assert all(pieces)
    assert len("".join(pieces)) == 101
    assert "".join(pieces).encode("utf-8")


def test_an_unfinished_character_at_the_end_of_a_document_is_marked() -> None:
    tokenizer = ByteTokenizer(end_of_document=True)
    generator = chain_model(tokenizer, {256: ord("a"), ord("a"): 0xC3, 0xC3: 256})
    assert generator.generate() == "a\ufffd"


# --- refusals ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -1}, "length=-1 must be a whole number of at least 0"),
        ({"length": 2.5}, "length=2.5 must be int"),
        ({"temperature": -1}, "temperature=-1 must be a finite number of at least 0"),
        ({"temperature": float("nan")}, "temperature=nan must be a finite number"),
        ({"top_k": 0}, "top_k=0 must be a whole number of at least 1"),
        ({"top_p": 0}, "top_p=0 must be above 0 and at most 1"),
        ({"seed": -1}, "seed=-1 must be a whole number of at least 0; leave it out"),
        ({"seed": 1.5}, "seed=1.5 must be a whole number"),
        ({"seed": True}, "seed=True must be a whole number"),
        (
            {"top_x": 1},
            "unknown option 'top_x'. Did you mean",
        ),
        ({"unknown": "drop"}, "unknown='drop' must be one of skip, error"),
    ],
)
def test_options_are_checked_when_the_stream_is_asked_for(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        writes("abc").stream(**options)


def test_settings_may_come_as_one_object_but_not_twice() -> None:
    generator = random_model(LETTERS, scale=0.1)
    config = SamplingConfig(length=30, top_p=0.9)
    expected = generator.generate("a", seed=1, length=30, top_p=0.9)
    assert generator.generate("a", seed=1, sampling=config) == expected
    assert "".join(generator.stream("a", seed=1, sampling=config)) == expected
    (sample,) = generator.samples("a", seed=1, sampling=config)
    assert sample.text == expected
    with pytest.raises(ConfigError, match=r"already holds all settings, but top_k was"):
        generator.stream("a", sampling=config, top_k=3)


def test_a_tokenizer_of_another_size_is_refused() -> None:
    config = ModelConfig(vocab_size=5)
    with pytest.raises(ConfigError, match=r"vocab_size=5, but its tokenizer has 4 ids"):
        Generator(config, {}, ABC)


# --- the rest ---


def test_a_generator_shows_what_it_was_made_of() -> None:
    generator = chain_model(ABC, {}, documents="lines")
    assert generator.tokenizer is ABC
    assert generator.documents == "lines"
    assert generator.config.cell == "rnn"


def test_a_loaded_checkpoint_writes_what_the_model_in_memory_writes(
    tmp_path: Path,
) -> None:
    config = ModelConfig(vocab_size=4, units=6, embedding_dim=5)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    facts = {"text": {"documents": "lines"}}
    save_checkpoint(tmp_path / "model", Checkpoint(config, ABC, weights, facts))
    loaded = Generator.load(tmp_path / "model")
    assert loaded.documents == "lines"
    in_memory = Generator(config, weights, ABC)
    assert loaded.generate("ab", seed=1) == in_memory.generate("ab", seed=1)


def test_generating_needs_no_keras() -> None:
    code = (
        "import sys, textgen.generation.generator, textgen.checkpoint.format\n"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'torch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
