"""A training step on JAX that reads lanes in groups, and on each device its own lanes."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.sharding import PartitionSpec

from textgen.training.backend.devices import Share, is_data_parallel, only_share
from textgen.training.backend.loaded import keras
from textgen.training.model.carrying import carried_states, lent


class Lanes(NamedTuple):
    """What is read of some of the lanes, which are the first axis of everything.

    Args:
        weights: of the targets; None counts all of them.
        carried: the states of these lanes, in the order of `carried_states`.
    """

    x: Any
    y: Any
    weights: Any
    carried: list[Any]


class Sums(NamedTuple):
    """What is added up over all lanes.

    Args:
        loss: of every target that counts, and regularization as often.
        gradients: of this loss.
        count: of the targets, by weight.
        metrics: what the lanes add to the variables of the metrics.
    """

    loss: Any
    gradients: list[Any]
    count: Any
    metrics: list[Any]


def train_step(model: Any, num_groups: int, state: Any, data: Any) -> tuple[Any, Any]:
    """Train on one batch, as `keras.Model.train_step` on JAX.

    Keras leaves it to XLA to add up a gradient over devices once it is computed, each one
    by itself. Here a device reads its lanes alone, and everything is summed at once.

    Args:
        model: compiled.
        num_groups: of lanes, which are read one after the other.
        state: values of the trained, other, optimizer and metrics variables.
        data: inputs, targets, and the weights of targets or None.

    Returns:
        the metrics, and the new state.
    """
    trainable, others, optimizer, metrics = state
    places = _places(model)
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    lanes = Lanes(x, y, weights, [others[place] for place in places])
    others = [None if n in places else value for n, value in enumerate(others)]
    read = partial(_read, model, num_groups)
    sums, others, carried = _on_devices(model, read)(trainable, others, optimizer, lanes)
    for place, value in zip(places, carried, strict=True):
        others[place] = value
    count = jnp.where(sums.count == 0, 1, sums.count)
    gradients = [gradient / count for gradient in sums.gradients]
    trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
    metrics = list(map(jnp.add, metrics, sums.metrics))
    logs, metrics = _logs(model, metrics, sums.loss / count, len(x))
    return logs, (trainable, others, optimizer, metrics)


def _on_devices(model: Any, read: Any) -> Any:
    """The function `_read` on the lanes of each device, its sums those of all devices."""
    if not _reads_alone(model):
        return read
    distribution = keras.distribution.distribution()
    mesh, axis = distribution.device_mesh.backend_mesh, distribution.batch_dim_name

    def read_own(*args: Any) -> tuple[Sums, Any, Any]:
        with only_share(Share(jax.lax.axis_index(axis), mesh.size)):
            sums, others, carried = read(*args)
        flat, restored = ravel_pytree(sums)
        return restored(jax.lax.psum(flat, axis)), others, carried

    same, own = PartitionSpec(), PartitionSpec(axis)
    return jax.shard_map(
        read_own,
        mesh=mesh,
        in_specs=(same, same, same, own),
        out_specs=(same, same, own),
        check_vma=False,
    )


def _reads_alone(model: Any) -> bool:
    """Whether each device reads its lanes by itself; else XLA divides what Keras computes.

    Recurrent dropout draws its masks inside the cells of Keras, for all lanes they see.
    """
    return is_data_parallel() and not any(
        getattr(layer, "recurrent_dropout", 0) for layer in model.layers
    )


def _read(
    model: Any, num_groups: int, trainable: Any, others: Any, optimizer: Any, lanes: Lanes
) -> tuple[Sums, Any, Any]:
    """Read lanes; return the sums, the other variables and the states that are left."""
    for place, variable in zip(_places(model), carried_states(model), strict=True):
        # Keras wants one of the right shape, which nothing reads.
        others[place] = jnp.zeros(variable.shape, variable.dtype)
    unread = [jnp.zeros(v.shape, v.dtype) for v in model.metrics_variables]

    def read(before: tuple[Sums, Any], group: Lanes) -> tuple[tuple[Sums, Any], Any]:
        so_far, others = before
        count = jnp.float32(group.y.size) if group.weights is None else group.weights.sum()

        def loss_of(trainable: Any) -> Any:
            with lent(model, group.carried) as carried:
                loss, found = model.compute_loss_and_updates(
                    trainable,
                    others,
                    unread,
                    *group[:3],
                    training=True,
                    optimizer_variables=optimizer,
                )
                return loss * count, (found, [each.value for each in carried])

        (loss, (found, carried)), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            trainable
        )
        _, logits, others, metrics = found
        metrics = _metrics(model, metrics, group, logits)
        sums = Sums(loss, gradients, count, metrics)
        return (jax.tree.map(jnp.add, so_far, sums), others), carried

    nothing = Sums(
        jnp.float32(0), list(map(jnp.zeros_like, trainable)), jnp.float32(0), unread
    )
    groups = jax.tree.map(partial(_divided, num_groups), lanes)
    (sums, others), carried = jax.lax.scan(read, (nothing, others), groups)
    for place in _places(model):
        others[place] = None
    return sums, others, list(map(_joined, carried))


def _metrics(model: Any, values: list[Any], lanes: Lanes, logits: Any) -> list[Any]:
    """The variables of the metrics after some lanes, but for the loss."""
    variables = model.metrics_variables
    with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
        model.compute_metrics(lanes.x, lanes.y, logits, lanes.weights)
    return list(map(scope.get_current_value, variables))


def _logs(
    model: Any, values: list[Any], loss: Any, num_lanes: int
) -> tuple[Any, list[Any]]:
    """The metrics after a batch, and their variables."""
    variables = model.metrics_variables
    with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
        model._loss_tracker.update_state(loss, sample_weight=num_lanes)
        logs = model.get_metrics_result()
    return logs, list(map(scope.get_current_value, variables))


def _places(model: Any) -> list[int]:
    """Where the carried states are among the variables that are not trained."""
    numbers = {id(v): n for n, v in enumerate(model.non_trainable_variables)}
    return [numbers[id(state)] for state in carried_states(model)]


def _divided(num_groups: int, lanes: Any) -> Any:
    """From `(lanes, ...)` to `(groups, lanes of a group, ...)`."""
    return jnp.swapaxes(lanes.reshape(-1, num_groups, *lanes.shape[1:]), 0, 1)


def _joined(groups: Any) -> Any:
    """From `(groups, lanes of a group, ...)` to `(lanes, ...)`."""
    return jnp.swapaxes(groups, 0, 1).reshape(-1, *groups.shape[2:])
