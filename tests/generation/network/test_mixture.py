"""Mixed models: their probabilities are averaged."""

from __future__ import annotations

import numpy as np
import pytest

from tests.generation.models import ABC, chain_model, random_model
from textgen.config.model import ModelConfig
from textgen.errors import ConfigError
from textgen.generation.generator import Generator
from textgen.generation.sampling.filters import log_softmax
from textgen.text.tokenizers.char import CharTokenizer


def other_model() -> Generator:
    """Another size, another cell, the same characters."""
    config = ModelConfig(vocab_size=4, cell="gru", num_layers=1, units=9, embedding_dim=3)
    rng = np.random.default_rng(5)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Generator(config, weights, ABC)


def probabilities(generator: Generator, text: str) -> np.ndarray:
    network = generator._network
    chunks = network.read_chunks(ABC.encode(text), network.initial_state())
    return np.exp(log_softmax(np.vstack([c for c, _ in chunks]).astype(np.float64)))


def test_probabilities_are_averaged_by_the_shares() -> None:
    one, other = random_model(ABC), other_model()
    mixed = Generator.mix([one, other], [3, 1])
    text = "abc\ncba" * 200  # more than is read at once
    expected = 0.75 * probabilities(one, text) + 0.25 * probabilities(other, text)
    np.testing.assert_allclose(probabilities(mixed, text), expected, rtol=1e-4)


def test_reading_step_by_step_equals_reading_at_once() -> None:
    network = Generator.mix([random_model(ABC), other_model()], [0.3, 0.7])._network
    state = network.initial_state(2)
    for step in ([0, 1], [2, 3], [1, 1]):
        logits, state = network.step(step, state)
    for row, ids in enumerate(([0, 2, 1], [1, 3, 1])):
        ((whole, after),) = network.read_chunks(ids, network.initial_state())
        np.testing.assert_allclose(whole[-1], logits[row], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(after[0], state[row], rtol=1e-4, atol=1e-5)


def test_a_model_mixed_with_itself_is_itself() -> None:
    one = random_model(ABC)
    mixed = Generator.mix([one, one], [0.5, 0.5])
    assert mixed.generate("ab", seed=3) == one.generate("ab", seed=3)
    assert mixed.score("abcabc").nats == pytest.approx(one.score("abcabc").nats, rel=1e-5)


def test_a_mixture_writes_many_texts_and_searches() -> None:
    mixed = Generator.mix([random_model(ABC), other_model()], [0.5, 0.5])
    assert len(list(mixed.samples(["a", "b"], 3, length=20))) == 6
    assert len(mixed.generate("a", beam_width=3, length=20)) == 20


def test_both_models_have_their_say() -> None:
    ahead, back = chain_model(ABC, {1: 2, 2: 1}), chain_model(ABC, {1: 3, 3: 1})
    mixed = Generator.mix([ahead, back], [0.5, 0.5])
    texts = {s.text for s in mixed.samples("a", 50, length=1, temperature=1, seed=0)}
    assert texts == {"b", "c"}


def test_another_tokenizer_is_refused_with_what_differs() -> None:
    with pytest.raises(ConfigError, match=r"different tokenizers .*only one knows 'd'"):
        Generator.mix([random_model(ABC), random_model(CharTokenizer("\nabcd"))], [1, 1])


def test_tokenizers_with_one_vocabulary_are_told_apart_by_what_differs() -> None:
    nfkc = random_model(CharTokenizer("\nabc", normalize="nfkc"))
    with pytest.raises(ConfigError, match="they differ in normalize"):
        Generator.mix([random_model(ABC), nfkc], [1, 1])


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([1], "1 shares for 2 models. Give each model one, for example 1,1."),
        ([1, 0], "a share of 0 must be a finite number above 0"),
        ([1, float("nan")], "a share of nan must be"),
        ([1, float("inf")], "a share of inf must be"),
    ],
)
def test_shares_that_do_not_fit_are_refused(shares: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Generator.mix([random_model(ABC), other_model()], shares)


def test_a_mixture_is_not_mixed_again_and_nothing_is_not_mixed() -> None:
    mixed = Generator.mix([random_model(ABC), other_model()], [1, 1])
    with pytest.raises(ConfigError, match="Mix all models in one call"):
        Generator.mix([mixed, mixed], [1, 1])
    with pytest.raises(ConfigError, match="no model to mix"):
        Generator.mix([], [])
