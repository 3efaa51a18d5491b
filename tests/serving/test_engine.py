"""What is written for a reader waits for it, shown or not."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from tests.serving.helpers import LETTERS
from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig
from textgen.generation.decoding.particles import Particles, make_outlook
from textgen.generation.decoding.plan import make_plan
from textgen.generation.decoding.prompts import begin_texts, encode_prompts
from textgen.generation.network.network import Network
from textgen.serving.engine import Engine, Writing
from textgen.serving.mailbox import AHEAD, Mailbox, Piece


class CountingNetwork(Network):
    """An untrained network that counts the characters it reads."""

    num_steps = 0

    def step(self, ids: Any, state: Any) -> Any:
        self.num_steps += 1
        return super().step(ids, state)


def untrained() -> CountingNetwork:
    config = ModelConfig(LETTERS.vocab_size, num_layers=1, units=4, embedding_dim=3)
    rng = np.random.default_rng(0)
    shapes = config.weight_shapes().items()
    weights = {key: rng.normal(0, 0.1, shape).astype(np.float32) for key, shape in shapes}
    return CountingNetwork(config, weights)


async def steps_until_it_rests(network: CountingNetwork) -> int:
    before, now = -1, 0
    while now == 0 or now != before:
        await asyncio.sleep(0.1)
        before, now = now, network.num_steps
    return now


def test_a_restricted_text_waits_for_its_reader_even_while_nothing_is_shown() -> None:
    network = untrained()
    engine = Engine(network, lambda num_chars: None)
    plan = make_plan(
        LETTERS, SamplingConfig(length=400, temperature=1.0, pattern="[a-z]{400}")
    )
    prompts, _ = encode_prompts(LETTERS, ["a"], "skip", None)

    async def run() -> list[Piece]:
        texts, logits, state = begin_texts(network, plan, prompts, seed=1, first=0)
        group = Particles(texts, make_outlook(network, plan))
        rows, box = group.first_rows(), Mailbox(1, engine.look)
        engine.join([Writing(texts[0], 0, box)], group, logits[rows], state[rows])
        network.num_steps = 0
        engine.start()
        assert 0 < await steps_until_it_rests(network) <= AHEAD
        pieces = []
        while not box.is_over:
            pieces += await box.take()
        engine.stop()
        return pieces

    pieces = asyncio.run(run())
    assert len("".join(piece.text for piece in pieces)) == 400
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == ["length"]


def test_what_cannot_wait_is_the_beginning_the_end_and_half_of_what_there_is_room_for() -> (
    None
):
    async def run() -> None:
        box = Mailbox(2, lambda: None)
        assert [box.put(0, "", None), box.put(1, "a", None), box.put(0, "b", None)] == [
            *(False, True, False)
        ]
        urgent = [box.put(0, "c", None) for _ in range(2 * AHEAD - 3)]
        assert [at for at, is_urgent in enumerate(urgent) if is_urgent] == [AHEAD - 4]
        assert box.is_full
        assert not box.put(1, "d", "stop")
        box.wake()
        assert await box.take() == [
            Piece(0, "b" + "c" * (2 * AHEAD - 3), None),
            Piece(1, "ad", "stop"),
        ]
        assert not box.is_over
        assert box.put(0, "", "length")
        box.wake()
        assert await box.take() == [Piece(0, "", "length")]
        assert box.is_over

    asyncio.run(run())
