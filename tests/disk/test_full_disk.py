"""Training on a disk that fills up: a real small file system, not a mock."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SCENES = Path(__file__).with_name("full_disk.py")
# In a mount namespace of its own any user may mount, and nobody else sees it.
ALONE = ["unshare", "--user", "--map-root-user", "--mount"]
MOUNT = 'mount -t tmpfs -o size=1536k tmpfs "$0" && exec "$@"'


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    disk = tmp_path_factory.mktemp("disk")
    if shutil.which("unshare") is None:
        pytest.skip("no `unshare` here to mount a small file system with")
    mounted = [*ALONE, "sh", "-c", MOUNT, str(disk)]
    tried = subprocess.run([*mounted, "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {tried.stderr.strip()}")
    result = subprocess.run(
        [*mounted, sys.executable, str(SCENES), str(disk)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


LISTED = ["best", "history.csv", "history.png", "last", "status.json"]


def error_of(scene: dict[str, Any]) -> str:
    """Return the one line that a failed command ends with."""
    assert scene["code"] == 1
    last = scene["said"].splitlines()[-1]
    assert scene["said"].count("Error:") == 1
    assert "Traceback" not in scene["said"]
    return str(last)


def test_a_start_on_a_full_disk_says_so_and_leaves_nothing(seen: dict[str, Any]) -> None:
    start = seen["start"]
    assert re.fullmatch(
        rf"Error: {seen['disk']}/run/last: cannot write the checkpoint "
        r"\(\w+\.\w+: No space left on device, 0\.0 MB are free\)\. "
        r"Free some space or choose another --out\.",
        error_of(start),
    )
    assert not start["is_there"]


def test_a_full_disk_ends_a_training_and_keeps_what_was_saved(seen: dict[str, Any]) -> None:
    assert seen["begun"]["code"] == 0
    for scene in seen["full"]:
        assert re.fullmatch(
            rf"Error: {seen['disk']}/run/[\w.]+: cannot write (the checkpoint|this file) "
            r"\([\w.]+: No space left on device, 0\.\d MB are free\)\. What was saved at "
            rf"step {scene['step']} is kept: free some space, then continue with "
            r"--resume\.",
            error_of(scene),
        )
        assert scene["listed"] == LISTED


def test_a_training_goes_on_when_there_is_space_again(seen: dict[str, Any]) -> None:
    again = seen["again"]
    assert again["code"] == 0, again["said"]
    assert again["step"] > seen["full"][-1]["step"]
    assert again["listed"] == LISTED
