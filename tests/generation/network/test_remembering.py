"""A network with an n-gram memory works as a network does."""

from __future__ import annotations

import numpy as np
import pytest

from tests.generation import models
from tests.generation.models import ABC, random_model, read_whole
from textgen.errors import ConfigError
from textgen.generation.generator import Generator
from textgen.generation.network.mixture import Mixture
from textgen.generation.network.remembering import RememberingNetwork
from textgen.generation.sampling.filters import log_softmax
from textgen.generation.scoring.score import score_parts
from textgen.ngrams.model import NgramModel
from textgen.ngrams.tables import NOTHING, contexts_of
from textgen.text.tokenizers.char import CharTokenizer

TEXT = "abc\ncab\nabcab\nbca\n" * 30


def remembering(weight: float = 0.5, tokenizer: CharTokenizer = ABC) -> Generator:
    """A random model with a memory of the text."""
    return models.remembering(random_model(tokenizer), TEXT, weight)


def learning() -> RememberingNetwork:
    own = remembering()._network
    assert isinstance(own, RememberingNetwork)
    return RememberingNetwork(own.network, own.ngrams, learns=True)


def test_predictions_are_those_of_the_network_interpolated_with_the_n_grams() -> None:
    network = remembering(0.25)._network
    assert isinstance(network, RememberingNetwork)
    ids = ABC.encode(TEXT)
    logits, _ = read_whole(network, ids, network.initial_state())  # type: ignore[arg-type]
    own, _ = read_whole(network.network, ids, network.network.initial_state())  # type: ignore[arg-type]
    alone = network.ngrams.probs(contexts_of(ids, [NOTHING] * 4, None))
    expected = 0.75 * np.exp(log_softmax(own.astype(np.float64))) + 0.25 * alone
    np.testing.assert_allclose(np.exp(logits), expected, rtol=1e-4)
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("network", [remembering()._network, learning()])
def test_reading_step_by_step_equals_reading_at_once(network: RememberingNetwork) -> None:
    rows = [ABC.encode("abcabcab"), ABC.encode("cab\nabc\n")]
    state = network.initial_state(2)
    for step in zip(*rows, strict=True):
        logits, state = network.step(step, state)
    for row, ids in enumerate(rows):
        ((whole, after),) = network.read_chunks(ids, network.initial_state())
        np.testing.assert_allclose(whole[-1], logits[row], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(after[0], state[row], rtol=1e-4, atol=1e-5)


def test_a_document_begins_with_no_memory_of_the_one_before() -> None:
    tokenizer = CharTokenizer("abc\n", end_of_document=True)
    network = remembering(1 - 1e-9, tokenizer)._network
    eod = tokenizer.eod_id
    for before in ([0, 1, 2], [2, 2, 2]):
        logits, _ = read_whole(network, [*before, eod, 0, 1], network.initial_state())  # type: ignore[arg-type]
        fresh, _ = read_whole(network, [eod, 0, 1], network.initial_state())  # type: ignore[arg-type]
        np.testing.assert_allclose(logits[-1], fresh[-1], atol=1e-5)


def test_every_way_of_writing_and_scoring_uses_the_memory() -> None:
    # With all the weight on the n-grams, only texts of the corpus are probable.
    generator = remembering(0.999)
    for options in ({}, {"beam_width": 3}, {"pattern": "([abc]+\n)+"}):
        text = generator.generate("abc\n", length=40, seed=1, **options)
        # The last line may be cut off.
        assert set(text.splitlines()[:-1]) <= {"abc", "cab", "abcab", "bca"}
    texts = [sample.text for sample in generator.samples("abc\n", 3, length=20, seed=2)]
    assert texts[0] == generator.generate("abc\n", length=20, seed=2)
    assert generator.score(TEXT).bits_per_char < 1
    assert generator.score(TEXT, window=8).bits_per_char < 1.5
    assert random_model(ABC).score(TEXT).bits_per_char > 2


def test_a_model_with_a_memory_is_mixed_like_any_other() -> None:
    one = remembering()
    mixed = Generator.mix([one, one], [1, 2])
    assert mixed.score("abcab").nats == pytest.approx(one.score("abcab").nats, rel=1e-5)


def test_texts_have_the_vectors_of_the_network() -> None:
    np.testing.assert_array_equal(
        remembering().encode(["abc"]), random_model(ABC).encode(["abc"])
    )


def test_a_memory_that_learns_expects_what_it_has_just_read() -> None:
    text = "acbbacca" * 12
    ids = ABC.encode(text)
    network = learning()
    learned, _ = read_whole(network, ids, network.initial_state())  # type: ignore[arg-type]
    plain = RememberingNetwork(network.network, network.ngrams)
    fixed, _ = read_whole(plain, ids, plain.initial_state())  # type: ignore[arg-type]
    at, following = np.arange(50, len(ids) - 1), ids[51:]
    assert learned[at, following].mean() > fixed[at, following].mean() + 1
    np.testing.assert_allclose(np.exp(learned).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("window", [None, 7, 600])
def test_one_reading_scores_both_and_each_part(window: int | None) -> None:
    own = remembering(0.4)._network
    assert isinstance(own, RememberingNetwork)
    parts = [score.nats for score in score_parts(own, ABC, TEXT, window=window)]
    for network, expected in (
        # A mixture of one sums whole vectors of probabilities.
        (Mixture([own], [1]), parts[0]),
        (own.network, parts[1]),
        (
            RememberingNetwork(own.network, NgramModel(own.ngrams.tables, 1 - 1e-12)),
            parts[2],
        ),
    ):
        found = score_parts(network, ABC, TEXT, window=window)[0].nats
        assert found == pytest.approx(expected, rel=1e-5)


def test_learning_without_a_memory_is_refused() -> None:
    plain = random_model(ABC)
    weights = {k: np.zeros(s, np.float32) for k, s in plain.config.weight_shapes().items()}
    with pytest.raises(ConfigError, match="no memory can learn"):
        Generator(plain.config, weights, ABC, memory_learns=True)
