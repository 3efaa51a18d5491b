"""Text vectors behave as a step of scikit-learn."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the extra `sklearn` is not installed")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import textgen
from tests.cli.helpers import untrained
from textgen.errors import CheckpointError, ConfigError
from textgen.text.tokenizers.char import CharTokenizer

TEXTS = ["aab", "bba", "ab", "bb"] * 5
IS_A = [text[0] == "a" for text in TEXTS]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("run") / "best", CharTokenizer("ab"))


def test_scikit_learn_finds_nothing_wrong_with_it(model: Path) -> None:
    check_estimator(textgen.TextVectorizer(str(model)))


def test_the_vectors_are_those_of_the_generator(model: Path) -> None:
    vectors = textgen.TextVectorizer(model).fit_transform(np.array(TEXTS))
    assert np.array_equal(vectors, textgen.Generator.load(model).encode(TEXTS))


def test_a_generator_may_be_given_instead_of_a_checkpoint(model: Path) -> None:
    vectorizer = textgen.TextVectorizer(textgen.Generator.load(model))
    vectors = vectorizer.fit(TEXTS).transform(TEXTS)
    assert np.array_equal(vectors, textgen.TextVectorizer(model).fit_transform(TEXTS))


def test_a_pipeline_classifies_texts_and_survives_pickling(model: Path) -> None:
    pipeline = make_pipeline(textgen.TextVectorizer(model), LogisticRegression(C=1e4))
    pipeline.fit(TEXTS, IS_A)
    assert pipeline.score(TEXTS, IS_A) == 1
    again = pickle.loads(pickle.dumps(pipeline))
    assert np.array_equal(again.predict(TEXTS), pipeline.predict(TEXTS))


def test_vectors_of_both_directions_are_those_of_two_models(
    model: Path, tmp_path: Path
) -> None:
    other = untrained(tmp_path / "other", CharTokenizer("ab"), seed=1)
    vectorizer = textgen.TextVectorizer(model, backward=other).fit(TEXTS)
    vectors = vectorizer.transform(iter(TEXTS))
    reverse = textgen.Generator.load(other).encode([text[::-1] for text in TEXTS])
    assert np.array_equal(vectors[:, :8], textgen.Generator.load(model).encode(TEXTS))
    assert np.array_equal(vectors[:, 8:], reverse)
    assert len(vectorizer.get_feature_names_out()) == 16
    check_estimator(textgen.TextVectorizer(str(model), backward=str(other)))


def test_an_accent_stays_with_its_letter_when_a_text_is_read_from_its_end(
    tmp_path: Path,
) -> None:
    model = untrained(tmp_path / "accents", CharTokenizer("caf\u00e9"))
    vectorizer = textgen.TextVectorizer(model, backward=model).fit(TEXTS)
    composed, decomposed = vectorizer.transform(["caf\u00e9", "cafe\u0301"])
    assert np.array_equal(composed, decomposed)


def test_a_search_chooses_among_models(model: Path, tmp_path: Path) -> None:
    other = untrained(tmp_path / "other", CharTokenizer("ab"))
    pipeline = make_pipeline(textgen.TextVectorizer(), LogisticRegression())
    models = {"textvectorizer__model": [model, other]}
    search = GridSearchCV(pipeline, models, cv=2, error_score="raise").fit(TEXTS, IS_A)
    assert search.best_params_["textvectorizer__model"] in (model, other)


def test_features_have_names_and_a_clone_has_the_model_but_is_not_fitted(
    model: Path,
) -> None:
    vectorizer = textgen.TextVectorizer(model).fit(TEXTS)
    names = vectorizer.get_feature_names_out()
    assert (len(names), names[0]) == (8, "textvectorizer0")
    fresh = clone(vectorizer)
    assert fresh.get_params() == {"model": model, "backward": None}
    with pytest.raises(NotFittedError, match="not fitted yet"):
        fresh.transform(TEXTS)


def test_a_wrong_model_or_text_gives_the_error_of_the_generator(model: Path) -> None:
    with pytest.raises(CheckpointError, match="absent"):
        textgen.TextVectorizer("absent").fit(TEXTS)
    with pytest.raises(ConfigError, match="Put it in a list"):
        textgen.TextVectorizer(model).fit(TEXTS).transform("one text")


def test_without_scikit_learn_the_error_names_the_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = "textgen.generation.vectorizer"
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, home, raising=False)
    expected = r'TextVectorizer needs scikit-learn.*pip install "keras-textgen\[sklearn\]"'
    with pytest.raises(ConfigError, match=expected):
        importlib.import_module(home)
