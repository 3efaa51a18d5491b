"""Too little memory is one error that says what was asked for and what needs less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import textgen
from textgen import memory
from textgen.checkpoint.runs import RunDirectory
from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.errors import OutOfMemoryError, TextgenError
from textgen.generation.network.network import Network
from textgen.memory import Limit, memory_errors, memory_limit
from textgen.training.task.memory import check_memory, least_bytes, training_memory_errors
from textgen.training.task.new import new_task
from textgen.training.task.task import Task

resource = pytest.importorskip("resource", reason="Windows has no limits of processes")

CONFIG = ModelConfig(vocab_size=3, num_layers=1, units=4, embedding_dim=2)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    book = tmp_path / "book.txt"
    book.write_text("so it goes, and goes, and goes.\n" * 50, encoding="utf-8")
    options = {"units": 30_000, "num_layers": 1, "batch_size": 4, "seq_length": 8}
    return new_task(str(book), RunDirectory(tmp_path / "run"), "auto", options)


def test_a_task_beyond_the_limit_is_refused_with_its_amount_and_what_needs_less(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit(12_000_000_000, "ulimit -v")
    monkeypatch.setattr(memory, "memory_limit", lambda: limit)
    with pytest.raises(OutOfMemoryError) as caught:
        check_memory(task, on_cpu=True)
    message = str(caught.value)
    assert "`units=30000`, `num_layers=1`, `batch_size=4`, `seq_length=8`" in message
    assert (
        "takes at least 58 GB of memory, but no more than 12 GB can be had (ulimit -v)"
        in message
    )
    assert "Lower `units`, `num_layers`, `batch_size` or `seq_length`" in message


def test_a_task_within_the_limit_or_without_one_is_accepted(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in (None, Limit(10**12, "this machine")):
        monkeypatch.setattr(memory, "memory_limit", lambda limit=limit: limit)
        check_memory(task, on_cpu=True)


def test_a_large_batch_counts_and_on_a_gpu_only_a_copy_of_the_weights() -> None:
    small, large = TrainConfig(), TrainConfig(batch_size=2**20)
    assert least_bytes(CONFIG, large) > 1000 * least_bytes(CONFIG, small)
    assert (
        least_bytes(CONFIG, large, num_processes=2**10) < least_bytes(CONFIG, large) / 500
    )
    assert least_bytes(CONFIG, large, on_cpu=False) == 4 * CONFIG.num_parameters


def test_attention_counts_its_memory_a_copy_and_the_gradient() -> None:
    train = TrainConfig(compute_dtype="float32")
    wide = replace(CONFIG, attention=10**6)
    memory = 4 * train.batch_size * wide.attention * wide.units
    weights = 4 * train.window_chars * wide.attention
    needed = least_bytes(wide, train) - least_bytes(CONFIG, train)
    assert needed == pytest.approx(3 * memory + 2 * weights, rel=0.01)


def test_attention_longer_than_the_memory_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "book.txt"
    book.write_text("so it goes, and goes, and goes.\n" * 50, encoding="utf-8")
    options = {"units": 64, "attention": 2**20, "batch_size": 4, "seq_length": 8}
    run = RunDirectory(tmp_path / "run")
    monkeypatch.setattr(memory, "memory_limit", lambda: Limit(10**9, "ulimit -v"))
    with pytest.raises(
        OutOfMemoryError, match=r"`attention=1048576`.* Lower `attention`, "
    ):
        check_memory(new_task(str(book), run, "auto", options), on_cpu=True)


class ResourceExhaustedError(Exception):
    """Named like TensorFlow's."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ResourceExhaustedError("OOM when allocating tensor"),
        ValueError("RESOURCE_EXHAUSTED: Out of memory allocating 2704000000 bytes."),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_way_to_run_out_of_memory_is_one_error(error: Exception, task: Task) -> None:
    with (
        pytest.raises(OutOfMemoryError, match=r"to train .* 58 GB or more.* Lower `units`"),
        training_memory_errors(task),
    ):
        raise error
    assert issubclass(OutOfMemoryError, TextgenError)


def test_other_errors_pass_through() -> None:
    with pytest.raises(ValueError, match="other"), memory_errors("to try", "Do not."):
        raise ValueError("other")


MEMINFO = "MemTotal:       8000000 kB\nMemFree:  10 kB\nSwapTotal:      1000000 kB\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"/proc/meminfo": MEMINFO}, Limit(9_216_000_000, "this machine")),
        (
            # The group around this process's own has the limit.
            {
                "/proc/meminfo": MEMINFO,
                "/proc/self/cgroup": "0::/job/step\n",
                "/sys/fs/cgroup/job/step/memory.max": "max\n",
                "/sys/fs/cgroup/job/memory.max": "5000000000\n",
            },
            Limit(6_024_000_000, "the control group"),
        ),
        (
            {
                "/proc/meminfo": MEMINFO,
                "/proc/self/cgroup": "2:cpu:/\n1:memory:/job\n0::/\n",
                "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "4000000000\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            Limit(5_024_000_000, "the control group"),
        ),
    ],
    ids=["unknown", "machine", "version 2", "version 1"],
)
def test_the_limit_is_the_lowest_one_with_swap(
    files: dict[str, str], expected: Limit | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_read", lambda path: files.get(path, ""))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert memory_limit() == expected


def test_the_limits_of_the_process_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_read", lambda path: "")
    limits = {resource.RLIMIT_AS: 9 * 10**9, resource.RLIMIT_DATA: 8 * 10**9}
    monkeypatch.setattr(resource, "getrlimit", lambda name: (limits[name], -1))
    assert memory_limit() == Limit(8 * 10**9, "ulimit -d")


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="only Linux has /proc")
def test_this_machine_has_a_limit_in_the_files_of_linux() -> None:
    limit = memory_limit()
    assert limit is not None
    assert limit.num_bytes > 10**8


def test_too_many_texts_at_once_are_refused_by_their_number() -> None:
    shapes = CONFIG.weight_shapes().items()
    network = Network(CONFIG, {name: np.zeros(shape, "f4") for name, shape in shapes})

    class Many(list[int]):
        def __len__(self) -> int:
            return 2**50

    state = np.zeros((1, 8), np.float32)
    with pytest.raises(OutOfMemoryError, match=r"1,125,899,906,842,624 texts at once"):
        network.step(Many([0]), state)


@pytest.mark.slow
def test_train_shows_the_error_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: Limit(1000, "ulimit -v"))
    book = tmp_path / "book.txt"
    book.write_text("so it goes, and goes, and goes.\n" * 50, encoding="utf-8")
    with pytest.raises(OutOfMemoryError, match="takes at least"):
        textgen.train(
            book, tmp_path / "run", units=8, batch_size=4, seq_length=8, quiet=True
        )
    assert not (tmp_path / "run" / "last").exists()
