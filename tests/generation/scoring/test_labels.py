"""Whether documents tell the model which label they have."""

from __future__ import annotations

import numpy as np
import pytest

from tests.generation.models import chain_weights
from textgen.errors import ConfigError
from textgen.generation.network.network import Network
from textgen.generation.scoring.labels import LabelAccuracy, classify, label_accuracy
from textgen.text.tokenizers.char import CharTokenizer

TOKENIZER = CharTokenizer("ab", end_of_document=True, labels=("x", "y"))
A, B = TOKENIZER.encode("ab").tolist()
X, Y = TOKENIZER.label_ids


def writes_a_for_x_and_b_for_y() -> Network:
    eod = TOKENIZER.eod_id
    assert eod is not None
    successors = {X: A, Y: B, A: eod, B: eod}
    return Network(*chain_weights(TOKENIZER.vocab_size, successors))


def accuracy(texts: str, labels: str, **options: int) -> LabelAccuracy | None:
    """Of documents of one character, each with the label below it."""
    ids = TOKENIZER.encode_documents(list(texts), labels=list(labels))
    return label_accuracy(writes_a_for_x_and_b_for_y(), TOKENIZER, ids, **options)


def test_a_document_is_right_if_its_own_label_makes_it_most_probable() -> None:
    assert accuracy("aba", "xyy") == LabelAccuracy(num_right=2, num_documents=3)


def test_a_document_is_read_from_a_cold_start_whatever_its_place() -> None:
    # More than one batch, and every third label is wrong.
    assert accuracy("ab" * 60, "xyxyxx" * 20) == LabelAccuracy(100, 120)


def test_documents_are_drawn_from_all_over_a_long_text() -> None:
    # The second half has the wrong labels; each document has 3 ids, read for two labels.
    found = accuracy("a" * 40, "x" * 20 + "y" * 20, max_ids=60)
    assert found == LabelAccuracy(num_right=5, num_documents=10)


def test_at_least_one_document_is_read() -> None:
    assert accuracy("ab", "xy", max_ids=1) == LabelAccuracy(1, 1)


def test_there_is_no_accuracy_without_documents_or_two_labels() -> None:
    network = writes_a_for_x_and_b_for_y()
    nothing = np.array([TOKENIZER.eod_id])
    assert label_accuracy(network, TOKENIZER, nothing) is None
    for unlabelled in (CharTokenizer("abcde"), CharTokenizer("abcd", end_of_document=True)):
        assert label_accuracy(network, unlabelled, np.arange(5)) is None
    one = CharTokenizer("abc", end_of_document=True, labels=("x",))
    ids = one.encode_documents(["a", "b"], labels=["x", "x"])
    assert label_accuracy(network, one, ids) is None


def test_the_share_is_that_of_all_documents() -> None:
    assert LabelAccuracy(3, 4).share == pytest.approx(0.75)


# --- classify ---


def classified(text: str, network: Network | None = None) -> dict[str, float]:
    return classify(network or writes_a_for_x_and_b_for_y(), TOKENIZER, text)


def test_the_label_whose_text_it_would_write_is_the_most_probable() -> None:
    for text, label in (("a", "x"), ("b", "y")):
        found = classified(text)
        assert next(iter(found)) == label
        assert set(found) == {"x", "y"}
        assert sum(found.values()) == pytest.approx(1)
        assert found[label] > 0.99


def test_the_probability_is_that_of_label_and_text_together() -> None:
    eod = TOKENIZER.eod_id
    assert eod is not None
    network = Network(*chain_weights(TOKENIZER.vocab_size, {eod: X}))
    # Both labels are followed by anything, but x is far more frequent.
    assert classified("b", network)["x"] > 0.99


def test_characters_that_the_model_has_never_seen_are_left_out() -> None:
    assert classified("a?") == classified("a")


def test_an_empty_text_is_classified_as_well() -> None:
    assert sum(classified("").values()) == pytest.approx(1)


def test_a_model_without_labels_cannot_classify_and_the_error_says_how_it_could() -> None:
    network = writes_a_for_x_and_b_for_y()
    unlabelled = CharTokenizer("abcd", end_of_document=True)
    expected = r"no labels to choose from.*`documents='records'`"
    with pytest.raises(ConfigError, match=expected):
        classify(network, unlabelled, "a")
