"""A training step on PyTorch without what Keras does between the operations.

PyTorch runs each operation as soon as it is called, on one core, while the next one waits.
Keras' own step spends a third of its time there for a network of 2×128. Layers, variables,
optimizer and metrics stay those of Keras, and so do the numbers, up to rounding.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import torch

from textgen.training.backend.floats import DTYPE
from textgen.training.backend.loaded import keras
from textgen.training.model.carrying import carried_states, lent
from textgen.training.model.kernels.torch import rounded_sequence
from textgen.training.model.recurrent import WholeSequence
from textgen.training.model.steps.torch_products import rounded_products
from textgen.training.model.steps.torch_update import Tensors, Update, is_fast


class TrainStep:
    """What `fit` calls for each batch, for a model that `compile_model` has compiled.

    Args:
        model: a functional model from ids to logits. Keras builds its optimizer and metrics
            when `fit` begins, and drops this object when it is compiled again.
        num_groups: groups of lanes that are read one after the other.
    """

    def __init__(self, model: Any, num_groups: int = 1) -> None:
        self.model = model
        self.num_groups = num_groups

    def __call__(self, data: Any) -> dict[str, Any]:
        """Train on one batch; return the metrics as tensors."""
        x, y, weights = map(_tensor, keras.utils.unpack_x_y_sample_weight(data[0]))
        with rounded_products(self._product_dtype):
            loss, nats, gradients = self._in_groups(x, y, weights)
            with torch.no_grad():
                self._apply(gradients)
                return self._metrics(loss, nats, weights)

    def _in_groups(
        self, x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, Tensors]:
        """The loss, the surprise of each id, and the gradients."""
        if self.num_groups == 1:
            return self._gradients(x, y, weights)
        states = [state.value for state in carried_states(self.model)]
        nats = torch.empty(y.shape, device=y.device)
        shares = _shares(weights, self.num_groups)
        losses: list[torch.Tensor] = []
        sums = [torch.zeros_like(value) for value in self._values]
        for first, share in enumerate(shares):
            # Views, so that the state is carried on in place.
            group = slice(first, None, self.num_groups)
            part = None if weights is None else weights[group]
            with lent(self.model, [state[group] for state in states]) as carried:
                loss, nats[group], gradients = self._gradients(x[group], y[group], part)
            for state, new in zip(states, carried, strict=True):
                state[group] = new.value.detach()
            losses.append(loss * share)
            for total, gradient in zip(sums, gradients, strict=True):
                total.add_(gradient * share)
        return torch.stack(losses).sum(), nats, sums

    def _gradients(
        self, x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, Tensors]:
        nats = self._nats(x, y)
        penalties = self.model.losses
        loss = _mean(nats, weights)
        loss = loss + sum(penalties) if penalties else loss
        return loss.detach(), nats.detach(), torch.autograd.grad(loss, self._values)

    def _nats(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The surprise of each id, without the layers' `__call__`, which checks inputs."""
        logits = self.model._run_through_graph(x, operation_fn=_call_of)
        nats = torch.nn.functional.cross_entropy(
            # PyTorch is twice as fast with the classes along the last axis.
            logits.flatten(0, 1),
            y.flatten().long(),
            reduction="none",
        )
        return nats.view(y.shape)

    def _metrics(
        self, loss: torch.Tensor, nats: torch.Tensor, weights: torch.Tensor | None
    ) -> dict[str, Any]:
        """What Keras' metrics say, after this batch has been added to them."""
        bits = nats / math.log(2)
        count = torch.full_like(loss, nats.numel())
        if weights is not None:
            bits, count = bits * weights, weights.sum()
        num_lanes = len(nats)
        return {
            "loss": _added(self._loss, loss * num_lanes, loss.new_tensor(num_lanes)),
            "bits_per_id": _added(self._bits, bits.sum(), count),
        }

    def _apply(self, gradients: Tensors) -> None:
        if self._update:
            self._update(gradients)
        else:
            self.model.optimizer.apply(gradients, self._variables)

    @cached_property
    def _update(self) -> Update | None:
        optimizer = self.model.optimizer
        if not is_fast(optimizer):
            return None
        return Update(optimizer, self._variables, self._transposed)

    @cached_property
    def _variables(self) -> list[Any]:
        return list(self.model.trainable_variables)

    @cached_property
    def _values(self) -> list[torch.Tensor]:
        return [variable.value for variable in self._variables]

    @cached_property
    def _transposed(self) -> list[bool]:
        """Which variables PyTorch's LSTM reads transposed: then it needs no copy."""
        layers: list[Any] = [x for x in self.model.layers if isinstance(x, WholeSequence)]
        cells = [layer.cell for layer in layers]
        matrices = {id(v) for cell in cells for v in (cell.kernel, cell.recurrent_kernel)}
        return [id(variable) in matrices for variable in self._variables]

    @cached_property
    def _product_dtype(self) -> str:
        """The type that factors of products are rounded to."""
        layers = (x for x in self.model.layers if isinstance(x, WholeSequence))
        return next((layer.product_dtype for layer in layers), DTYPE)

    @cached_property
    def _loss(self) -> Any:
        return next(metric for metric in self.model.metrics if metric.name == "loss")

    @cached_property
    def _bits(self) -> Any:
        inner = (getattr(metric, "metrics", []) for metric in self.model.metrics)
        return next(m for ms in inner for m in ms if m.name == "bits_per_id")


def _tensor(x: Any) -> Any:
    """`train_on_batch` passes arrays."""
    return None if x is None else keras.ops.convert_to_tensor(x)


def _call_of(layer: Any) -> Any:
    if isinstance(layer, WholeSequence) and layer.stateful and layer.fits_kernel(True):
        return lambda x, **_: _carry_on(layer, x)
    if type(layer) is keras.layers.Dense and _is_plain(layer):
        return lambda x, **_: _dense(layer, x)
    options = {"training": True} if layer._call_has_training_arg else {}
    return lambda *args, **kwargs: layer.call(*_unrounded(args), **{**kwargs, **options})


def _carry_on(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """What Keras' `call` returns; it converts and checks each state several times.

    The outputs are left in the type of the products: a recurrent layer that follows would
    only round them to it again.
    """
    states = [state.value for state in layer.states]
    with layer.dropped_weights(training=True):
        outputs, last = layer.run_kernel(rounded_sequence, x, states)
    with torch.no_grad():
        for state, new in zip(states, last, strict=True):
            state.copy_(new)
    return outputs


def _is_plain(layer: Any) -> bool:
    """Whether a dense layer only multiplies by its kernel and adds a bias."""
    return layer.activation is keras.activations.linear and not layer.lora_enabled


def _dense(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """A product of rounded inputs is rounded, too, before the bias is added.

    Of a sequence, time comes first in memory, so that the inputs need not be copied.
    """
    is_sequence = x.ndim == 3
    inputs = x.transpose(0, 1) if is_sequence else x
    product = torch.matmul(inputs, layer.kernel.value.to(x.dtype)).float()
    product = product.transpose(0, 1) if is_sequence else product
    return product if layer.bias is None else product + layer.bias.value


def _unrounded(tensors: Any) -> Any:
    """What recurrent layers have put out, as float32."""
    return keras.tree.map_structure(
        lambda x: x.float() if getattr(x, "dtype", None) == torch.bfloat16 else x, tensors
    )


def _added(metric: Any, total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """The mean of a metric to which these sums are added; 0 where nothing counts."""
    total = metric.total.value.add_(total)
    count = metric.count.value.add_(count)
    return total / count.where(count != 0, 1)


def _shares(weights: torch.Tensor | None, num_groups: int) -> list[Any]:
    """The share of each group in what counts."""
    if weights is None:
        return [1 / num_groups] * num_groups
    counts = torch.stack([weights[first::num_groups].sum() for first in range(num_groups)])
    total = counts.sum()
    return list(counts / total.where(total != 0, 1))


def _mean(nats: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Weighted; 0 where all weights are 0, as in Keras."""
    if weights is None:
        return nats.mean()
    total = weights.sum()
    return (nats * weights).sum() / total.where(total != 0, 1)
