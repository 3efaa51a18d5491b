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
from dataclasses import fields, replace
from pathlib import Path
from statistics import mean
from typing import Any

import click
import torch
from recipes import RECIPES, Network, Optimizer, Recipe
from torch import Tensor
from torch.nn.functional import cross_entropy

from textgen.training.backend.process import keep_memory
from textgen.training.loop.schedule import WarmupCosine

VALIDATION = 0.1
EVAL_LANES = 20
EVAL_WARMUP = 256
"""Characters that are read before each lane of the validation text, and not scored."""


class Training:
    """One run over `text`, which ends after `chars` characters or `seconds`.

    Its teachers, if the recipe has any, are trained first, each on as much.
    """

    def __init__(
        self, recipe: Recipe, vocab_size: int, text: Tensor, chars: float, seconds: float
    ) -> None:
        self.recipe, self.chars, self.seconds = recipe, chars, seconds
        self.teachers = []
        for _ in range(recipe.teachers):
            other = Training(replace(recipe, teachers=0), vocab_size, text, chars, seconds)
            other.run()
            self.teachers.append(other.network.eval())
        self.taught: list[Any] = [None] * recipe.teachers
        self.network = Network(recipe, vocab_size)
        self.optimizer = Optimizer(self.network)
        self.weights = self.optimizer.all
        self.average = [weight.detach().clone() for weight in self.weights]
        self.schedule = WarmupCosine(recipe.rate, recipe.warmup, recipe.final_rate)
        length = len(text) // recipe.lanes
        self.lanes = text[: length * recipe.lanes].view(recipe.lanes, length)
        self.states: Any = None
        self.place = self.steps = self.read = 0

    def run(self) -> float:
        """Train the network; return the seconds it took."""
        start = time.perf_counter()
        while (share := self.share_used(time.perf_counter() - start)) < 1:
            self.step(self.window(share), self.rate(share))
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

    def rate(self, share: float) -> float:
        if not self.recipe.one_cycle:
            return self.schedule(self.steps, share)
        return self.recipe.rate * min(share / 0.3, (1 - share) / 0.7)

    def step(self, window: int, rate: float) -> None:
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
        if self.teachers:
            soft = cross_entropy(logits.flatten(0, 1), self.predicted(ids, before))
            loss = (loss + soft) / 2
        self.optimizer.step(loss + recipe.activation * self.network.penalty, rate)
        self.steps, self.read, self.place = self.steps + 1, self.read + ids.numel(), end

    @torch.no_grad()
    def predicted(self, ids: Tensor, before: Tensor) -> Tensor:
        """The mean of the teachers' probabilities (Hinton et al. 2015)."""
        total = torch.zeros(())
        for number, teacher in enumerate(self.teachers):
            logits, self.taught[number] = teacher(ids, before, self.taught[number])
            total = total + logits.softmax(-1)
        return total.flatten(0, 1) / len(self.teachers)

    def find_place(self, window: int) -> None:
        """Begin the next pass where this one is over; reset lanes if the recipe says so."""
        recipe = self.recipe
        if self.place + window + 1 > self.lanes.shape[1]:
            self.states, self.taught = None, [None] * recipe.teachers
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
