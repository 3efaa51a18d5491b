"""Forecast a seasonal series: numbers as characters, and a regression on the same layers.

    python examples/series.py [FILE]       needs keras-textgen[examples]

The text has a line of twelve numbers of two digits for each year. A model of this text
forecasts by writing many next years, whose quantiles make a fan. The series is made: 200
years of a yearly season, a level that drifts and returns (an autoregression of order 1),
and noise (see `made_series`). FILE is a series of your own, one number per line for each
month, at least 60 years of it. The last tenth of the years is forecast, each from those
before it.
"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example import Example, percent, run, table
from forecasts import NUM_BEFORE, SEASON, by_characters, by_regression, seasonal_naive

import textgen
from textgen.errors import CorpusError

LEAST_YEARS = 60


def main(arguments: list[str] | None = None) -> None:
    """Compare the forecasts on the held-out years, draw fans, and write the page."""
    own = "a series, one number per line for each month"
    example = Example("series", __doc__ or "", arguments, own)
    years = in_two_digits(read_series(example.file) if example.file else made_series(0))
    num_test = len(years) // 10
    known = years[:-num_test]
    methods = {
        "numbers as characters": by_characters(known, example.folder, quick=example.quick),
        "LSTM with a regression head": by_regression(known, quick=example.quick),
        "seasonal naive": seasonal_naive(known),
    }
    starts = range(len(years) - num_test, len(years))
    before = np.array([years[start - NUM_BEFORE : start] for start in starts])
    fans = {name: forecast(before) for name, forecast in methods.items()}
    truth = years[-num_test:]
    draw(fans, truth, example.picture())
    header = [
        "forecast of the next 12 months",
        "mean absolute error",
        "inside 80 % interval",
    ]
    rows = [[name, *scores(fan, truth)] for name, fan in fans.items()]
    example.show(table(header, *rows))


def made_series(seed: int, num_years: int = 200) -> np.ndarray:
    """Monthly values around 50: a season of amplitude 25, a drifting level, and noise."""
    rng = np.random.default_rng(seed)
    level = 0.0
    values = []
    for month in range(num_years * SEASON):
        level = 0.9 * level + rng.normal(0, 2)
        season = 25 * np.sin(2 * np.pi * (month - 3) / SEASON)
        values.append(50 + season + level + rng.normal(0, 2))
    return np.array(values)


def read_series(path: Path) -> np.ndarray:
    """One finite number per line.

    Raises:
        CorpusError: too few numbers, a gap, or something else; names the line.
    """
    lines = textgen.read_corpus(path).documents[0].rstrip("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if not re.fullmatch(r"\s*[-+]?\d+(\.\d*)?\s*", line):
            found = f"is {line[:20]!r}, not a number" if line.strip() else "is empty"
            raise CorpusError(
                f"{path}: line {number} {found}. Give one number such as 12.5 per line, "
                "and fill the gaps of a series first."
            )
    if len(lines) < LEAST_YEARS * SEASON or len(set(lines)) == 1:
        raise CorpusError(
            f"{path}: {len(lines)} numbers, {len(set(lines))} of them different, are too "
            f"few. Give {LEAST_YEARS} years of months, {LEAST_YEARS * SEASON} lines."
        )
    return np.array(lines, float)


def in_two_digits(values: np.ndarray) -> np.ndarray:
    """Scale to whole numbers from 0 to 99: `(num_years, 12)`; the first months may go."""
    low, high = values.min(), values.max()
    scaled = np.round(99 * (values - low) / (high - low)).astype(int)
    return scaled[len(scaled) % SEASON :].reshape(-1, SEASON)


def scores(fan: np.ndarray, truth: np.ndarray) -> tuple[str, str]:
    """The error of the middle, and how often the truth is inside the interval."""
    low, middle, high = fan
    inside = (low <= truth) & (truth <= high)
    return f"{np.abs(middle - truth).mean():.2f}", percent(inside.mean())


def draw(fans: dict[str, np.ndarray], truth: np.ndarray, path: Path) -> None:
    """The forecasts of the last four years as fans around their middle."""
    figure, rows = plt.subplots(len(fans), sharex=True, sharey=True, figsize=(7, 6))
    months = np.arange(4 * SEASON)
    for axes, (name, fan) in zip(rows, fans.items(), strict=True):
        low, middle, high = fan[:, -4:].reshape(3, -1)
        axes.fill_between(months, low, high, alpha=0.3, label="80 % interval")
        axes.plot(months, middle, label="middle of the forecast")
        axes.plot(months, truth[-4:].ravel(), "k.", markersize=4, label="truth")
        axes.set_title(name, loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        for start in range(SEASON, 4 * SEASON, SEASON):
            axes.axvline(start - 0.5, color="0.8", linewidth=0.8)
    rows[0].legend(
        frameon=False, fontsize=8, ncols=3, loc="lower right", bbox_to_anchor=(1, 1)
    )
    rows[-1].set_xlabel("month; each year is forecast at its beginning")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    run(main)
