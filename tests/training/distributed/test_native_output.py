"""Of what native code prints, a person sees what matters."""

from __future__ import annotations

import subprocess
import sys

import pytest

from textgen.training.distributed import native_output

LOG = (
    "F1130 client.h:80] Terminating process because the JAX distributed service detected "
    "fatal errors.\n\nRPC: /xla.coordination.CoordinationService/{}\n    @ 0x7f0fb9c40634\n"
)


def shown(*pieces: str) -> str:
    """What the filter lets through of pieces that are written one after the other."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", native_output.__file__, "not met", "lost"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdin is not None
    for piece in pieces:
        process.stdin.write(piece.encode())
    return process.communicate()[1].decode()


pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize(
    ("request_of_jax", "line"), [("RegisterTask", "not met"), ("PollForError", "lost")]
)
def test_the_end_of_a_job_is_one_line(request_of_jax: str, line: str) -> None:
    assert shown("a warning\n", LOG.format(request_of_jax)) == f"a warning\n{line}\n"


def test_a_line_that_is_written_in_pieces_is_known_as_noise() -> None:
    pieces = ("[Gloo] Rank ", "0", " is connected", " to 1 peer ranks.", "\n", "kept\n")
    assert shown(*pieces) == "kept\n"
