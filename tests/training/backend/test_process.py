"""Memory stays with the process, and what a person has set stays as it is."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest

from textgen.training.backend import process


def has_glibc() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


on_glibc = pytest.mark.skipif(
    not has_glibc(), reason="mallopt's options are those of glibc on Linux"
)


def fresh_python(code: str, **environment: str) -> list[str]:
    """The words that a new Python prints, in which nothing else is set that matters."""
    settings = ("MALLOC_", "GLIBC_", "LD_PRELOAD", "TF_", "XLA_")
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={n: v for n, v in os.environ.items() if not n.startswith(settings)}
        | environment,
    )
    return result.stdout.split()


# --- memory ---

COUNT_FAULTS = """
import resource
from textgen.training.backend.process import keep_memory

taken = {setting}
size, faults = 64 << 20, []
for _ in range(10):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = b"x" * size  # allocated and filled
    del block
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(taken, *faults)
"""


def faults_of_each_block(setting: str) -> tuple[str, list[int]]:
    """What a setting returned, and the pages asked of the kernel for block after block."""
    taken, *faults = fresh_python(COUNT_FAULTS.format(setting=setting))
    return taken, [int(number) for number in faults]


@on_glibc
def test_a_large_block_is_used_again_without_asking_the_kernel() -> None:
    _, without = faults_of_each_block("None")
    taken, kept = faults_of_each_block("keep_memory()")
    assert taken == "True"
    # The first block is new either way. Even pages of 2 MB make 32 of a block.
    assert min(without[1:]) >= 32
    assert sum(kept[1:]) < sum(without[1:]) / 20


TRAIN = """
import textgen

folder = {folder!r}
textgen.train(
    folder + "/text.txt", folder + "/run", tune=True, quiet=True, preview=False,
    units=8, num_layers=1, embedding_dim=8, epochs=1, batch_size=16, seq_length=8,
)
"""
SHOW_HEAPS = """
import ctypes

libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
"""


@pytest.mark.slow
def test_a_tuned_process_trains_and_no_thread_of_it_has_a_heap_of_its_own(
    tmp_path: Path,
) -> None:
    # XLA ends the process over a flag that it does not know, and from heaps of threads
    # glibc returns large blocks whatever it is told.
    (tmp_path / "text.txt").write_text("so it goes.\n" * 500, encoding="utf-8")
    code = TRAIN.format(folder=str(tmp_path))
    if not has_glibc():
        fresh_python(code)
        return
    assert fresh_python(code + SHOW_HEAPS).count("<heap") == 1


@on_glibc
def test_reserving_memory_uses_none() -> None:
    code = (
        "import resource, textgen.training.backend.process as process\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "process.keep_memory()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    (kilobytes,) = fresh_python(code)
    assert int(kilobytes) * 1024 < process.RESERVED_BYTES / 50


@on_glibc
def test_memory_that_cannot_be_reserved_is_no_error() -> None:
    code = (
        "import resource\n"
        "from textgen.training.backend.process import keep_memory\n"
        "resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))\n"
        "print(keep_memory(), len(b'x' * (64 << 20)))"
    )
    assert fresh_python(code) == ["True", str(64 << 20)]


@on_glibc
@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_ARENA_MAX", "4"), ("GLIBC_TUNABLES", "glibc.malloc.arena_max=4")],
)
def test_memory_is_left_alone_where_the_environment_speaks_of_it(
    name: str, value: str
) -> None:
    code = "from textgen.training.backend.process import keep_memory\nprint(keep_memory())"
    assert fresh_python(code) == ["True"]
    assert fresh_python(code, **{name: value}) == ["False"]


def test_memory_is_left_alone_on_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert process.keep_memory() is False


@pytest.mark.skipif(sys.platform != "linux", reason="another libc on Linux")
def test_memory_is_left_alone_on_another_libc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # has no function at all
    assert process.keep_memory() is False


# --- environment ---


def environment_after(before: Mapping[str, str]) -> dict[str, str]:
    with mock.patch.dict(os.environ, before, clear=True):
        process.set_environment()
        return dict(os.environ)


@pytest.mark.parametrize("backend", process.ENVIRONMENT)
def test_every_setting_is_made_for_the_backend_that_has_it(backend: str) -> None:
    wanted = {"KERAS_BACKEND": backend}
    settings = process.ENVIRONMENT[backend]
    assert settings
    assert environment_after(wanted) == {**wanted, **settings}


@pytest.mark.parametrize("name", process.ENVIRONMENT["tensorflow"])
@pytest.mark.parametrize("value", ["mine", ""])
def test_what_is_set_already_stays_and_the_rest_is_added(name: str, value: str) -> None:
    before = {"KERAS_BACKEND": "tensorflow", name: value, "OTHER": "too"}
    settings = process.ENVIRONMENT["tensorflow"]
    assert environment_after(before) == {**settings, **before}


@pytest.mark.parametrize("backend", ["unheard of"])
def test_nothing_is_set_for_a_backend_without_settings(backend: str) -> None:
    before = {"KERAS_BACKEND": backend}
    assert environment_after(before) == before


def test_threads_are_left_alone_where_lanes_cannot_be_shared() -> None:
    code = (
        "import os\n"
        "from textgen.training.backend.process import tune_process\n"
        "tune_process(share_lanes={shares})\n"
        "print('XLA_FLAGS' in os.environ)"
    )
    for shares in ("True", "False"):
        found = fresh_python(code.format(shares=shares), KERAS_BACKEND="tensorflow")
        assert found == [shares]
