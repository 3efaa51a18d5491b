"""The sizes set those flags whose default depends on the size."""

from __future__ import annotations

from dataclasses import fields

import pytest

from textgen.config.model import ModelConfig
from textgen.config.sizes import (
    LEAST_READ,
    LITTLE_CHARS,
    LITTLE_TEXT,
    MUON_CHARS,
    OFTEN_CHARS,
    OFTEN_READ,
    SIZES,
    choose_size,
    size_options,
)


def test_the_flags_whose_default_is_the_size_are_those_that_sizes_set() -> None:
    by_size = {
        f.name for f in fields(ModelConfig) if f.metadata.get("flag_default") == "by --size"
    }
    assert by_size == {name for options in SIZES.values() for name in options}


def test_a_size_is_taken_from_the_least_text_that_it_has_to_read() -> None:
    enough = {name: float(least) for name, least in LEAST_READ.items()}
    assert choose_size(10_000_000, enough) == "large"
    for name, below in (("large", "medium"), ("medium", "small"), ("small", "tiny")):
        enough[name] -= 1
        assert choose_size(10_000_000, enough) == below


def test_a_text_that_is_read_often_suits_the_largest_network_sooner() -> None:
    often = dict.fromkeys(SIZES, float(OFTEN_READ))
    assert choose_size(OFTEN_CHARS, often) == "large"
    assert choose_size(OFTEN_CHARS - 1, often) == "medium"
    assert choose_size(OFTEN_CHARS, {**often, "large": OFTEN_READ - 1.0}) == "medium"
    assert choose_size(OFTEN_CHARS) == "medium"


@pytest.mark.parametrize(
    ("chars_read", "epochs", "dropout"),
    [
        *[(5.9e6, None, 0.0), (6e6, None, 0.3), (9e6, 5, 0.0), (9e6, 6, 0.3)],
        *[(None, 5, 0.0), (None, 6, 0.3), (None, None, 0.3)],
    ],
)
def test_a_text_that_is_read_few_times_gets_no_dropout(
    chars_read: float | None, epochs: int | None, dropout: float
) -> None:
    readable = None if chars_read is None else dict.fromkeys(SIZES, chars_read)
    options, _ = size_options("small", 1_000_000, readable=readable, epochs=epochs)
    assert options["dropout"] == dropout


@pytest.mark.parametrize(
    ("num_chars", "epochs", "is_muon"),
    [
        (MUON_CHARS, None, True),
        (MUON_CHARS - 1, None, False),
        (MUON_CHARS - 1, 5, False),
        (MUON_CHARS - 1, 4, True),
    ],
)
def test_much_text_and_few_passes_get_muon_unless_an_optimizer_is_given(
    num_chars: int, epochs: int | None, is_muon: bool
) -> None:
    options, line = size_options("auto", num_chars, epochs=epochs)
    assert (options.get("optimizer") == "muon") == is_muon
    assert ("--optimizer muon" in line) == is_muon
    assert (
        "optimizer" not in size_options("auto", num_chars, ["optimizer"], epochs=epochs)[0]
    )


def test_a_network_that_is_given_keeps_its_form_whatever_the_minutes() -> None:
    given = ["num_layers", "units", "max_minutes"]
    options, line = size_options("auto", 500_000, given, dict.fromkeys(SIZES, 2e6))
    assert options == {"dropout": 0.0, "optimizer": "muon"}
    assert line == (
        "Size medium, for 500,000 characters of training text (with time to read it "
        "4.0 times): --dropout 0 --optimizer muon."
    )


def test_little_text_gets_settings_of_its_own_unless_they_are_given() -> None:
    options, line = size_options("auto", LITTLE_CHARS - 1)
    assert options == {**SIZES["tiny"], **LITTLE_TEXT}
    assert line == (
        "Size tiny, for 39,999 characters of training text (which is little): --num-layers "
        "1 --units 128 --dropout 0.5 --batch-size 8 --warmup-steps 40 --epochs 20."
    )
    chosen = ["num_layers", "units", *LITTLE_TEXT]
    assert size_options("auto", LITTLE_CHARS - 1, chosen) == ({}, "")
    assert "epochs" not in size_options("auto", LITTLE_CHARS - 1, ["max_minutes"])[0]
    assert size_options("auto", LITTLE_CHARS)[0] == SIZES["small"]
