"""Which recipes make a better model of the same characters, and at what cost in time?

    python benchmarks/quality.py --corpus corpora/tinyshakespeare.txt [NAME]...
    python benchmarks/quality.py --corpus corpora/tinyshakespeare.txt --minutes 1 [NAME]...

Trains the default network with one recipe at a time, or with several joined by `+` as in
`"window 32 + higher rate"`, and prints the validation score in nats per character: the
mean over the seeds, and the lowest and highest. With `--minutes` every recipe gets the
same time instead of the same characters. The network is written in PyTorch, so that a
recipe can be tried before the package has it; what is worth it moves into `textgen/`, and
the row stays here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import mean
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from textgen.training.backend.process import keep_memory
from textgen.training.loop.schedule import WarmupCosine

VALIDATION = 0.1
EVAL_LANES = 20
EVAL_WARMUP = 256
"""Characters that are read before each lane of the validation text, and not scored."""


@dataclass(frozen=True)
class Recipe:
    """Everything that a row may change; the values here are the first row's."""

    units: int = 256
    layers: int = 1
    embedding: int = 64
    lanes: int = 32
    window: int = 64
    rate: float = 0.01
    warmup: int = 100
    final_rate: float = 0.05
    beta_1: float = 0.9
    beta_2: float = 0.999
    clip_norm: float = 1.0
    weight_decay: float = 0.0
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
        self.output = nn.Linear(recipe.units, vocab_size)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: Tensor, before: Tensor, states: Any) -> tuple[Tensor, Any]:
        """Logits, and the states after the last character; `before` is one id earlier."""
        recipe = self.recipe
        x = embedded = self.embedding(ids)
        if recipe.bigrams:
            x = embedded = x + self.bigrams(before * self.vocab_size + ids)
        total, carried = torch.zeros(()), []
        for number, cell in enumerate(self.cells):
            if number and recipe.embed_every_layer:
                x = torch.cat([x, embedded], -1)
            x, state = self.run(cell, x, states and states[number])
            if self.training and recipe.dropout:
                kept = torch.full((len(x), 1, recipe.units), 1 - recipe.dropout)
                x = x * torch.bernoulli(kept) / (1 - recipe.dropout)
            total = total + x
            carried.append(tuple(part.detach() for part in state))
        return self.output(total if recipe.sum_layers else x), carried

    def run(self, cell: nn.LSTM, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        if self.recipe.cell == "lstm":
            return cell(x, state)
        blank = torch.zeros(len(x), self.recipe.units)
        h, c = (blank, blank) if state is None else (part[0] for part in state)
        outputs = []
        for drive in (x @ cell.weight_ih_l0.T + cell.bias_ih_l0).unbind(1):
            i, f, g, o = (drive + h @ cell.weight_hh_l0.T).chunk(4, -1)
            f = f.sigmoid()
            i = 1 - f if self.recipe.cell == "coupled" else i.sigmoid().minimum(1 - f)
            c = f * c + i * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, 1), (h[None], c[None])


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


class Training:
    """One run over `text`, which ends after `chars` characters or `seconds`."""

    def __init__(
        self, recipe: Recipe, vocab_size: int, text: Tensor, chars: float, seconds: float
    ) -> None:
        self.recipe, self.chars, self.seconds = recipe, chars, seconds
        self.network = Network(recipe, vocab_size)
        self.weights = [x for x in self.network.parameters() if x.requires_grad]
        self.average = [weight.detach().clone() for weight in self.weights]
        self.optimizer = torch.optim.AdamW(
            self.weights,
            betas=(recipe.beta_1, recipe.beta_2),
            eps=1e-7,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.schedule = WarmupCosine(recipe.rate, recipe.warmup, recipe.final_rate)
        length = len(text) // recipe.lanes
        self.lanes = text[: length * recipe.lanes].view(recipe.lanes, length)
        self.states: Any = None
        self.place = self.steps = self.read = 0

    def run(self) -> float:
        """Train the network; return the seconds it took."""
        start = time.perf_counter()
        while (share := self.share_used(time.perf_counter() - start)) < 1:
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule(self.steps, share)
            self.step(self.window(share))
            if self.recipe.averaged:
                self.add_to_average(share)
        seconds = time.perf_counter() - start
        if self.recipe.averaged:
            for weight, mean_weight in zip(self.weights, self.average, strict=True):
                weight.data.copy_(mean_weight)
        return seconds

    def share_used(self, seconds: float) -> float:
        return max(self.read / self.chars, seconds / self.seconds)

    def window(self, share: float) -> int:
        if not self.recipe.growing_window:
            return self.recipe.window
        return 16 if share < 0.2 else 32 if share < 0.5 else 64

    def step(self, window: int) -> None:
        recipe, lanes = self.recipe, self.lanes
        self.find_place(window)
        at, end = self.place, self.place + window
        ids = lanes[:, at:end]
        before = lanes[:, at - 1 : end - 1] if at else ids.roll(1, 1)
        logits, self.states = self.network(ids, before, self.states)
        loss = cross_entropy(
            logits.flatten(0, 1),
            lanes[:, at + 1 : end + 1].flatten(),
            label_smoothing=recipe.smoothing,
        )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights, recipe.clip_norm)
        self.optimizer.step()
        self.steps, self.read, self.place = self.steps + 1, self.read + ids.numel(), end

    def find_place(self, window: int) -> None:
        """Begin the next pass where this one is over; reset lanes if the recipe says so."""
        recipe = self.recipe
        if self.place + window + 1 > self.lanes.shape[1]:
            self.states = None
            self.place = int(torch.randint(window, ())) if recipe.random_offsets else 0
        if self.states and recipe.reset:
            kept = (torch.rand(1, recipe.lanes, 1) > recipe.reset).float()
            self.states = [tuple(part * kept for part in state) for state in self.states]

    def add_to_average(self, share: float) -> None:
        all_steps = self.steps / max(share, 1e-3)
        span = max(1.0, min(self.steps, self.recipe.averaged * all_steps))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.weights, 1 / span)


@torch.no_grad()
def evaluate(network: Network, train: Tensor, held_out: Tensor) -> float:
    """Nats per character in a few long lanes, each begun with the text before it."""
    network.eval()
    length = len(held_out) // EVAL_LANES
    text = torch.cat([train[-EVAL_WARMUP:], held_out])
    starts = range(0, length * EVAL_LANES, length)
    lanes = torch.stack([text[at : at + EVAL_WARMUP + length] for at in starts])
    ids, target = lanes[:, :-1], lanes[:, 1:]
    states, losses = None, []
    for at in range(0, ids.shape[1], 512):
        part = ids[:, at : at + 512]
        before = ids[:, at - 1 : at + 511] if at else part.roll(1, 1)
        logits, states = network(part, before[:, : part.shape[1]], states)
        now = target[:, at : at + 512]
        losses.append(cross_entropy(logits.transpose(1, 2), now, reduction="none"))
    return float(torch.cat(losses, 1)[:, EVAL_WARMUP - 1 :].mean())


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    yield
    torch.set_num_threads(before)


def recipe_named(name: str, base: Recipe) -> Recipe:
    for part in name.split(" + "):
        if part not in RECIPES:
            raise click.UsageError(f"no recipe {part!r}; there are: {', '.join(RECIPES)}")
        base = replace(base, **RECIPES[part])
    return base


def parse(settings: tuple[str, ...]) -> dict[str, Any]:
    """`NAME=VALUE` as fields of a recipe, of the types that they have there."""
    types = {field.name: type(field.default) for field in fields(Recipe)}
    pairs = [setting.split("=", 1) for setting in settings]
    unknown = [name for name, *_ in pairs if name not in types]
    if unknown:
        raise click.UsageError(f"no setting {unknown[0]!r}; there are: {', '.join(types)}")
    return {name: types[name](value) for name, value in pairs}


@click.command()
@click.argument("names", nargs=-1)
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--chars", default=700_000.0, show_default=True, help="Read by each run.")
@click.option("--minutes", type=float, help="Train for this time instead.")
@click.option("--text-chars", type=int, help="Use only the beginning of the text.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--threads", "num_threads", default=2, show_default=True)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="In all rows.")
def main(
    names: tuple[str, ...],
    corpus: Path,
    chars: float,
    minutes: float | None,
    text_chars: int | None,
    seeds: int,
    num_threads: int,
    settings: tuple[str, ...],
) -> None:
    keep_memory()
    base = Recipe(**parse(settings))
    recipes = {name: recipe_named(name, base) for name in names or RECIPES}
    text = corpus.read_text(encoding="utf-8")[:text_chars]
    ids = {character: number for number, character in enumerate(sorted(set(text)))}
    encoded = torch.tensor([ids[character] for character in text])
    split = len(text) - int(len(text) * VALIDATION)
    train, held_out = encoded[:split], encoded[split:]
    budget = (math.inf, 60 * minutes) if minutes else (chars, math.inf)
    print(
        "| recipe | nats per character | lowest to highest | characters read, per second |"
    )
    print("|---|---|---|---|")
    with threads(num_threads):
        for name, recipe in recipes.items():
            scores, speeds, read = [], [], 0
            for seed in range(seeds):
                torch.manual_seed(seed)
                training = Training(recipe, len(ids), train, *budget)
                seconds, read = training.run(), training.read
                speeds.append(read / seconds)
                scores.append(evaluate(training.network, train, held_out))
            print(
                f"| {name} | {mean(scores):.4f} | {min(scores):.4f} to {max(scores):.4f} "
                f"| {read:,}, {mean(speeds):,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
