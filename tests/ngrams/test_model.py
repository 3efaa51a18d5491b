"""The probabilities of n-grams: proper ones, alone and beside a network."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import FEW, NgramModel, best_weight
from textgen.ngrams.recent import PRIOR_IDS, LearningReader, learned, learned_of
from textgen.ngrams.tables import NOTHING, contexts_of

RNG = np.random.default_rng(0)
TEXT = RNG.choice(5, 4000, p=[0.1, 0.2, 0.3, 0.3, 0.1]).astype(np.int64)


def model(weight: float = 0.3, boundary: int | None = None, order: int = 4) -> NgramModel:
    return NgramModel(count_ngrams(TEXT, 5, order, boundary=boundary), weight)


def contexts(ngrams: NgramModel, count: int) -> np.ndarray:
    nothing = [NOTHING] * ngrams.context_size
    return contexts_of(TEXT[:count], nothing, ngrams.tables.boundary)


@pytest.mark.parametrize("boundary", [None, 0])
@pytest.mark.parametrize("order", [2, 4, 7])
def test_probabilities_add_up_to_one_after_any_context(
    boundary: int | None, order: int
) -> None:
    ngrams = model(boundary=boundary, order=order)
    probs = ngrams.probs(contexts(ngrams, 500))
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    assert probs.min() > 0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_probabilities_add_up_to_one_whatever_the_text(ids: list[int]) -> None:
    ngrams = NgramModel(count_ngrams(np.array(ids, np.uint8), 5, 4))
    probs = ngrams.probs(np.array([[NOTHING] * 3, [NOTHING, 1, 2], [0, 1, 2]]))
    np.testing.assert_allclose(probs.sum(axis=1), 1)


@pytest.mark.parametrize("vocab_size", [5, 40])
def test_one_many_and_single_probabilities_are_the_same(vocab_size: int) -> None:
    # Of forty ids, more follow a context than are added one by one.
    text = (TEXT * RNG.integers(1, vocab_size // 5 + 1, len(TEXT))).astype(np.int64)
    ngrams = NgramModel(count_ngrams(text, vocab_size, 4))
    count = 3 * FEW
    at, targets = contexts_of(text[:count], [NOTHING] * 3, None), text[1 : count + 1]
    many = ngrams.probs(at)
    one = np.concatenate([ngrams.probs(at[n : n + 1]) for n in range(count)])
    np.testing.assert_allclose(one, many)
    single = ngrams.probs_of(at, targets)
    np.testing.assert_allclose(single, many[np.arange(count), targets])


def test_a_model_in_use_is_copied_and_pickled() -> None:
    ngrams = model()
    at = contexts(ngrams, 3)
    expected = ngrams.probs(at)
    for twin in (copy.deepcopy(ngrams), pickle.loads(pickle.dumps(ngrams))):
        np.testing.assert_array_equal(twin.probs(at), expected)


def test_a_count_is_discounted_and_the_rest_goes_to_the_shorter_context() -> None:
    # "a" was followed by b twice and by c once, and "b" and "c" by a.
    tables = count_ngrams(np.array([0, 1, 0, 1, 0, 2, 0]), 3, 2)
    assert tables.discounts.tolist() == [[0.5, 1.0, 1.5]] * 2
    # One id before b and one before c; b and c before a, and nothing before the first a.
    shorter = (np.array([3, 1, 1]) - [1.5, 0.5, 0.5] + 2.5 / 3) / 5
    expected = (np.array([0, 2 - 1, 1 - 0.5]) + 1.5 * shorter) / 3
    np.testing.assert_allclose(NgramModel(tables).probs(np.array([[0]]))[0], expected)


def test_mixing_is_linear() -> None:
    ngrams = model(weight=0.25)
    at = contexts(ngrams, 40)
    network = RNG.dirichlet(np.ones(5), 40)
    expected = 0.75 * network + 0.25 * ngrams.probs(at)
    np.testing.assert_allclose(ngrams.mix(9 * network, at), expected)
    np.testing.assert_allclose(ngrams.mix_one(9 * network[7], at[7].tolist()), expected[7])


def test_the_best_weight_is_none_where_n_grams_are_worse_everywhere() -> None:
    assert best_weight(np.full(9, 0.5), np.full(9, 0.1)) == 0


def test_what_follows_again_becomes_probable_and_the_sum_stays_one() -> None:
    recent, even = np.array([1, 2, 3, 4, 1, 2, 3]), np.full(5, 0.2)
    probs = learned(even, recent, np.array([1, 2, 3]))
    assert probs[4] == pytest.approx((1 + 0.2 * PRIOR_IDS) / (1 + PRIOR_IDS))
    assert probs.sum() == pytest.approx(1)
    assert learned_of(0.2, 4, recent, np.array([1, 2, 3])) == pytest.approx(probs[4])


def test_what_lies_in_another_document_is_not_looked_for() -> None:
    even = np.full(5, 0.2)
    context = np.array([NOTHING, 0, 3])
    assert learned(even, np.array([1, 0, 3, 4, 1, 0, 3]), context).tolist() == even.tolist()


def test_reading_in_parts_learns_the_same_as_reading_at_once() -> None:
    probs = RNG.uniform(0.1, 0.9, 300)
    whole = LearningReader(model()).mixed(TEXT[:300], TEXT[1:301], probs)
    reader = LearningReader(model())
    parts = [
        reader.mixed(TEXT[at : at + 50], TEXT[at + 1 : at + 51], probs[at : at + 50])
        for at in range(0, 300, 50)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole)
