"""The recipes that `quality.py` compares: network and optimizer with what each changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


@dataclass(frozen=True)
class Recipe:
    """Everything that a row may change; the values here are the first row's."""

    units: int = 256
    layers: int = 1
    embedding: int = 64
    optimizer: str = "adamw"
    muon_rows: int = 0  # made orthogonal together; 0: a whole gate
    muon_columns: int = 0  # likewise; 0: all
    muon_iterations: int = 3
    lanes: int = 32
    window: int = 64
    rate: float = 0.01
    warmup: int = 100
    final_rate: float = 0.05
    beta_1: float = 0.9
    beta_2: float = 0.999
    clip_norm: float = 1.0
    weight_decay: float = 0.0  # with Muon, of the cells' matrices alone
    dropout: float = 0.0
    cell: str = "lstm"
    sum_layers: bool = False
    embed_every_layer: bool = False
    bigrams: bool = False
    averaged: float = 0.0  # share of the steps whose weights are averaged
    random_offsets: bool = False
    reset: float = 0.0  # chance that a lane forgets its state before a window
    growing_window: bool = False
    smoothing: float = 0.0
    one_cycle: bool = False
    embedding_dropout: float = 0.0
    weight_drop: float = 0.0  # share of the recurrent matrix dropped in each step
    zoneout: float = 0.0  # chance that a unit keeps its value
    activation: float = 0.0  # penalty on large and on fast changing outputs
    norm: bool = False  # layer normalisation of each layer's outputs
    mogrifier: int = 0  # rounds in which input and state gate each other
    teachers: int = 0  # networks, trained alike before, whose predictions are learned, too


RECIPES: dict[str, dict[str, Any]] = {
    "as before": {},
    "short warm-up": {"warmup": 30},
    "window 128, lanes 16": {"window": 128, "lanes": 16},
    "window 32": {"window": 32},
    "window 16": {"window": 16},
    "growing window": {"growing_window": True},
    "lanes 16": {"lanes": 16},
    "beta2 0.98": {"beta_2": 0.98},
    "beta1 0.7": {"beta_1": 0.7},
    "higher rate": {"rate": 0.015, "beta_2": 0.98, "warmup": 50},
    "lower rate": {"rate": 0.007},
    "clip at 0.25": {"clip_norm": 0.25},
    "no floor of the rate": {"final_rate": 0.0},
    "weight decay 0.01": {"weight_decay": 0.01},
    "dropout 0.1": {"dropout": 0.1},
    "dropout 0.3": {"dropout": 0.3},
    "averaged weights, 1 %": {"averaged": 0.01},
    "averaged weights, 10 %": {"averaged": 0.1},
    "two layers": {"layers": 2},
    "three layers": {"layers": 3},
    "two layers, sum": {"layers": 2, "sum_layers": True},
    "two layers, embedding in each": {"layers": 2, "embed_every_layer": True},
    "bigram embedding": {"bigrams": True},
    "coupled gates": {"cell": "coupled"},
    "capped input gate": {"cell": "capped"},
    "random offsets": {"random_offsets": True},
    "state reset 0.01": {"reset": 0.01},
    "label smoothing 0.05": {"smoothing": 0.05},
    "one cycle": {"one_cycle": True, "rate": 0.02, "beta_2": 0.98},
    "Muon": {"optimizer": "muon"},
    "Muon, higher rate": {"optimizer": "muon", "rate": 0.02},
    "Muon, 64 lanes": {"optimizer": "muon", "lanes": 64},
    "embedding dropout 0.1": {"embedding_dropout": 0.1},
    "weight drop 0.3": {"weight_drop": 0.3},
    "zoneout 0.1": {"zoneout": 0.1},
    "activation penalty": {"activation": 1.0},
    "layer norm": {"norm": True},
    "Mogrifier, 4 rounds": {"mogrifier": 4},
    "distilled from two": {"teachers": 2},
}


class Network(nn.Module):
    """What `textgen.build_model` builds, with the recipes' changes."""

    def __init__(self, recipe: Recipe, vocab_size: int) -> None:
        super().__init__()
        self.recipe, self.vocab_size = recipe, vocab_size
        self.embedding = nn.Embedding(vocab_size, recipe.embedding)
        if recipe.bigrams:
            self.bigrams = nn.Embedding(vocab_size**2, recipe.embedding)
            nn.init.zeros_(self.bigrams.weight)
        more = recipe.embedding if recipe.embed_every_layer else 0
        widths = [recipe.embedding] + [recipe.units + more] * (recipe.layers - 1)
        self.cells = nn.ModuleList(lstm(width, recipe.units) for width in widths)
        self.norms = nn.ModuleList(nn.LayerNorm(recipe.units) for _ in widths)
        self.mogrifiers = nn.ModuleList(
            mogrifier(width, recipe.units, recipe.mogrifier) for width in widths
        )
        self.output = nn.Linear(recipe.units, vocab_size)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: Tensor, before: Tensor, states: Any) -> tuple[Tensor, Any]:
        """Logits, and the states after the last character; `before` is one id earlier."""
        recipe, self.penalty = self.recipe, torch.zeros(())
        x = self.embedding(ids)
        if recipe.bigrams:
            x = x + self.bigrams(before * self.vocab_size + ids)
        x = embedded = self.dropped(x, recipe.embedding_dropout)
        total, carried = torch.zeros(()), []
        for number, cell in enumerate(self.cells):
            if number and recipe.embed_every_layer:
                x = torch.cat([x, embedded], -1)
            x, state = self.run(number, cell, x, states and states[number])
            if recipe.activation:
                changes = (x[:, 1:] - x[:, :-1]).square().mean()
                self.penalty = self.penalty + 2 * x.square().mean() + changes
            if recipe.norm:
                x = self.norms[number](x)
            x = self.dropped(x, recipe.dropout)
            total = total + x
            carried.append(tuple(part.detach() for part in state))
        return self.output(total if recipe.sum_layers else x), carried

    def dropped(self, x: Tensor, rate: float) -> Tensor:
        """Without some features, the same ones at every time step."""
        if not self.training or not rate:
            return x
        kept = torch.full((len(x), 1, x.shape[-1]), 1 - rate)
        return x * torch.bernoulli(kept) / (1 - rate)

    def run(self, number: int, cell: nn.LSTM, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        recipe = self.recipe
        if recipe.cell != "lstm" or recipe.zoneout or recipe.mogrifier:
            return self.run_stepwise(number, cell, x, state)
        if not self.training or not recipe.weight_drop:
            return cell(x, state)
        weights = dict(cell.named_parameters())
        matrix = weights["weight_hh_l0"]
        kept = torch.bernoulli(torch.full_like(matrix, 1 - recipe.weight_drop))
        weights["weight_hh_l0"] = matrix * kept / (1 - recipe.weight_drop)
        return functional_call(cell, weights, (x, state))

    def run_stepwise(
        self, number: int, cell: nn.LSTM, x: Tensor, state: Any
    ) -> tuple[Tensor, Any]:
        blank = torch.zeros(len(x), self.recipe.units)
        h, c = (blank, blank) if state is None else (part[0] for part in state)
        outputs = []
        for now in x.unbind(1):
            if self.recipe.mogrifier:
                now, h = self.mogrified(number, now, h)
            gates = now @ cell.weight_ih_l0.T + cell.bias_ih_l0 + h @ cell.weight_hh_l0.T
            new_h, new_c = self.cell_step(gates, c)
            h, c = self.zoned(h, new_h), self.zoned(c, new_c)
            outputs.append(h)
        return torch.stack(outputs, 1), (h[None], c[None])

    def cell_step(self, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = gates.chunk(4, -1)
        i, f = i.sigmoid(), f.sigmoid()
        if self.recipe.cell == "coupled":
            i = 1 - f
        elif self.recipe.cell == "capped":
            i = i.minimum(1 - f)
        c = f * c + i * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def zoned(self, old: Tensor, new: Tensor) -> Tensor:
        """Zoneout (Krueger et al. 2017): some units keep their value; later, the mean."""
        if not (rate := self.recipe.zoneout):
            return new
        keep = torch.full_like(new, rate)
        return new.lerp(old, torch.bernoulli(keep) if self.training else keep)

    def mogrified(self, number: int, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Input and state gate each other in turn (Melis et al. 2020)."""
        for round_, gate in enumerate(self.mogrifiers[number]):
            if round_ % 2:
                h = 2 * gate(x).sigmoid() * h
            else:
                x = 2 * gate(h).sigmoid() * x
        return x, h


def mogrifier(inputs: int, units: int, rounds: int, rank: int = 40) -> nn.ModuleList:
    """The gates of a layer, each a matrix of low rank."""
    sizes = [(inputs, units) if number % 2 else (units, inputs) for number in range(rounds)]
    return nn.ModuleList(
        nn.Sequential(nn.Linear(size, rank, bias=False), nn.Linear(rank, other))
        for size, other in sizes
    )


def lstm(inputs: int, units: int) -> nn.LSTM:
    """With the initial weights that Keras gives it."""
    cell = nn.LSTM(inputs, units, batch_first=True)
    nn.init.xavier_uniform_(cell.weight_ih_l0)
    nn.init.orthogonal_(cell.weight_hh_l0)
    nn.init.zeros_(cell.bias_ih_l0)
    nn.init.zeros_(cell.bias_hh_l0)
    nn.init.ones_(cell.bias_ih_l0.data[units : 2 * units])
    cell.bias_hh_l0.requires_grad_(False)
    return cell


class Optimizer:
    """AdamW, or Muon (Jordan 2024) for each gate's block of the cells' matrices.

    Args:
        network: all of its weights are updated.
    """

    def __init__(self, network: Network) -> None:
        self.recipe = recipe = network.recipe
        named = {k: w for k, w in network.named_parameters() if w.requires_grad}
        self.all = list(named.values())
        is_muon = recipe.optimizer == "muon"
        self.matrices = [w for k, w in named.items() if is_muon and ".weight_" in k]
        self.momenta = [torch.zeros_like(w) for w in self.matrices]
        rest = [w for k, w in named.items() if not (is_muon and ".weight_" in k)]
        self.adamw = torch.optim.AdamW(
            rest,
            betas=(recipe.beta_1, recipe.beta_2),
            eps=1e-7,
            weight_decay=0.0 if is_muon else recipe.weight_decay,
            fused=True,
        )

    def step(self, loss: Tensor, rate: float) -> None:
        self.adamw.zero_grad()
        for weight in self.matrices:
            weight.grad = None
        loss.backward()
        nn.utils.clip_grad_norm_(self.all, self.recipe.clip_norm)
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.adamw.step()
        for weight, momentum in zip(self.matrices, self.momenta, strict=True):
            self.muon(weight, momentum, rate)

    @torch.no_grad()
    def muon(self, weight: Tensor, momentum: Tensor, rate: float) -> None:
        assert weight.grad is not None
        momentum.lerp_(weight.grad, 0.05)
        rows = self.recipe.muon_rows or len(weight) // 4
        columns = self.recipe.muon_columns or weight.shape[1]
        blocks = weight.grad.lerp(momentum, 0.95)
        blocks = blocks.unflatten(1, (-1, columns)).unflatten(0, (-1, rows))
        blocks = blocks.transpose(1, 2)
        # As large as the usual update of Adam (Liu et al. 2025).
        scale = 0.2 * max(blocks.shape[2:]) ** 0.5
        update = orthogonal(blocks, self.recipe.muon_iterations).transpose(1, 2)
        weight.mul_(1 - rate * self.recipe.weight_decay)
        weight.sub_(update.flatten(2, 3).flatten(0, 1), alpha=rate * scale)


def orthogonal(blocks: Tensor, iterations: int) -> Tensor:
    """Matrices with their singular values near 1, by Newton-Schulz iterations."""
    if blocks.shape[-2] > blocks.shape[-1]:
        return orthogonal(blocks.mT, iterations).mT
    x = blocks / (blocks.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x
