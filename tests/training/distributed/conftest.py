"""One process that has imported everything, of which jobs are forks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.training.distributed.jobs import SETTINGS, Forked, Start
from tests.training.fork_server import Processes


@pytest.fixture(scope="session")
def fork() -> Iterator[Start]:
    """Starts a command in a fork."""
    processes = Processes(SETTINGS["KERAS_BACKEND"], **SETTINGS)
    yield partial(Forked, processes)
    processes.close()
