"""The forecasts of series.py: by characters, by regression, and by last year."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

import textgen
from textgen.training.model.cells.lstm import LSTM

SEASON = 12
NUM_BEFORE = 5
"""Years that each forecast sees."""
QUANTILES = (0.1, 0.5, 0.9)
"""The middle of a forecast, and the ends of its 80 % interval."""
Forecast = Callable[[np.ndarray], np.ndarray]
"""From `(num, NUM_BEFORE, 12)` to the quantiles of the next years, `(3, num, 12)`."""


def as_text(years: np.ndarray) -> str:
    """A line for each of `(num_years, 12)`."""
    return "".join(" ".join(f"{value:02}" for value in year) + "\n" for year in years)


def by_characters(known: np.ndarray, folder: Path, *, quick: bool) -> Forecast:
    """Write many next years after the text of those before."""
    path = folder / "series.txt"
    path.write_text(as_text(known), encoding="utf-8")
    best = textgen.train(
        *(path, folder / "run"),
        overwrite=True,
        num_layers=1,
        units=8 if quick else 128,
        dropout=0.3,
        epochs=1 if quick else 60,
        memory=0,
        preview=False,
        quiet=quick,
    )
    generator = textgen.Generator.load(best)
    count = 10 if quick else 200
    # The model has learned the form; the pattern only rules out the rare slip.
    form = {"pattern": r"(\d\d ){11}\d\d\n", "particles": 1, "temperature": 1.0}

    def forecast(before: np.ndarray) -> np.ndarray:
        prompts = list(map(as_text, before))
        written = generator.samples(prompts, count, seed=0, length=3 * SEASON, **form)
        futures = [[int(value) for value in sample.text.split()] for sample in written]
        shaped = np.reshape(futures, (len(before), count, SEASON))
        return np.quantile(shaped, QUANTILES, axis=1)

    return forecast


def by_regression(known: np.ndarray, *, quick: bool) -> Forecast:
    """The textbook's form: read the numbers themselves, and predict twelve at once."""
    mean, spread = known.mean(), known.std()
    keras.utils.set_random_seed(0)
    values = keras.Input((NUM_BEFORE * SEASON, 1))
    network = keras.Model(values, keras.layers.Dense(SEASON)(LSTM(64)(values)))
    network.compile(keras.optimizers.Adam(0.003, clipnorm=1.0), "mse")

    def middle(before: np.ndarray) -> np.ndarray:
        return network.predict(scaled(before), verbose=0) * spread + mean

    def scaled(before: np.ndarray) -> np.ndarray:
        return (before.reshape(len(before), -1, 1) - mean) / spread

    before, after = windows(known)
    target = (after - mean) / spread
    network.fit(scaled(before), target, epochs=2 if quick else 150, verbose=0)
    return with_interval(middle, known)


def seasonal_naive(known: np.ndarray) -> Forecast:
    """The baseline: every month will be as it was a year before."""
    return with_interval(lambda before: before[:, -1], known)


def with_interval(
    middle: Callable[[np.ndarray], np.ndarray], known: np.ndarray
) -> Forecast:
    """Add the quantiles of a forecast's own errors on the years that it knows."""
    before, after = windows(known)
    errors = np.quantile(after - middle(before), QUANTILES, axis=0)
    errors[1] = 0
    return lambda before: middle(before) + errors[:, None]


def windows(years: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every `NUM_BEFORE` years, and the year after each."""
    places = range(NUM_BEFORE, len(years))
    return np.array([years[at - NUM_BEFORE : at] for at in places]), years[NUM_BEFORE:]
