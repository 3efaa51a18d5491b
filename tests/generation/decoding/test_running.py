"""Texts that join and leave a running batch are those that are written alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.generation.models import LETTERS, random_model
from textgen.config.sampling import SamplingConfig
from textgen.generation.decoding.loop import Running
from textgen.generation.decoding.particles import Particles, make_outlook
from textgen.generation.decoding.plan import make_plan
from textgen.generation.decoding.prompts import (
    PromptReader,
    begin_texts,
    encode_prompts,
)
from textgen.generation.decoding.text import Text
from textgen.generation.generator import Generator
from textgen.text.tokenizers.byte import ByteTokenizer

SETTINGS: list[dict[str, Any]] = [
    {"length": 40},
    {"length": 25, "top_p": 0.9, "temperature": (1.0, 0.5)},
    {"length": 60, "dry_multiplier": 1.0},
    {"length": 1},
    {"length": 0},
    {"length": 50, "top_p": 0.9, "temperature": (1.0, 0.5)},
    {"length": 60, "no_repeat_ngram_size": 1},
    {"length": 60, "stop": ("a",), "forbid": "b", "particles": 1},
]


def begun(generator: Generator, number: int, **settings: Any) -> tuple[Text, Any, Any]:
    """A text that has read its prompt, with its logits and state."""
    plan = make_plan(generator.tokenizer, SamplingConfig(**settings))
    prompts, _ = encode_prompts(generator.tokenizer, ["ab" * number], "error", None)
    network: Any = generator._network
    (text,), logits, state = begin_texts(network, plan, prompts, seed=number, first=0)
    return text, logits, state


def joined(running: Running, text: Text, logits: Any, state: Any) -> Text:
    running.join([text], logits, state)
    return text


@pytest.mark.parametrize("steps_between", [0, 1, 3])
def test_a_text_does_not_depend_on_when_others_come_and_go(steps_between: int) -> None:
    generator = random_model(LETTERS, scale=0.3)
    running = Running(generator._network)
    written = {}
    for number, settings in enumerate(SETTINGS):
        written[number] = joined(running, *begun(generator, number, **settings))
        for _ in range(steps_between):
            running.write()
            running.read()
    while running.texts:
        running.write()
        running.read()
    for number, settings in enumerate(SETTINGS):
        alone = generator.generate("ab" * number, seed=number, **settings)
        assert written[number].written == alone


def test_a_text_that_leaves_goes_on_where_it_was() -> None:
    generator = random_model(LETTERS, scale=0.3)
    running = Running(generator._network)
    first = joined(running, *begun(generator, 1, length=30))
    second = joined(running, *begun(generator, 2, length=40))
    for step in range(40):
        if step == 10:
            aside = running.leave(first)
            assert running.texts == [second]
        if step == 20:
            running.join([first], *aside)
        running.write()
        running.read()
    assert running.texts == []
    assert first.written == generator.generate("ab", seed=1, length=30)
    assert second.written == generator.generate("abab", seed=2, length=40)


def steered(generator: Generator, number: int, **settings: Any) -> tuple[Any, Any, Any]:
    """Particles of a restricted text that has read its prompt."""
    text, logits, state = begun(generator, number, **settings)
    group = Particles([text], make_outlook(generator._network, text.plan))
    rows = group.first_rows()
    return group, logits[rows], state[rows]


def test_restricted_texts_are_written_in_the_same_batch() -> None:
    generator = random_model(LETTERS, scale=0.3)
    running = Running(generator._network)
    settings: list[dict[str, Any]] = [
        {"length": 30, "allow": "abc"},
        {"length": 20, "pattern": "[a-d]*e[a-d]+"},
        {"length": 0, "allow": "abc"},
    ]
    free = joined(running, *begun(generator, 9, length=60))
    groups = []
    for number, each in enumerate(settings):
        group, *rows = steered(generator, number, **each)
        running.join_group(group, *rows)
        groups.append(group)
        running.write()
        running.read()
    aside = running.leave_group(groups[0])
    running.write()
    running.read()
    running.join_group(groups[0], *aside)
    while running:
        running.write()
        running.read()
    assert free.written == generator.generate("ab" * 9, seed=9, length=60)
    for number, each in enumerate(settings):
        expected = generator.generate("ab" * number, seed=number, **each)
        assert groups[number].texts[0].written == expected


@pytest.mark.parametrize("tokenizer", [LETTERS, ByteTokenizer(end_of_document=True)])
def test_short_prompts_are_read_together_as_they_are_read_alone(tokenizer: Any) -> None:
    generator = random_model(tokenizer, scale=0.3)
    network: Any = generator._network
    texts = ["ab", "", "abc", "h" * 31, "b", "ab", "a" * 40]
    prompts, _ = encode_prompts(tokenizer, texts, "error", None)
    plan = make_plan(tokenizer, SamplingConfig())
    reader = PromptReader(network, tokenizer)
    reader.read_together(prompts)
    together = begin_texts(network, plan, prompts, 1, 0, reader)
    alone = begin_texts(network, plan, prompts, 1, 0)
    for ours, theirs in zip(together[1:], alone[1:], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert [text.prompt_ids for text in together[0]] == [
        text.prompt_ids for text in alone[0]
    ]


def test_a_step_reports_every_text_and_drops_the_finished() -> None:
    generator = random_model(LETTERS, scale=0.3)
    running = Running(generator._network)
    short = joined(running, *begun(generator, 1, length=1))
    long = joined(running, *begun(generator, 2, length=2))
    first = running.write()
    assert [text for text, _ in first] == [short, long]
    assert running.texts == [long]
    running.read()
    assert [len(piece) for _, piece in running.write()] == [1]
    assert np.all([text.finish_reason == "length" for text in (short, long)])
