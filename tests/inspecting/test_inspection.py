"""Numbers about the inside of a network: planted units are found, and chance is shown."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.generation.models import random_model
from tests.inspecting.models import COUNTS, QUOTES, TOKENIZER, as_text, planted, varied_text
from textgen.checkpoint.format import Checkpoint
from textgen.config.model import ModelConfig
from textgen.errors import ConfigError, CorpusError
from textgen.generation.generator import Generator
from textgen.generation.scoring.score import surprises
from textgen.inspecting.context import bits_by_context, influence
from textgen.inspecting.features import FEATURES, features_of
from textgen.inspecting.inspection import CONTEXT_CHARS, Inspection, inspect
from textgen.inspecting.surprise import KINDS
from textgen.model.cells import CELLS
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

TEXT = varied_text()


@pytest.fixture(scope="module")
def found() -> Inspection:
    return inspect(planted(), as_text(TEXT), patterns=["[ab]+1"])


def any_model(tokenizer: CharTokenizer | ByteTokenizer, **options: object) -> Checkpoint:
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, units=6, embedding_dim=5, **options
    )
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.8, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Checkpoint(config, tokenizer, weights)


@pytest.mark.parametrize(
    ("feature", "unit"), [("position in line", COUNTS), ("inside quotes", QUOTES)]
)
def test_a_planted_unit_is_ranked_first_and_the_control_shows_chance(
    found: Inspection, feature: str, unit: int
) -> None:
    (ranking,) = (each for each in found.reading.rankings if each.feature == feature)
    best, second = ranking.best[:2]
    assert (best.unit.layer, best.unit.number) == (0, unit)
    assert best.correlation > 0.98
    assert best.second_half > 0.98
    assert abs(second.correlation) < 0.98 or second.unit.number == unit
    # Chance finds something in one half of the text that the other half does not show.
    assert ranking.control < 0.35
    assert ranking.control_second_half < 0.25


def test_the_bits_are_those_of_score(found: Inspection) -> None:
    saved = planted()
    model = Generator(saved.model, saved.weights, saved.tokenizer)
    assert found.reading.bits_per_char == pytest.approx(
        model.score(TEXT).bits_per_char, abs=1e-6
    )
    expected = [each.bits for each in surprises(model._network, TOKENIZER, TEXT)]
    np.testing.assert_allclose(found.reading.bits, expected, atol=1e-4)
    assert sum(each.bits for each in found.kinds) == pytest.approx(
        sum(map(float, expected))
    )
    assert [each.kind for each in found.kinds] == list(KINDS)
    assert found.places[0].bits == pytest.approx(max(map(float, expected)), abs=1e-4)
    assert TEXT[found.places[0].offset] == found.places[0].character


def test_the_forget_gate_of_a_counter_is_open_but_for_line_ends(found: Inspection) -> None:
    (forget,) = (use for use in found.reading.gates if use.gate == "forget")
    ends = TEXT.count("\n") / len(TEXT)
    assert forget.closed[COUNTS] == pytest.approx(ends)
    assert forget.open[COUNTS] == pytest.approx(1 - ends)
    expected = np.log(0.5) / np.log(1 - ends)
    assert found.half_lives[0][COUNTS] == pytest.approx(expected, rel=1e-3)


def test_the_equations_by_hand_give_what_the_network_had() -> None:
    for cell in CELLS:
        for options in ({}, {"conv": 2}):
            saved = any_model(TOKENIZER, num_layers=2, cell=cell, **options)
            hand = inspect(saved, as_text(TEXT[:300])).hand
            assert hand is not None
            assert hand.after.keys() == hand.recorded.keys()
            for name, value in hand.after.items():
                assert value == pytest.approx(hand.recorded[name], abs=1e-5)
            assert [gate.gate for gate in hand.gates] == list(CELLS[cell].gates)


def test_context_is_as_score_measures_it_and_more_of_it_helps_a_counter() -> None:
    model = random_model(TOKENIZER)
    pieces = as_text(TEXT[:500]).pieces
    found = bits_by_context(model._network, TOKENIZER, pieces)
    assert list(found) == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert found[8] == model.score(TEXT[:500], window=8).bits_per_char


def test_a_changed_character_matters_less_with_distance() -> None:
    """A model that only sees the last character is not influenced any further."""
    from tests.generation.models import writes

    ids = TOKENIZER.encode(TEXT[:400])
    echo = influence(writes("abcdefgh")._network, ids.astype(np.int64) % 9)
    assert echo[0] > 10
    assert (echo[1:] == 0).all()
    keeps = influence(random_model(TOKENIZER)._network, ids.astype(np.int64))
    assert keeps[0] > keeps[20:].mean() >= 0
    assert len(influence(random_model(TOKENIZER)._network, np.arange(5))) == 0


def test_numbers_are_json_and_arrays(found: Inspection) -> None:
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["score"]["bits_per_char"] == found.reading.bits_per_char
    assert {each["feature"] for each in data["units"]} >= {"matches [ab]+1", "digit"}
    arrays = found.to_arrays()
    assert arrays["correlations"].shape == (16, len(data["units"]))
    assert arrays["passage.layers.0.forget"].shape[1] == 8
    assert len(arrays["bits"]) == len(TEXT)


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_is_inspected(cell: str) -> None:
    found = inspect(any_model(TOKENIZER, cell=cell, num_layers=2), as_text(TEXT[:700]))
    assert len(found.reading.units) == 2 * 6 * len(CELLS[cell].states)
    assert bool(found.half_lives) == (cell != "rnn")
    json.dumps(found.to_dict(), allow_nan=False)


def test_bytes_labels_ends_and_unknown_characters_keep_their_places() -> None:
    found = inspect(any_model(ByteTokenizer()), as_text("né “a” 1\n" * 20))
    assert len(found.reading.bits) == 180
    assert len(found.reading.ids) == 180 + 20 + 40 * 2
    labelled = CharTokenizer("ab", end_of_document=True, labels=("glad", "sad"))
    text = as_text("a?b", "bb")
    pieces = tuple(
        piece._replace(label=name)
        for piece, name in zip(text.pieces, ("sad", "glad"), strict=True)
    )
    found = inspect(any_model(labelled), replace(text, pieces=pieces))
    assert found.reading.characters.text == "a?b\nbb\n"
    assert found.predicted.tolist() == [True, False, True, True, True, True, True]
    assert found.to_dict()["text"]["num_unknown"] == 1
    assert {"label sad", "label glad"} <= {each.feature for each in found.reading.rankings}


def test_prompts_are_shown_but_not_counted() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, separator=True)
    found = inspect(any_model(tokenizer), as_text("ab\ufdd0ba", "a\ufdd0b"))
    assert found.reading.characters.text == "ab\nba\na\nb\n"
    assert found.reading.num_predicted == 5
    assert found.to_dict()["text"]["num_unknown"] == 0


def test_prompts_are_neither_guessed_nor_confused() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, separator=True)
    found = inspect(any_model(tokenizer), as_text("ab\ufdd0ba", "a\ufdd0b"))
    came = [symbol for symbol, _, count in found.confusions for _ in range(count)]
    assert set(came) <= {"'a'", "'b'", tokenizer.symbol(tokenizer.eod_id)}
    assert found.accuracy == pytest.approx(1 - len(came) / found.reading.num_predicted)


def test_a_character_of_several_bytes_is_right_if_all_are() -> None:
    found = inspect(any_model(ByteTokenizer()), as_text("né"))
    guesses = found.reading.ids[:, np.newaxis] + np.array([[0], [0], [1]])
    assert replace(found, reading=replace(found.reading, guesses=guesses)).accuracy == 0.5


def test_what_becomes_the_unknown_token_is_counted_as_unknown() -> None:
    found = inspect(any_model(CharTokenizer("ab", unknown=True)), as_text("a?b?"))
    assert found.to_dict()["text"] | {"origin": ""} == {
        "origin": "",
        "held_out": None,
        "num_chars": 4,
        "num_unknown": 2,
    }


def test_a_cut_document_has_no_end_and_keeps_one_character_after_its_prompt() -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True)
    found = inspect(any_model(tokenizer), as_text("abba").first(2))
    assert found.reading.characters.text == "ab"
    tokenizer = CharTokenizer("ab", end_of_document=True, separator=True)
    cut = as_text("abab\ufdd0ba", "a\ufdd0b").first(2)
    assert inspect(any_model(tokenizer), cut).reading.characters.text == "abab\nb"


def test_a_text_may_begin_with_much_that_is_unknown() -> None:
    found = inspect(planted(), as_text("?" * CONTEXT_CHARS + TEXT[:50]))
    assert found.context == {}
    assert found.reading.num_predicted == 50


def test_a_text_that_is_unknown_or_short_or_of_one_character() -> None:
    with pytest.raises(CorpusError, match="nothing to inspect"):
        inspect(planted(), as_text("???"))
    with pytest.raises(ConfigError, match="not a regular expression"):
        inspect(planted(), as_text("ab"), patterns=["("])
    for text in ("a", "ab", "aaaa" * 40):
        json.dumps(inspect(planted(), as_text(text)).to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("inside quotes", 'x "a\n\nb" c', "0011100111"),
        ("inside quotes", "«a» “b”", "1100110"),
        ("bracket depth", "([)])", "12100"),
        ("position in word", "a bc,d", "101201"),
        ("upper case", "aB C", "0101"),
        ("indentation", "  a b\n\tc", "12222011"),
        ("line end", "a\nb", "010"),
        ("digit", "a1", "01"),
        ("inside tag", "a<b>c < d", "011000000"),
    ],
)
def test_features_by_example(name: str, text: str, expected: str) -> None:
    assert "".join(f"{value:.0f}" for value in FEATURES[name](text)) == expected


def test_features_that_do_not_vary_are_left_out() -> None:
    assert "digit" not in features_of("abc")
