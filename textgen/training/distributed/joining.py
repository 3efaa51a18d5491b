"""Join the other processes of a job, and end with them if one is lost."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from textgen.errors import ConfigError, TextgenError, TrainingError
from textgen.training.backend.choice import check_backend, named_backend
from textgen.training.backend.noise import is_command
from textgen.training.distributed.native_output import FATAL, LOST, filter_native_output
from textgen.training.distributed.peers import ALONE, Peers
from textgen.training.distributed.place import Place, place_from_environment

BACKEND = "jax"

HEARTBEAT_SECONDS = 30
"""After this much silence a process counts as lost, if its connections have not broken."""

_OF_A_LOST_PROCESS = re.compile(
    r"UNAVAILABLE: |[A-Z_]+: .*"
    r"(?i:gloo|nccl|coordination service|connection (closed|reset))",
    re.DOTALL,
)
"""Errors of XLA: a status, and what it is about."""


def check_distributed(backend: str) -> None:
    """Refuse a backend that cannot train in several processes.

    Args:
        backend: what a person asked for, or `auto`.

    Raises:
        ConfigError: it is another than JAX.
        BackendError: JAX is not installed.
    """
    named = named_backend(backend)
    if named not in (None, BACKEND):
        raise ConfigError(
            f"`distributed` trains with JAX, on which Keras has its distribution, but "
            f"{named} is chosen. Choose `backend='jax'`, or leave `distributed` out."
        )
    check_backend(BACKEND, "`distributed`")


@contextmanager
def joined(wanted: bool) -> Iterator[Peers]:
    """Be one process of the job that the environment describes, within the body.

    Args:
        wanted: False stays alone.

    Yields:
        the processes, once all of them are there.

    Raises:
        ConfigError: the environment does not describe a job.
        TrainingError: another process has been lost.
    """
    if not wanted:
        yield ALONE
        return
    place = place_from_environment()
    if is_command():
        filter_native_output(_who_did_not_come(place))
    _check_port(place)
    try:
        yield _join(place)
    except TextgenError:
        raise
    except Exception as error:
        if not _tells_of_a_lost_process(error):
            raise
        if is_command():
            _end_as_lost()
        raise TrainingError(LOST) from error


def is_first_process() -> bool:
    """Whether this process, which has trained with others, is the one that prints."""
    import jax

    return int(jax.process_index()) == 0


def _tells_of_a_lost_process(error: Exception) -> bool:
    """Whether an error is one of JAX, about its connections to other processes."""
    import jax

    # JAX raises some of what XLA tells it as a `ValueError`.
    is_of_jax = isinstance(error, jax.errors.JaxRuntimeError | ValueError)
    return is_of_jax and _OF_A_LOST_PROCESS.match(str(error)) is not None


def _join(place: Place) -> Peers:
    import jax

    # SIGTERM is ours: all processes stop after the same step, and process 0 saves.
    jax.config.update("jax_enable_preemption_service", False)
    # Not by `keras.distribution.initialize`, which does the same but takes no times.
    jax.distributed.initialize(
        place.address,
        place.number,
        place.index,
        initialization_timeout=place.join_seconds,
        heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
    )
    # JAX has no public name for what it offers to libraries here.
    from jax._src.distributed import global_state

    return Peers(global_state.num_processes, global_state.process_id, global_state.client)


def _check_port(place: Place) -> None:
    """Process 0 lets the others meet; JAX would crash where it cannot."""
    if place.index != 0 or place.address is None:
        return
    port = int(place.address.rpartition(":")[2])
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("", port))
        except OSError as error:
            raise ConfigError(
                f"port {port} of this machine cannot be used ({error.strerror}). Choose "
                "another one in COORDINATOR_ADDRESS, the same for all processes."
            ) from error


def _who_did_not_come(place: Place) -> str:
    where = "" if place.address is None else f" at {place.address}"
    number = "the" if place.number is None else f"the {place.number}"
    return (
        f"Error: {number} processes of this job did not meet{where} within "
        f"{place.join_seconds} seconds. Start all of them, process 0 on that machine."
    )


def _end_as_lost() -> None:
    """End without waiting for those that are gone, with one line even if JAX ends first."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.write(2, FATAL + b"\n")
    os._exit(1)
