"""What the tests of the command have to hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.helpers import STORY, untrained
from textgen.text.tokenizers.char import CharTokenizer


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An untrained checkpoint that knows the letters of a short story."""
    return untrained(tmp_path / "model", CharTokenizer("".join(sorted(set(STORY)))))


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    path.write_text(STORY * 200, encoding="utf-8")
    return path
