"""Fixtures of the tests of conversations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.interactive.helpers import Script
from textgen.generation.generator import Generator


@pytest.fixture
def generator(model: Path) -> Generator:
    return Generator.load(model)


@pytest.fixture
def script(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Script:
    return Script(model, monkeypatch, capsys)
