"""Small runs that the tests of training share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import textgen
from tests.training.helpers import INTERRUPTED, SMALL


def write_book(folder: Path) -> Path:
    """Text with something to learn: 5,100 characters of a regular story."""
    names = ("Kit", "Wenna", "Pell", "Ada", "Jory")
    lines = [f"{names[n % 5]} went to sea and said nothing {n % 7}.\n" for n in range(140)]
    path = folder / "book.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def charts() -> None:
    """For tests whose runs get their `history.png`."""


@pytest.fixture(autouse=True)
def _charts_where_asked_for(request: pytest.FixtureRequest) -> Iterator[None]:
    # A chart takes longer than the training of a small network. Commands, and the runs of
    # fixtures that tests share, have theirs.
    with pytest.MonkeyPatch.context() as patch:
        if "charts" not in request.fixturenames:
            patch.setattr("textgen.training.loop.saving.can_draw", lambda: False)
        yield


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_book(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch over the book, made once."""
    folder = tmp_path_factory.mktemp("finished")
    return textgen.train(write_book(folder), folder / "run", epochs=1, **SMALL)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return textgen.train(write_book(folder), folder / "run", **INTERRUPTED)


@pytest.fixture
def trained(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run, for each test to do with what it likes."""
    return shutil.copytree(finished, tmp_path / "run")
