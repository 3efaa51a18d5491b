"""Decodes prompts to finished texts, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textgen.generation.decoding.beam import search
from textgen.generation.decoding.loop import Running, decode
from textgen.generation.decoding.plan import Model, Plan
from textgen.generation.decoding.prompts import Prompt, begin_texts
from textgen.generation.decoding.sample import Sample


class Batch:
    """Texts that are decoded in parallel.

    Args:
        prompts: one for each text. A beam search continues only the first of them.
        seed, first: see `begin_texts`.
    """

    def __init__(
        self, model: Model, plan: Plan, prompts: Sequence[Prompt], seed: int, first: int
    ) -> None:
        self._model = model
        self._num_texts = len(prompts)
        self._config = plan.config
        self._texts, self._logits, self._state = begin_texts(
            model, plan, prompts, seed, first
        )

    def pieces(self) -> Iterator[str]:
        """Decode the texts to their ends; yields new characters as soon as possible.

        Raises:
            CheckpointError: the logits are not finite.
        """
        if self._config.beam_width is not None:
            yield from self._search()
        else:
            for _, piece in decode(self._running()):
                yield piece

    def _search(self) -> Iterator[str]:
        found = search(self._model, self._texts[0], self._logits[:1], self._state[:1])
        self._texts = found[: self._num_texts]
        yield from (text.written for text in self._texts if text.written)

    def _running(self) -> Running:
        running = Running(self._model)
        if self._config.num_particles == 1:
            running.join(self._texts, self._logits, self._state)
            return running
        # Here, so that text without a constraint does not wait for it.
        from textgen.generation.decoding.particles import Particles, make_outlook

        outlook = make_outlook(self._model, self._texts[0].plan)
        group = Particles(self._texts, outlook)
        rows = group.first_rows()
        running.join_group(group, self._logits[rows], self._state[rows])
        return running

    def samples(self) -> list[Sample]:
        """Decode the texts to their ends; returns them in order, or the best first."""
        for _ in self.pieces():
            pass
        return [text.sample() for text in self._texts]


def batches(
    model: Model,
    plan: Plan,
    prompts: Sequence[Prompt],
    seed: int,
    num_samples: int = 1,
    batch_size: int = 1,
) -> Iterator[Batch]:
    """Read the prompts of one batch after the other.

    Args:
        num_samples: texts for each prompt; text `n` continues prompt `n // num_samples`.
    """
    # Counted, not listed: it costs nothing to ask for more texts than will be taken.
    total = len(prompts) * num_samples
    for first in range(0, total, batch_size):
        numbers = range(first, min(first + batch_size, total))
        batch = [prompts[number // num_samples] for number in numbers]
        yield Batch(model, plan, batch, seed, first)
