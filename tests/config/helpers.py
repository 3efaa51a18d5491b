"""What the tests of several configurations share."""

from __future__ import annotations

from typing import Any

import pytest

from textgen.config.model import ModelConfig
from textgen.errors import ConfigError


def build(kind: type, **options: Any) -> Any:
    return kind(**{"vocab_size": 9, **options} if kind is ModelConfig else options)


def refusal(kind: type, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        build(kind, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


WHOLE = "must be a whole number of at least"
