"""A process learns from its environment where it stands in a job, or what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from textgen.errors import ConfigError
from textgen.training.distributed.peers import Peers
from textgen.training.distributed.place import Place, place_from_environment

pytestmark = pytest.mark.one_backend
OURS = {"COORDINATOR_ADDRESS": "a:1", "NUM_PROCESSES": "2", "PROCESS_ID": "1"}


def test_names_of_jax_and_keras_are_understood_and_ours_come_first() -> None:
    jax = {
        "JAX_COORDINATOR_ADDRESS": "b:2",
        "JAX_NUM_PROCESSES": "4",
        "JAX_PROCESS_ID": "3",
    }
    keras = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": "c:3,d:4",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
        "KERAS_DISTRIBUTION_PROCESS_ID": "0",
    }
    assert place_from_environment(jax) == Place("b:2", 4, 3)
    assert place_from_environment(keras) == Place("c:3", 2, 0)
    assert place_from_environment({**keras, **jax, **OURS}) == Place("a:1", 2, 1)


def test_slurm_is_asked_by_jax() -> None:
    found = place_from_environment({"SLURM_STEP_NODELIST": "node[1-2]"})
    assert found == Place(None, None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NUM_PROCESSES": "", "PROCESS_ID": ""}, "NUM_PROCESSES, PROCESS_ID not set"),
        ({"COORDINATOR_ADDRESS": "node0"}, "COORDINATOR_ADDRESS=node0 must be HOST:PORT"),
        ({"NUM_PROCESSES": "two"}, "NUM_PROCESSES=two must be a whole number, 1 or more"),
        ({"PROCESS_ID": "2"}, "PROCESS_ID=2, but NUM_PROCESSES=2"),
        ({"TEXTGEN_JOIN_SECONDS": "0"}, "TEXTGEN_JOIN_SECONDS=0 must be"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place_from_environment(OURS | changes)
    assert message in str(caught.value)


def test_every_lane_is_read_by_one_process() -> None:
    lanes = [Peers(4, index).lanes(12) for index in range(4)]
    assert [lane for part in lanes for lane in part] == list(range(12))
