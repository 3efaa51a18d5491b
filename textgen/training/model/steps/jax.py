"""A training step on JAX that reads the lanes in groups, by a scan over Keras' step."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from textgen.training.backend.loaded import keras
from textgen.training.model.carrying import carried_states, lent


class Group(NamedTuple):
    """What is read of some of the lanes; stacked along a first axis, of every group.

    Args:
        carried: the state of these lanes, in the order of `carried_states`.
        share: in the characters of the batch that count.
    """

    x: Any
    y: Any
    weights: Any
    carried: list[Any]
    share: Any


def train_step(model: Any, num_groups: int, state: Any, data: Any) -> tuple[Any, Any]:
    """Train on one batch, as `keras.Model.train_step` on JAX, but in groups of lanes.

    Args:
        model: compiled.
        state: values of the trained, other, optimizer and metrics variables.
        data: inputs, targets, and the weights of targets or None.

    Returns:
        the metrics, and the new state.
    """
    trainable, others, optimizer, metrics = state
    places = _places(model)
    groups = _groups(num_groups, data, [others[place] for place in places])

    def read(sums: Any, group: Group) -> tuple[Any, Any]:
        others, metrics, total = sums

        def loss_of(trainable: Any) -> Any:
            with lent(model, group.carried) as carried:
                loss, found = model.compute_loss_and_updates(
                    trainable,
                    others,
                    metrics,
                    *group[:3],
                    training=True,
                    optimizer_variables=optimizer,
                )
                return loss * group.share, (found, [each.value for each in carried])

        (loss, (found, carried)), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            trainable
        )
        _, logits, others, metrics = found
        # Keras takes a mean over lanes, of which a group has as many as every other.
        logs, metrics = model._update_metrics_variables(
            metrics, num_groups * loss, *group[:2], logits, group.weights
        )
        return (others, metrics, jax.tree.map(jnp.add, total, gradients)), (carried, logs)

    zeros = jax.tree.map(jnp.zeros_like, trainable)
    sums, (carried, logs) = jax.lax.scan(read, (others, metrics, zeros), groups)
    others, metrics, gradients = sums
    for place, value in zip(places, carried, strict=True):
        others[place] = _joined(value)
    trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
    logs = jax.tree.map(lambda values: values[-1], logs)
    return logs, (trainable, others, optimizer, metrics)


def _places(model: Any) -> list[int]:
    """Where the carried states are among the variables that are not trained."""
    numbers = {id(v): n for n, v in enumerate(model.non_trainable_variables)}
    return [numbers[id(state)] for state in carried_states(model)]


def _groups(num_groups: int, data: Any, carried: list[Any]) -> Group:
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    x, y, weights, carried = jax.tree.map(
        lambda rows: _divided(num_groups, rows), (x, y, weights, carried)
    )
    shares = jnp.full(num_groups, 1 / num_groups)
    if weights is not None:
        counts = weights.sum((1, 2))
        shares = counts / jnp.where(counts.sum() == 0, 1, counts.sum())
    return Group(x, y, weights, carried, shares)


def _divided(num_groups: int, lanes: Any) -> Any:
    """From `(lanes, ...)` to `(groups, lanes of a group, ...)`."""
    return jnp.swapaxes(lanes.reshape(-1, num_groups, *lanes.shape[1:]), 0, 1)


def _joined(groups: Any) -> Any:
    """From `(groups, lanes of a group, ...)` to `(lanes, ...)`."""
    return jnp.swapaxes(groups, 0, 1).reshape(-1, *groups.shape[2:])
