"""Every gate and state, equal to what the ordinary step computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.generation.models import random_model
from textgen.errors import ConfigError, CorpusError, OutOfMemoryError
from textgen.generation.generator import Generator
from textgen.generation.network.network import CHUNK_CHARS, Network
from textgen.generation.network.remembering import RememberingNetwork
from textgen.generation.scoring.score import surprises
from textgen.generation.scoring.trace import Trace
from textgen.model.architecture import state_places
from textgen.model.cells import CELLS
from textgen.ngrams.counting import count_ngrams
from textgen.ngrams.model import NgramModel
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

ABC = CharTokenizer("\nabc")
LONG = "abca\ncab" * 90
"""More than one chunk."""
OPTIONS: list[dict[str, Any]] = [
    *({"cell": cell} for cell in CELLS),
    {"conv": 3, "attention": 4, "layer_norm": True, "residual": True},
    {"cell": "gru", "tie_embeddings": True},
]


def stepped(model: Generator, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and states after each id, by the ordinary step."""
    state = model._network.initial_state()
    rows = []
    for each in [model.tokenizer.start_id, *ids.tolist()]:
        logits, state = model._network.step([each], state)
        rows.append((logits[0], state[0]))
    logits, states = zip(*rows, strict=True)
    return np.array(logits[:-1]), np.array(states[1:])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_trace_equals_the_ordinary_step(options: dict[str, Any]) -> None:
    model = random_model(ABC, **options)
    assert len(LONG) > CHUNK_CHARS
    found = model.trace(LONG)
    logits, states = stepped(model, found.ids)
    np.testing.assert_allclose(found.logits, logits, atol=1e-4)
    for name, place in state_places(model.config).items():
        if name.startswith("layers."):
            np.testing.assert_allclose(found.values[name], states[:, place], atol=1e-4)


def test_the_states_follow_from_the_gates() -> None:
    """h and c by the equations, in float64, from the recorded gates alone."""
    for cell in CELLS:
        found = random_model(ABC, cell=cell).trace(LONG)
        for layer in range(found.num_layers):
            gates = {k: v.astype(float) for k, v in found.gates(layer).items()}
            states = {k: v.astype(float) for k, v in found.states(layer).items()}
            h, expected = states["h"][1:], gates.get("hidden", states["h"])[1:]
            if "c" in states:
                f, o = gates["forget"], gates["output"]
                i = gates.get("input", 1 - f)
                c = f[1:] * states["c"][:-1] + i[1:] * gates["cell"][1:]
                np.testing.assert_allclose(states["c"][1:], c, atol=1e-5)
                expected = (o * np.tanh(states["c"]))[1:]
            elif "update" in gates:
                z, g = gates["update"][1:], gates["candidate"][1:]
                expected = z * states["h"][:-1] + (1 - z) * g
            np.testing.assert_allclose(h, expected, atol=1e-5)


def test_gates_are_named_as_weights_are() -> None:
    found = random_model(ABC, num_layers=2, conv=2, attention=2).trace("abc")
    gates = ("input", "forget", "cell", "output", "h", "c")
    names = [f"layers.{layer}.{gate}" for layer in (0, 1) for gate in gates]
    assert set(found.values) == {*names, "convolution.output", "attention.output"}
    assert found.values["layers.1.forget"].shape == (3, 6)
    assert found.num_layers == 2
    assert found.characters == ["a", "b", "c"]


def test_the_bits_are_those_of_scoring() -> None:
    network = random_model(ABC)._network
    assert isinstance(network, Network)
    tables = count_ngrams(np.array([0, 1, 2, 3] * 20, np.uint8), vocab_size=4, order=3)
    for each in (network, RememberingNetwork(network, NgramModel(tables, 0.5))):
        model = random_model(ABC)
        model._network = each
        expected = [bits for _, bits, *_ in surprises(each, ABC, LONG)]
        np.testing.assert_allclose(model.trace(LONG).bits, expected, atol=1e-5)


def test_a_character_of_several_bytes_has_several_rows() -> None:
    found = random_model(ByteTokenizer()).trace("né\n")
    assert found.characters == ["n", "é", "é", "\n"]
    assert len(found.bits) == len(found.ids) == 4


def test_labels_and_ends_have_rows_and_unknown_characters_have_none() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, labels=("glad", "sad"))
    model = random_model(tokenizer, num_layers=1)
    found = model.trace("a?b", label="sad")
    assert found.characters == ["", "a", "b", "\n"]
    assert found.bits[0] == 0
    assert found.bits.sum() / 3 == pytest.approx(
        model.score("ab", label="sad").bits_per_char
    )


def test_prompts_are_read_and_traced_but_cost_nothing() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, separator=True)
    model = random_model(tokenizer, num_layers=1)
    found = model.trace("ab\ufdd0ba")
    assert found.characters == ["a", "b", "\n", "b", "a", "\n"]
    assert (found.bits > 0).tolist() == [False] * 3 + [True] * 3
    assert found.bits.sum() / 3 == pytest.approx(model.score("ab\ufdd0ba").bits_per_char)


def test_a_trace_of_nothing_and_of_a_mixture_is_refused() -> None:
    model = random_model(ABC)
    with pytest.raises(CorpusError, match="nothing to trace"):
        model.trace("??")
    with pytest.raises(ConfigError, match="Trace one of the models"):
        Generator.mix([model, model], [1, 1]).trace("a")
    with pytest.raises(ConfigError, match="text"):
        model.trace(["a"])  # type: ignore[arg-type]


def test_a_trace_that_does_not_fit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from textgen import memory

    limit = memory.Limit(1000, "a test")
    monkeypatch.setattr(memory, "memory_limit", lambda: limit)
    with pytest.raises(OutOfMemoryError, match="Trace a shorter text"):
        random_model(ABC).trace(LONG)


def test_tracing_leaves_the_values_of_one_chunk_to_the_reader() -> None:
    found = random_model(ABC).trace(LONG)
    assert isinstance(found, Trace)
    # Not views of a buffer that each step overwrites.
    assert len(np.unique(found.values["layers.0.forget"].round(6), axis=0)) > 3
