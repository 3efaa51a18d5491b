"""Every kind of network writes in every way as it reads: no state leaks between texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.generation.models import ABC, log_probability, random_model, remembering
from textgen.generation.decoding import particles
from textgen.generation.generator import Generator
from textgen.model.cells import CELLS

TEXT = "abc\ncab\nabcab\nbca\n" * 30
PATTERN = "([abc]{2}ab\\n)*"
WAYS: dict[str, dict[str, Any]] = {
    "alone": {},
    "together": {"num_samples": 3},
    "particles": {"num_samples": 2, "pattern": PATTERN, "particles": 4},
    "mask": {"num_samples": 2, "pattern": PATTERN, "particles": 1},
    "beam": {"beam_width": 3},
}


@pytest.fixture(autouse=True, scope="module")
def _resampling_at_every_step() -> Iterator[None]:
    """Replace light particles by copies of heavy ones, however little they differ."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(particles, "MIN_EFFECTIVE_SHARE", 1.0)
        yield


@st.composite
def generators(draw: st.DrawFn) -> Generator:
    """Any cell, with whatever looks back beside it, and perhaps an n-gram memory."""
    plain = random_model(
        ABC,
        cell=draw(st.sampled_from(sorted(CELLS))),
        num_layers=draw(st.integers(1, 2)),
        sum_layers=draw(st.booleans()),
        conv=draw(st.sampled_from([0, 3])),
        attention=draw(st.sampled_from([0, 4, 100])),
    )
    memory = draw(st.sampled_from(["none", "counted", "learning"]))
    if memory == "none":
        return plain
    return remembering(plain, TEXT, weight=0.4, learns=memory == "learning")


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(generator=generators(), seed=st.integers(0, 9))
def test_a_text_is_as_probable_as_reading_it_at_once_says(
    way: str, generator: Generator, seed: int
) -> None:
    samples = generator.samples("ab", length=30, seed=seed, logprobs=0, **WAYS[way])
    for sample in samples:
        ids = ABC.encode(sample.text).tolist()
        expected = log_probability(generator, "ab", ids)
        assert sample.logprob == pytest.approx(expected, abs=1e-3)
