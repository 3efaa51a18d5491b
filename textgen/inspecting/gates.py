"""How often gates are open or closed, and how long units remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textgen.generation.scoring.trace import Trace

Array = NDArray[np.float64]

OPEN, CLOSED = 0.9, 0.1
"""A gate is open above and closed below."""

KEEPS = {"lstm": "forget", "coupled": "forget", "gru": "update"}
"""The gate that says how much of a state is kept, by cell."""

SIGMOID_GATES = ("input", "forget", "output", "update", "reset")
"""Gates from 0 to 1; the others are new values from -1 to 1."""


@dataclass(frozen=True)
class GateUse:
    """How a gate of a layer is used, unit by unit.

    Args:
        open, closed: `(units,)` shares of the time above 0.9 and below 0.1.
        mean: `(units,)`.
    """

    layer: int
    gate: str
    open: Array
    closed: Array
    mean: Array

    @property
    def half_life(self) -> Array:
        """`(units,)` characters after which half of a state is left, if this gate keeps it.

        >>> half = np.array([0.5, 0.9, 1.0])
        >>> GateUse(0, "forget", half, half, half).half_life.round(2).tolist()
        [1.0, 6.58, inf]
        """
        with np.errstate(divide="ignore"):
            logs: Array = np.log(np.minimum(self.mean, 1))
            return np.where(logs < 0, np.log(0.5) / np.where(logs < 0, logs, -1), np.inf)


class GateUses:
    """Counts over a text that is read in parts."""

    def __init__(self) -> None:
        self._rows = 0
        self._sums: dict[tuple[int, str], list[Array]] = {}

    def add(self, trace: Trace) -> None:
        """Add the next part."""
        self._rows += len(trace.ids)
        for layer in range(trace.num_layers):
            for name, values in trace.gates(layer).items():
                if name in SIGMOID_GATES:
                    parts = (values > OPEN, values < CLOSED, values)
                    sums = [part.sum(axis=0, dtype=np.float64) for part in parts]
                    held = self._sums.setdefault((layer, name), sums)
                    if held is not sums:
                        self._sums[layer, name] = [
                            a + b for a, b in zip(held, sums, strict=True)
                        ]

    def result(self) -> list[GateUse]:
        """One for each layer and gate."""
        return [
            GateUse(layer, gate, *(total / self._rows for total in sums))
            for (layer, gate), sums in self._sums.items()
        ]


def half_lives(uses: list[GateUse], cell: str) -> Mapping[int, Array]:
    """`(units,)` half-lives of each layer; nothing for a cell without such a gate."""
    return {use.layer: use.half_life for use in uses if use.gate == KEEPS.get(cell)}
