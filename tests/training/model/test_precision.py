"""Which type the products are made in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.training.model.twins import skip_without
from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError
from textgen.training.model import precision
from textgen.training.model.precision import MIN_UNITS, check_dtype, choose_dtype

MODEL = ModelConfig(vocab_size=10, units=16)
AUTO = TrainConfig()


@pytest.fixture
def products_take(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, float]], None]:
    """Let the products take given times, on a processor that knows bfloat16."""

    def fake(seconds: dict[str, float]) -> None:
        monkeypatch.setattr(precision, "has_device", lambda: True)
        monkeypatch.setattr(precision, "processor_flags", lambda: {"avx512_bf16"})
        monkeypatch.setattr(precision, "product_loop", lambda dtype, *sizes: dtype)
        monkeypatch.setattr(precision, "repeat", lambda dtype, **_: [seconds[dtype]])

    return fake


def test_auto_is_float32_on_a_processor_without_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "processor_flags", lambda: {"avx2"})
    monkeypatch.setattr(precision, "product_loop", None)  # nothing is timed
    assert choose_dtype(MODEL, AUTO) == "float32"


@pytest.mark.parametrize(
    ("bfloat16", "chosen"), [(0.5, "bfloat16"), (0.9, "float32"), (2.0, "float32")]
)
def test_auto_takes_bfloat16_only_where_it_is_much_faster(
    products_take: Callable[[dict[str, float]], None], bfloat16: float, chosen: str
) -> None:
    products_take({"float32": 1.0, "bfloat16": bfloat16})
    assert choose_dtype(MODEL, AUTO) == chosen


@pytest.mark.parametrize("units", range(1, MIN_UNITS))
def test_the_smallest_layers_are_not_timed(
    monkeypatch: pytest.MonkeyPatch, units: int
) -> None:
    monkeypatch.setattr(precision, "processor_flags", lambda: {"amx_bf16"})
    monkeypatch.setattr(precision, "product_loop", None)
    assert choose_dtype(ModelConfig(vocab_size=10, units=units), AUTO) == "float32"


@pytest.mark.parametrize("units", [MIN_UNITS, 40])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_all_others_can_be_timed(
    monkeypatch: pytest.MonkeyPatch, units: int, batch_size: int
) -> None:
    monkeypatch.setattr(precision, "processor_flags", lambda: {"amx_bf16"})
    skip_without("bfloat16")
    train = TrainConfig(batch_size=batch_size)
    assert choose_dtype(ModelConfig(10, units=units), train) in ("float32", "bfloat16")


def test_a_named_type_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_device", lambda: True)
    monkeypatch.setattr(precision, "has_type", lambda dtype: True)
    for dtype in ("float32", "bfloat16"):
        assert choose_dtype(MODEL, TrainConfig(compute_dtype=dtype)) == dtype


def test_where_no_kernel_runs_nothing_is_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    train = TrainConfig(compute_dtype="bfloat16")
    dropped = ModelConfig(vocab_size=10, recurrent_dropout=0.1)
    assert choose_dtype(dropped, train) == "float32"
    monkeypatch.setattr(precision, "has_device", lambda: False)
    assert choose_dtype(MODEL, train) == "float32"


def test_a_resumed_run_takes_float32_where_the_processor_lacks_its_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "has_device", lambda: True)
    monkeypatch.setattr(precision, "has_type", lambda dtype: dtype == "float32")
    assert choose_dtype(MODEL, TrainConfig(compute_dtype="bfloat16")) == "float32"


def test_a_named_type_that_the_processor_lacks_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "has_device", lambda: True)
    monkeypatch.setattr(precision, "has_type", lambda dtype: dtype == "float32")
    with pytest.raises(ConfigError) as caught:
        check_dtype(MODEL, TrainConfig(compute_dtype="bfloat16"))
    assert str(caught.value) == (
        "compute_dtype='bfloat16': this processor has no bfloat16 products for PyTorch. "
        "Leave it out, or choose compute_dtype='float32'."
    )
    for dtype in ("auto", "float32"):
        check_dtype(MODEL, TrainConfig(compute_dtype=dtype))
    # The plain cell has no kernel, and rounds nothing.
    plain = ModelConfig(vocab_size=10, cell="rnn")
    check_dtype(plain, TrainConfig(compute_dtype="bfloat16"))


@pytest.mark.one_backend
def test_an_old_processor_lacks_bfloat16_in_pytorch() -> None:
    code = "from textgen.training.model import kernels as k; print(k.has_type('bfloat16'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "torch", "ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_products_can_be_timed(dtype: str) -> None:
    skip_without(dtype)
    loop = precision.product_loop(dtype, 16, 8, 32)
    loop()
