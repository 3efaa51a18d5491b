"""No input of a megabyte takes 2 seconds or 200 MB, or ends in a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("memory is limited and measured as Linux does it", allow_module_level=True)

from tests.fuzz.worst_inputs import measure, write_all


@pytest.mark.slow
def test_no_hostile_checkpoint_takes_much_time_or_memory(tmp_path: Path) -> None:
    write_all(tmp_path)
    costs = {cost.name: cost for cost in measure(tmp_path)}
    assert len(costs) == len(list(tmp_path.iterdir())) > 100
    for cost in costs.values():
        # Every error names the checkpoint and is one line, also where it quotes.
        assert cost.outcome == "loaded" or cost.outcome.startswith(str(tmp_path)), cost
        assert len(cost.outcome) < 1000
        assert cost.outcome.isprintable()
        assert cost.megabytes < 200
    for name, cost in costs.items():
        if name in ("sound", "the most that fits") or "prompt" in name:
            assert cost.outcome == "loaded"
    assert sum(cost.outcome != "loaded" for cost in costs.values()) > 100


HOGS = """
import sys
from pathlib import Path
from tests.fuzz.worst_inputs import in_a_child

def memory(path):
    return str(len(bytearray(300 * 2**20)))

def time(path):
    while True:
        pass

print(in_a_child(Path("x"), memory).outcome)
print(in_a_child(Path("x"), time).outcome)
"""


def test_what_takes_too_much_is_seen() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOGS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == "crashed: MemoryError()"
    assert second.startswith("died")
