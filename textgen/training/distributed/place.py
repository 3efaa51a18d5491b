"""Where a process stands in its job, as the launcher says in the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textgen.errors import ConfigError

ADDRESS = (
    "COORDINATOR_ADDRESS",
    "JAX_COORDINATOR_ADDRESS",
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
)
NUMBER = ("NUM_PROCESSES", "JAX_NUM_PROCESSES", "KERAS_DISTRIBUTION_NUM_PROCESSES")
INDEX = ("PROCESS_ID", "PROCESS_INDEX", "JAX_PROCESS_ID", "KERAS_DISTRIBUTION_PROCESS_ID")
"""Variables that launchers set, of which the first that is set counts."""

DETECTED = ("SLURM_STEP_NODELIST", "OMPI_MCA_orte_hnp_uri")
"""Variables of launchers that JAX asks itself: Slurm, and `mpirun` of Open MPI."""

PATIENCE = "TEXTGEN_JOIN_SECONDS"
JOIN_SECONDS = 300
"""How long processes wait for each other when a job starts."""


@dataclass(frozen=True)
class Place:
    """One process of a job.

    Args:
        address: `host:port`, where process 0 lets the others meet; None for all three
            lets JAX ask the launcher.
        number: how many processes there are.
        index: of this one.
        join_seconds: how long to wait for the others at the start.
    """

    address: str | None
    number: int | None
    index: int | None
    join_seconds: int = JOIN_SECONDS


def place_from_environment(environment: Mapping[str, str] = os.environ) -> Place:
    """Read the place of this process.

    Raises:
        ConfigError: a variable is missing or makes no sense.

    >>> place_from_environment(
    ...     {"COORDINATOR_ADDRESS": "node7:1234", "NUM_PROCESSES": "2", "PROCESS_ID": "1"}
    ... )
    Place(address='node7:1234', number=2, index=1, join_seconds=300)
    """
    seconds = _whole(PATIENCE, environment.get(PATIENCE, str(JOIN_SECONDS)), least=1)
    named = {names[0]: _named(environment, names) for names in (ADDRESS, NUMBER, INDEX)}
    missing = [name for name, found in named.items() if found is None]
    if len(missing) == 3 and any(name in environment for name in DETECTED):
        return Place(None, None, None, seconds)
    if missing:
        raise ConfigError(
            f"`distributed`: {', '.join(missing)} not set, so that this process does not "
            "know its job. Start the processes of one machine with `textgen launch`, or "
            "each with COORDINATOR_ADDRESS=HOST:PORT (of process 0), NUM_PROCESSES and "
            "PROCESS_ID. Slurm and Open MPI set what is needed."
        )
    (where, address), (total, number), (own, index) = filter(None, named.values())
    address = address.split(",")[0]
    if not re.fullmatch(r".+:\d+", address):
        raise ConfigError(f"{where}={address} must be HOST:PORT.")
    place = Place(address, _whole(total, number, 1), _whole(own, index, 0), seconds)
    if int(index) >= int(number):
        raise ConfigError(
            f"{own}={index}, but {total}={number}: processes are counted from 0."
        )
    return place


def _named(environment: Mapping[str, str], names: Sequence[str]) -> tuple[str, str] | None:
    """The first of these variables that is set, and its value."""
    return next(((n, environment[n]) for n in names if environment.get(n)), None)


def _whole(name: str, value: str, least: int) -> int:
    if not value.isdecimal() or int(value) < least:
        raise ConfigError(f"{name}={value} must be a whole number, {least} or more.")
    return int(value)
