"""The sizes set those flags whose default depends on the size."""

from __future__ import annotations

from dataclasses import fields

from textgen.config.model import ModelConfig
from textgen.config.sizes import LITTLE_CHARS, LITTLE_TEXT, SIZES, size_options


def test_the_flags_whose_default_is_the_size_are_those_that_sizes_set() -> None:
    by_size = {
        f.name for f in fields(ModelConfig) if f.metadata.get("flag_default") == "by --size"
    }
    assert by_size == {name for options in SIZES.values() for name in options}


def test_little_text_gets_settings_of_its_own_unless_they_are_given() -> None:
    options, line = size_options("auto", LITTLE_CHARS - 1)
    assert options == {**SIZES["tiny"], **LITTLE_TEXT}
    assert line == (
        "Size tiny, for 39,999 characters of training text, which is little: --num-layers "
        "1 --units 128 --dropout 0.5 --batch-size 8 --warmup-steps 40 --epochs 20."
    )
    chosen = ["num_layers", "units", *LITTLE_TEXT]
    assert size_options("auto", LITTLE_CHARS - 1, chosen) == ({}, "")
    assert "epochs" not in size_options("auto", LITTLE_CHARS - 1, ["max_minutes"])[0]
    assert size_options("auto", LITTLE_CHARS)[0] == SIZES["small"]
