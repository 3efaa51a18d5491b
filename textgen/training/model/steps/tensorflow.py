"""A training step on TensorFlow that reads the lanes in groups."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from textgen.training.backend.loaded import keras
from textgen.training.model.carrying import carried_states, lent


def train_step(model: Any, num_groups: int, data: Any) -> dict[str, Any]:
    """Train on one batch, as `keras.Model.train_step`, but in groups of lanes.

    Args:
        model: compiled.
        data: inputs, targets, and the weights of targets or None.

    Returns:
        the metrics.
    """
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    states, variables = carried_states(model), model.trainable_variables
    # Traced once for all groups.
    read = tf.function(lambda *group: _read(model, variables, *group))
    carried, loss = [], 0.0
    sums = [tf.zeros_like(variable.value) for variable in variables]
    for first, share in enumerate(_shares(weights, num_groups)):
        group = [_lanes(model, a, first, num_groups) for a in (x, y, weights)]
        before = [state.value[first::num_groups] for state in states]
        part, gradients, after = read(*group, before)
        sums = [total + share * new for total, new in zip(sums, gradients, strict=True)]
        loss += share * part
        carried.append(after)
    for state, parts in zip(states, zip(*carried, strict=True), strict=True):
        state.assign(tf.reshape(tf.stack(parts, axis=1), state.shape))
    model.optimizer.apply(sums, variables)
    model._loss_tracker.update_state(loss, sample_weight=tf.shape(x)[0])
    return model.get_metrics_result()


def _lanes(model: Any, batch: Any, first: int, num_groups: int) -> Any:
    """The rows of a group, whose number is static if that of the model's lanes is."""
    if batch is None:
        return None
    rows, count = batch[first::num_groups], model.input_shape[0]
    return tf.ensure_shape(rows, (count and count // num_groups, *batch.shape[1:]))


def _read(
    model: Any, variables: list[Any], x: Any, y: Any, weights: Any, states: list[Any]
) -> tuple[Any, list[Any], list[Any]]:
    """The loss of a group of lanes, its gradients, and the states that it leaves."""
    with lent(model, states) as carried, tf.GradientTape() as tape:
        logits = model(x, training=True)
        loss = model.compute_loss(x, y, logits, weights, training=True)
    found = tape.gradient(loss, [variable.value for variable in variables])
    model.compute_metrics(x, y, logits, weights)
    # The gradient of an embedding is sparse.
    return loss, list(map(tf.convert_to_tensor, found)), [each.value for each in carried]


def _shares(weights: Any, num_groups: int) -> list[Any]:
    """The share of each group in what counts."""
    if weights is None:
        return [1 / num_groups] * num_groups
    counts = [tf.reduce_sum(weights[first::num_groups]) for first in range(num_groups)]
    total = tf.add_n(counts)
    return [tf.math.divide_no_nan(count, total) for count in counts]
