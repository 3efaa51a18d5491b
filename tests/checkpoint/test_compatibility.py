"""Checkpoints made by earlier code load unchanged and compute what they did then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.generation.models import read_whole
from textgen.__main__ import run as run_command
from textgen.checkpoint.format import load_checkpoint
from textgen.generation.generator import Generator
from textgen.generation.network.network import Network

DATA = Path(__file__).parent / "data"
RUNS = ("lstm", "gru", "rnn")


def expected(run: str) -> list[dict[str, Any]]:
    recorded = json.loads((DATA / run / "expected.json").read_text(encoding="utf-8"))
    samples: list[dict[str, Any]] = recorded["samples"]
    return samples


@pytest.mark.parametrize("part", ["best", "last"])
@pytest.mark.parametrize("run", RUNS)
def test_the_logits_of_an_earlier_checkpoint_are_the_same(run: str, part: str) -> None:
    checkpoint = load_checkpoint(DATA / run / "run" / part)
    network = Network(checkpoint.model, checkpoint.weights)
    for sample in expected(run):
        logits, _ = read_whole(network, sample["ids"], network.initial_state())
        np.testing.assert_allclose(logits[-1], sample["last_logits"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("run", RUNS)
def test_an_earlier_checkpoint_writes_the_same_text(run: str) -> None:
    generator = Generator.load(DATA / run / "run")
    for sample in expected(run):
        assert generator.generate(sample["prompt"], **sample["options"]) == sample["text"]


@pytest.mark.parametrize(
    ("run", "weights"),
    [
        ("lstm", "layers.1 560 parameters"),
        ("gru", "projection 48 parameters"),
        ("rnn", "embedding 1,036 parameters"),
    ],
)
def test_info_describes_an_earlier_checkpoint(
    run: str, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["info", str(DATA / run / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert weights in [" ".join(line.split()) for line in lines]
