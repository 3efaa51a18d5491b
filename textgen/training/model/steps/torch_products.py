"""What PyTorch rounds the factors of float32 products to, on a processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from textgen.training.backend.floats import DTYPE


@contextmanager
def rounded_products(dtype: str) -> Iterator[None]:
    """Within this context, oneDNN may round the factors of float32 products to `dtype`.

    The sums stay float32. It holds for the whole process, and from PyTorch 2.9 on.
    """
    if dtype == DTYPE:
        yield
        return
    with _precision("bf16"):
        yield


@contextmanager
def exact_products() -> Iterator[None]:
    """Within this context, oneDNN rounds no factors."""
    with _precision("ieee"):
        yield


@contextmanager
def _precision(name: str) -> Iterator[None]:
    matmul: Any = getattr(torch.backends.mkldnn, "matmul", None)
    if matmul is None:
        yield
        return
    before, matmul.fp32_precision = matmul.fp32_precision, name
    try:
        yield
    finally:
        matmul.fp32_precision = before
