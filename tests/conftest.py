"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED_CORPORA = Path(__file__).parents[2] / "shared" / "corpora"


@pytest.fixture(scope="session")
def shared_corpus() -> Callable[[str], Path]:
    """Find a real text by name, or skip the test where these texts are absent."""

    def find(name: str) -> Path:
        path = SHARED_CORPORA / name
        if not path.exists():
            pytest.skip(f"the real text {name} is not beside this checkout")
        return path

    return find
