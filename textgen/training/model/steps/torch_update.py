"""The update of a model's weights on PyTorch by the optimizers that are used most.

Keras updates one variable after the other, in ten operations each. Here one call serves all
variables, or all matrices of one shape; they stay those of Keras, and so do the numbers, up
to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import torch
from torch.optim.adam import adam

from textgen.training.backend.loaded import keras
from textgen.training.model.muon import Muon
from textgen.training.model.steps.torch_products import exact_products

Tensors = Sequence[torch.Tensor]


def is_fast(optimizer: Any) -> bool:
    """Whether `Update` knows the optimizer."""
    return isinstance(optimizer, keras.optimizers.Adam | Muon)


class Update:
    """Updates all weights as Adam, AdamW or Muon of Keras would.

    Args:
        optimizer: built for `variables`.
        variables: the trained ones.
        transposed: for each of them whether PyTorch reads it transposed; it is then kept
            so in memory.
    """

    def __init__(
        self, optimizer: Any, variables: Sequence[Any], transposed: Sequence[bool]
    ) -> None:
        self.optimizer, self.transposed = optimizer, transposed
        self.is_muon = isinstance(optimizer, Muon)
        prefix = "adam_" if self.is_muon else ""
        self.betas = [getattr(optimizer, f"{prefix}beta_{number}") for number in (1, 2)]
        self.values = self._arranged(variables)
        self.first, self.second = map(self._arranged, self._moments(variables))
        by_adam = [number for number, x in enumerate(self.second) if x is not None]
        by_muon = [number for number, x in enumerate(self.second) if x is None]
        decays = dict.fromkeys(by_muon, optimizer.weight_decay)
        decays |= dict.fromkeys(by_adam, getattr(optimizer, f"{prefix}weight_decay"))
        self.decays = [
            (decays[number] or 0.0) * optimizer._use_weight_decay(variable)
            for number, variable in enumerate(variables)
        ]
        self.adam_groups = _alike((self.decays[number], number) for number in by_adam)
        self.muon_groups = _alike(
            (self._blocks(number, self.values[number]).shape[1:], number)
            for number in by_muon
        )

    def __call__(self, gradients: Tensors) -> None:
        """Clip the gradients, decay the weights and update them.

        Args:
            gradients: of the variables, in their order. They are overwritten.
        """
        optimizer = self.optimizer
        gradients = self._turned(gradients)
        excess = None
        if optimizer.global_clipnorm:
            norm = torch.nn.utils.get_total_norm(gradients)
            excess = torch.clamp(norm / optimizer.global_clipnorm, min=1.0)
        for group in self.adam_groups:
            self._adam(group, gradients, excess)
        for group in self.muon_groups:
            self._muon(group, gradients, excess)
        optimizer.iterations.assign_add(1)

    def _adam(self, group: list[int], gradients: Tensors, excess: Any) -> None:
        step = int(self.optimizer.iterations) + 1
        beta_1, beta_2 = self.betas
        adam(
            [self.values[number] for number in group],
            [gradients[number].contiguous() for number in group],
            [self.first[number] for number in group],
            [self.second[number] for number in group],
            [],
            # PyTorch counts the step itself.
            [torch.full((), step - 1.0, device=gradients[0].device) for _ in group],
            fused=True,
            grad_scale=excess,
            decoupled_weight_decay=True,
            amsgrad=False,
            beta1=beta_1,
            beta2=beta_2,
            lr=float(self.optimizer.learning_rate),
            weight_decay=self.decays[group[0]],
            # Keras adds it to the second moment before its correction, PyTorch after.
            eps=self.optimizer.epsilon / math.sqrt(1 - beta_2**step),
            maximize=False,
        )

    def _muon(self, group: list[int], gradients: Tensors, excess: Any) -> None:
        """Update matrices in few passes over them: the speed of memory is the limit."""
        optimizer = self.optimizer
        rate = float(optimizer.learning_rate)
        blocks = self._ahead(group, gradients, excess)
        gram = blocks @ blocks.mT
        # The same for all of them, as their blocks are.
        scale = optimizer.scale(*blocks.shape[1:])
        sizes = [len(self._blocks(number, self.values[number])) for number in group]
        # What rounding does grows with each step; and oneDNN, which rounds a lone block,
        # would compile a program for every value of `alpha`.
        with exact_products():
            factors = self._factors(gram)
            parts = zip(factors.split(sizes), blocks.split(sizes), strict=True)
            for number, (factor, block) in zip(group, parts, strict=True):
                keep = 1 - rate * self.decays[number]
                value = self._blocks(number, self.values[number])
                value.baddbmm_(factor, block, beta=keep, alpha=-rate * scale)

    def _ahead(self, group: list[int], gradients: Tensors, excess: Any) -> torch.Tensor:
        """Update momentums; return where they lead, `(blocks, less, more)`.

        It takes the place of the gradients.
        """
        momentum, ahead = self.optimizer.momentum, []
        for number in group:
            gradient, first = gradients[number], self.first[number]
            if excess is not None:
                gradient.div_(excess)
            torch.add(gradient, first, alpha=momentum, out=first)
            gradient.add_(first, alpha=momentum)
            ahead.append(self._blocks(number, gradient))
        return ahead[0] if len(ahead) == 1 else torch.cat(ahead)

    def _factors(self, gram: torch.Tensor) -> torch.Tensor:
        """What `Muon.orthogonalizing_factor` computes, in fewer operations."""
        a, b, c = self.optimizer.muon_a, self.optimizer.muon_b, self.optimizer.muon_c
        norm = gram.diagonal(dim1=1, dim2=2).sum(1).sqrt()[:, None, None] + 1e-7
        gram = gram / norm**2
        product = last = _polynomial(gram, a, b, c)
        for _ in range(self.optimizer.ns_steps - 1):
            gram = last @ gram @ last
            last = _polynomial(gram, a, b, c)
            product = last @ product
        return product / norm

    def _blocks(self, number: int, x: torch.Tensor) -> torch.Tensor:
        """A view of a tensor of variable `number`: `(blocks, less, more)`."""
        columns = x if self.transposed[number] else x.T
        blocks = columns.unflatten(0, (self.optimizer.num_blocks(len(columns)), -1))
        return blocks.mT if blocks.shape[1] > blocks.shape[2] else blocks

    def _moments(self, variables: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        optimizer = self.optimizer
        if self.is_muon:
            first, second = optimizer.momentums, optimizer.adam_velocities
        else:
            first, second = optimizer._momentums, optimizer._velocities
        numbers = [optimizer._get_variable_index(variable) for variable in variables]
        return [first[n] for n in numbers], [second[n] for n in numbers]

    def _arranged(self, variables: Sequence[Any]) -> list[Any]:
        """Put each variable's tensor into the order in memory that is read fastest."""
        tensors = [None if each is None else each.value for each in variables]
        for x, turned in zip(tensors, self.transposed, strict=True):
            if x is not None:
                x.data = x.T.contiguous().T if turned else x.data.contiguous()
        return self._turned(tensors)

    def _turned(self, tensors: Sequence[Any]) -> list[Any]:
        """Each with its axes in the order in which it lies in memory."""
        return [
            x.T if turned and x is not None else x
            for x, turned in zip(tensors, self.transposed, strict=True)
        ]


def _polynomial(gram: torch.Tensor, a: float, b: float, c: float) -> torch.Tensor:
    """`a + b * gram + c * gram @ gram` of each matrix."""
    found = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    found.diagonal(dim1=1, dim2=2).add_(a)
    return found


def _alike(pairs: Iterable[tuple[Hashable, int]]) -> list[list[int]]:
    """The numbers of equal keys together.

    >>> _alike([("a", 0), ("b", 1), ("a", 2)])
    [[0, 2], [1]]
    """
    groups: dict[Hashable, list[int]] = {}
    for key, number in pairs:
        groups.setdefault(key, []).append(number)
    return list(groups.values())
