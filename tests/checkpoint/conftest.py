"""A saved checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoint.helpers import make
from textgen.checkpoint.format import (
    save_checkpoint,
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "best", make())
    return tmp_path / "best"
