"""Text vectors as a step of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from textgen.config.arguments import several_texts
from textgen.errors import ConfigError
from textgen.generation.generator import Generator
from textgen.generation.network.layers.base import Floats
from textgen.text.unicode.normal_form import normalize_text
from textgen.wording import install_command

try:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        TransformerMixin,
    )
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise ConfigError(
        f"TextVectorizer needs scikit-learn ({error}). Install it: "
        f"{install_command('sklearn')}"
    ) from error


class TextVectorizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Turns texts into vectors with a trained model, as a transformer of scikit-learn.

    A vector is the state of the model after reading a text; see `Generator.encode`.
    Nothing is learned in `fit`, which only loads the model.

    Args:
        model: a checkpoint, a run, the name of a run under `checkpoints/`, or None for
            the newest one there; or a `Generator`. A path is cheaper to clone.
        backward: a second model, trained on texts written backwards (`text[::-1]`, after
            they were normalised), that reads each text from its end (as in Akbik, Blythe &
            Vollgraf 2018); None for one direction.

    Attributes:
        generator_: the model, after `fit`.
        backward_: the second model, or None.

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> speech = make_pipeline(TextVectorizer("my_book"), LogisticRegression())
    >>> speech[0]
    TextVectorizer(model='my_book')
    """

    def __init__(
        self,
        model: str | Path | Generator | None = None,
        backward: str | Path | Generator | None = None,
    ) -> None:
        self.model = model
        self.backward = backward

    def fit(self, texts: Iterable[str], y: object = None) -> TextVectorizer:
        """Load the models; the texts are not read.

        Raises:
            CheckpointError: as for `Generator.load`.
        """
        self.generator_ = _loaded(self.model)
        self.backward_ = None if self.backward is None else _loaded(self.backward)
        # What get_feature_names_out counts.
        self._n_features_out = self.generator_.config.units
        if self.backward_ is not None:
            self._n_features_out += self.backward_.config.units
        return self

    def transform(self, texts: Iterable[str]) -> Floats:
        """Each text as a vector, `(num_texts, units)`, followed by that of `backward`.

        Raises:
            NotFittedError: the model has not been loaded; call `fit` first.
            ConfigError: one text instead of several, or a mixture of models.
        """
        check_is_fitted(self, "generator_")
        # A lone text is refused by `encode`, which says what to write instead.
        texts = texts if isinstance(texts, str) else several_texts("texts", texts)
        vectors = self.generator_.encode(texts)
        if self.backward_ is None:
            return vectors
        # Before they are reversed, so that an accent is one character with its letter.
        form = self.backward_.tokenizer.normalize
        reverse = [normalize_text(text, form)[::-1] for text in texts]
        return np.hstack([vectors, self.backward_.encode(reverse)])

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn has to know: a row is a text, not a vector of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def _loaded(model: str | Path | Generator | None) -> Generator:
    return model if isinstance(model, Generator) else Generator.load(model)
