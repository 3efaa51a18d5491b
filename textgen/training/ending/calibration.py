"""The temperature of a network's logits, fitted on held-out text.

A network that has read a text often is too sure of what comes next. One number, by which
all logits are divided, mends most of that without further training (Guo et al. 2017, "On
Calibration of Modern Neural Networks"). It becomes part of the output layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from textgen.generation.network.layers.base import Floats
from textgen.generation.scoring.protocols import nats_of
from textgen.training.ending.stretches import Stretches

LEAST_IDS = 200
"""With fewer to fit it on, a temperature would cost more than it brings."""

LOWEST, HIGHEST = 0.5, 4.0
"""The temperatures that are fitted."""

OUTPUT = ("output.kernel", "output.bias")

_ROUNDS = 20


def best_temperature(stretches: Stretches) -> float:
    """The temperature with which the stretches are most probable, in hundredths.

    Returns:
        1.0 if too little is predicted to fit one, or if what it was not fitted on is no
        more probable with it.
    """
    if stretches.fitted.sum() < LEAST_IDS or not stretches.scored.any():
        return 1.0
    found = _fitted(stretches)
    is_better = mean_nats(stretches.divided_by(found)) < mean_nats(stretches)
    return found if is_better else 1.0


def mean_nats(stretches: Stretches) -> float:
    """Mean nats per id of the targets on which nothing was fitted."""
    found = [
        nats_of(logits, targets) for logits, targets in stretches.rows(stretches.scored)
    ]
    return float(np.concatenate(found).mean())


def with_temperature(
    weights: Mapping[str, Floats], temperature: float
) -> dict[str, Floats]:
    """The weights with which all logits are divided by the temperature.

    >>> weights = {name: np.float32([[3, 6]]) for name in (*OUTPUT, "embedding.table")}
    >>> {name: found.tolist() for name, found in with_temperature(weights, 1.5).items()}
    {'output.kernel': [[2.0, 4.0]], 'output.bias': [[2.0, 4.0]], 'embedding.table': [[3.0,
    6.0]]}
    """
    scaled = {name: weights[name] / np.float32(temperature) for name in OUTPUT}
    return {**weights, **scaled}


def _fitted(stretches: Stretches) -> float:
    """Newton's method for the inverse, in which the surprise is convex."""
    inverse = 1.0
    for _ in range(_ROUNDS):
        slope = curvature = 0.0
        for logits, targets in stretches.rows(stretches.fitted):
            probs = np.exp(inverse * (logits - logits.max(axis=1, keepdims=True)))
            probs /= probs.sum(axis=1, keepdims=True)
            expected = (probs * logits).sum(axis=1, keepdims=True)
            slope += float(
                (expected[:, 0] - logits[np.arange(len(targets)), targets]).sum()
            )
            curvature += float((probs * (logits - expected) ** 2).sum())
        before = inverse
        step = slope / curvature if curvature > 0 else 0.0
        inverse = min(max(inverse - step, 1 / HIGHEST), 1 / LOWEST)
        if abs(inverse - before) < 1e-4:
            break
    return round(1 / inverse, 2)
