"""A server that the tests of a file share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.helpers import model, serving


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("run") / "my_book" / "best").parent


@pytest.fixture(scope="session")
def url(checkpoint: Path) -> Iterator[str]:
    with serving(checkpoint) as server:
        yield server.url
