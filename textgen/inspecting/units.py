"""Which unit follows which feature of a text, and how much of that is chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NUM_SHIFTS = 5
"""Controls: each feature is also compared with the text shifted by this many distances."""


class Correlations:
    """Pearson's correlation of every unit with every feature, from parts of a text.

    >>> found = Correlations(num_units=2, num_features=1)
    >>> found.add(np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([[0.0], [1.0]]))
    >>> found.add(np.array([[3.0, 1.0]]), np.array([[2.0]]))
    >>> found.result().round(6).tolist()
    [[1.0], [-1.0]]
    """

    def __init__(self, num_units: int, num_features: int) -> None:
        self._count = 0
        self._products = np.zeros((num_units, num_features))
        self._sums = np.zeros(num_units), np.zeros(num_features)
        self._squares = np.zeros(num_units), np.zeros(num_features)
        self._origin: tuple[Array, Array] | None = None

    def add(self, values: NDArray[np.floating], features: NDArray[np.floating]) -> None:
        """Add `(time, num_units)` values and the `(time, num_features)` beside them."""
        if not len(values):
            return
        both = values.astype(np.float64), features.astype(np.float64)
        if self._origin is None:
            # Far from zero, differences of large squares would lose their digits.
            self._origin = both[0].mean(axis=0), both[1].mean(axis=0)
        x, y = (array - mean for array, mean in zip(both, self._origin, strict=True))
        self._count += len(x)
        self._products += x.T @ y
        for array, total, squares in zip((x, y), self._sums, self._squares, strict=True):
            total += array.sum(axis=0)
            squares += np.square(array).sum(axis=0)

    def result(self) -> Array:
        """`(num_units, num_features)`: from -1 to 1; 0 where one of them is constant."""
        count = max(self._count, 1)
        (x, y), (xx, yy) = self._sums, self._squares
        covariance = self._products / count - np.outer(x, y) / count**2
        spread = [
            np.sqrt(np.maximum(s / count - (t / count) ** 2, 0))
            for s, t in ((xx, x), (yy, y))
        ]
        # What rounding leaves of a constant is not a variation.
        spread = [np.where(each > 1e-7, each, np.inf) for each in spread]
        found: Array = np.clip(covariance / np.outer(*spread), -1, 1)
        return found


@dataclass(frozen=True)
class Unit:
    """One number of a network that changes with the text.

    Args:
        layer: counted from 0.
        state: "h", its output, or "c", the cell of an LSTM.
        number: counted from 0.
    """

    layer: int
    state: str
    number: int


@dataclass(frozen=True)
class Follower:
    """How well a unit follows a feature: the correlation, and again on the second half."""

    unit: Unit
    correlation: float
    second_half: float


@dataclass(frozen=True)
class Ranking:
    """The units that follow a feature best.

    Args:
        feature: its name.
        share: the share of characters where it is not 0.
        best: by the size of their correlation on the first half of the text;
            `second_half` is their correlation on the second half.
        control: what chance gives: the best of all units when the feature belongs to
            another place of the text, in size, as a mean over several distances.
        control_second_half: that unit's correlation, in size, on the second half.
    """

    feature: str
    share: float
    best: tuple[Follower, ...]
    control: float
    control_second_half: float


class Followers:
    """Ranks units by features, from a text that is read in parts, in order.

    Args:
        units: what the columns of the values are.
        features: `(num_rows,)` values for the whole text, by name.
        seed: of the distances of the control.

    >>> line = np.tile([0.0, 1.0, 2.0, 5.0], 40)
    >>> found = Followers([Unit(0, "h", 0), Unit(0, "h", 1)], {"a line": line}, seed=0)
    >>> found.add(np.stack([np.sin(np.arange(160.0)), -line], axis=1))
    >>> best = found.rankings()[0].best[0]
    >>> best.unit.number, round(best.correlation, 6), round(best.second_half, 6)
    (1, -1.0, -1.0)
    """

    def __init__(
        self, units: Sequence[Unit], features: Mapping[str, NDArray[np.float32]], seed: int
    ) -> None:
        self.units, self.names = list(units), list(features)
        self._features = features
        columns = (
            np.stack(list(features.values()), axis=1) if features else np.zeros((0, 0))
        )
        self._num_rows, self._num_features = columns.shape
        self._columns = columns
        # Far enough that a feature is not compared with its own neighbourhood.
        least = self._num_rows // 10
        most = max(self._num_rows - least, least + 1)
        drawn = np.random.default_rng(seed).integers(least, most, NUM_SHIFTS)
        self._shifts = [0, *drawn.tolist()]
        width = len(self._shifts) * self._num_features
        self._halves = [Correlations(len(self.units), width) for _ in range(2)]
        self._done = 0

    def add(self, values: NDArray[np.floating]) -> None:
        """Add the `(time, num_units)` values of the next rows."""
        if not self.names:
            return
        rows = np.arange(self._done, self._done + len(values))
        shifted = [self._columns[(rows + n) % self._num_rows] for n in self._shifts]
        features, middle = np.concatenate(shifted, axis=1), self._num_rows // 2 - self._done
        self._done += len(values)
        cut = min(max(middle, 0), len(values))
        self._halves[0].add(values[:cut], features[:cut])
        self._halves[1].add(values[cut:], features[cut:])

    def correlations(self) -> tuple[Array, Array]:
        """`(num_units, num_features)` on the first half and on the second."""
        first, second = (half.result()[:, : self._num_features] for half in self._halves)
        return first, second

    def rankings(self, most: int = 5) -> list[Ranking]:
        """One for each feature, with its `most` best units."""
        first, second = (half.result() for half in self._halves)
        found = []
        for column, name in enumerate(self.names):
            order = np.argsort(-np.abs(first[:, column]), kind="stable")[:most]
            best = tuple(
                Follower(self.units[n], float(first[n, column]), float(second[n, column]))
                for n in order.tolist()
            )
            others = np.arange(
                column + self._num_features, first.shape[1], self._num_features
            )
            tops = np.abs(first[:, others]).argmax(axis=0)
            share = float(np.count_nonzero(self._features[name]) / self._num_rows)
            control = float(np.abs(first[tops, others]).mean())
            second_half = float(np.abs(second[tops, others]).mean())
            found.append(Ranking(name, share, best, control, second_half))
        return found
