"""The sizes set those flags whose default depends on the size."""

from __future__ import annotations

from dataclasses import fields

from textgen.config.model import ModelConfig
from textgen.config.sizes import SIZES


def test_the_flags_whose_default_is_the_size_are_those_that_sizes_set() -> None:
    by_size = {
        f.name for f in fields(ModelConfig) if f.metadata.get("flag_default") == "by --size"
    }
    assert all(by_size == set(options) for options in SIZES.values())
