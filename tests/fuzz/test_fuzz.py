"""The fuzzer that is guided by coverage runs a while and finds nothing."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _atheris_is_here() -> None:
    # Not imported here: it would look into every module that comes after it.
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris has wheels for Linux on x86-64 only, and is not installed")


def fuzz(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command, f"-artifact_prefix={folder}/", "-seed=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
    )


@pytest.mark.slow
def test_fuzzing_for_a_while_finds_nothing(tmp_path: Path) -> None:
    done = fuzz(tmp_path, "-m", "tests.fuzz.fuzz", "-runs=500")
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(tmp_path.iterdir()) == []
    first, last = re.findall(r"(?:INITED|DONE) +cov: (\d+)", done.stderr)
    # It is guided: it reaches more code than the seeds do.
    assert int(last) > int(first) > 300


FAULTY = """
from tests.fuzz import fuzz
from tests.fuzz.targets import Target

def read(self, name, data):
    assert b"zz" not in data

Target.read = read
fuzz.main()
"""


def test_an_input_that_breaks_a_promise_is_found_and_kept(tmp_path: Path) -> None:
    (tmp_path / "seed").write_bytes(b"\0zz")
    done = fuzz(tmp_path, "-c", FAULTY, "-runs=1000", str(tmp_path))
    assert done.returncode != 0
    assert "AssertionError" in done.stderr + done.stdout
    assert [p.read_bytes() for p in tmp_path.glob("crash-*")] == [b"\0zz"]
