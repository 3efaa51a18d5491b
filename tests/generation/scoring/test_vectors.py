"""Texts as vectors, held against reading them one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from textgen.config.model import ModelConfig
from textgen.errors import ConfigError
from textgen.generation.network.mixture import Mixture
from textgen.generation.network.network import Network
from textgen.generation.scoring.vectors import encode, similarity
from textgen.model.cells import CELLS
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer


def network_for(tokenizer: Tokenizer, **options: Any) -> Network:
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, units=5, embedding_dim=3, **options
    )
    rng = np.random.default_rng(0)
    shapes = config.weight_shapes().items()
    return Network(
        config, {k: rng.standard_normal(s).astype(np.float32) for k, s in shapes}
    )


def stepped_vector(network: Network, ids: list[int]) -> np.ndarray:
    state = network.initial_state()
    for each in ids:
        _, state = network.step([each], state)
    # The states of the last layer stand at the end, h first.
    num_states = len(CELLS[network.config.cell].states)
    return np.split(state[0, -num_states * network.config.units :], num_states)[0]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "tokenizer",
    [CharTokenizer("abc"), CharTokenizer("abc", end_of_document=True), ByteTokenizer()],
    ids=repr,
)
def test_a_vector_is_the_last_output_after_the_whole_text(
    tokenizer: Tokenizer, cell: str
) -> None:
    rng = np.random.default_rng(1)
    lengths = [7, 0, 1, 300, 7, 2, *rng.integers(0, 40, 90)]
    texts = ["".join(rng.choice(list("abc"), length)) for length in lengths]
    network = network_for(tokenizer, cell=cell)
    found = encode(network, tokenizer, texts)
    assert found.shape == (96, 5)
    assert found.dtype == np.float32
    for vector, text in zip(found, texts, strict=True):
        ids = [tokenizer.start_id, *tokenizer.encode(text).tolist()]
        assert vector == pytest.approx(stepped_vector(network, ids), abs=1e-5)


def test_company_does_not_change_a_vector_beyond_rounding() -> None:
    tokenizer = CharTokenizer("ab")
    network = network_for(tokenizer)
    alone = encode(network, tokenizer, ["abba"])[0]
    among = encode(network, tokenizer, ["a" * 50, "abba", "", "b" * 9])[1]
    assert among == pytest.approx(alone, abs=1e-6)


def test_no_texts_have_no_vectors() -> None:
    tokenizer = CharTokenizer("ab")
    assert encode(network_for(tokenizer), tokenizer, []).shape == (0, 5)


def test_unknown_characters_are_left_out_or_read_as_their_token() -> None:
    plain = CharTokenizer("ab")
    one, other = encode(network_for(plain), plain, ["a?b", "ab"])
    assert one.tolist() == pytest.approx(other.tolist(), abs=1e-6)
    with_token = CharTokenizer("ab", unknown=True)
    one, other = encode(network_for(with_token), with_token, ["a?b", "ab"])
    assert np.abs(one - other).max() > 1e-3


def test_one_text_instead_of_several_is_refused() -> None:
    tokenizer = CharTokenizer("ab")
    with pytest.raises(
        ConfigError, match=r"it is a single string.*Put it in a list: \[text\]"
    ):
        encode(network_for(tokenizer), tokenizer, "ab")


def test_a_mixture_has_no_single_vector() -> None:
    tokenizer = CharTokenizer("ab")
    mixture = Mixture([network_for(tokenizer)] * 2, [1, 1])
    with pytest.raises(ConfigError, match="a mixture of models has no single vector"):
        encode(mixture, tokenizer, ["ab"])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 0], [5, 0], 1),
        ([1, 0], [0, 1], 0),
        ([1, 2], [-2, -4], -1),
        ([1, 0], [1, 1], math.sqrt(0.5)),
        ([1e300, 0], [1e300, 1e300], math.sqrt(0.5)),
        ([1e-300, 0], [1e-300, 1e-300], math.sqrt(0.5)),
    ],
)
def test_similarity_is_the_cosine(a: Any, b: Any, expected: float) -> None:
    assert similarity(a, b) == pytest.approx(expected)
    assert -1 <= similarity(a, b) <= 1


@pytest.mark.parametrize("bad", [[0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0], []])
def test_a_vector_that_points_nowhere_is_refused(bad: list[float]) -> None:
    with pytest.raises(ConfigError, match="cosine similarity is undefined for a vector"):
        similarity(bad, [1.0, 2.0])


def test_vectors_of_different_models_are_refused() -> None:
    with pytest.raises(ConfigError, match="vectors of 2 and 3 numbers cannot be compared"):
        similarity([1, 2], [1, 2, 3])
    with pytest.raises(
        ConfigError, match=r"one row of numbers, not an array of shape \(1, 2"
    ):
        similarity([[1, 2]], [[1, 2]])
