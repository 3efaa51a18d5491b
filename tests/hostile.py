"""Values that no argument expects, and what may come of them.

A public function that is called wrongly raises `TextgenError`, or Python's own
`TypeError` for a call that does not fit its signature; nothing else.
"""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from textgen.errors import TextgenError

VALUES: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "bytes": lambda: b"ab",
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "negative": lambda: -1,
    "zero": lambda: 0,
    "huge": lambda: 10**400,
    "2**63": lambda: 2**63,
    "fraction": lambda: Fraction(1, 2),
    "decimal": lambda: Decimal("0.5"),
    "complex": lambda: 1j,
    "true": lambda: True,
    "empty text": lambda: "",
    "surrogate": lambda: "a\ud800",
    "NUL": lambda: "a\0b",
    "path": lambda: Path("x"),
    "empty list": list,
    "list of None": lambda: [None],
    "nested lists": lambda: [["a"], [1, 2]],
    "tuple": lambda: ("a",),
    "dict": lambda: {"a": 1},
    "set": lambda: {"a"},
    "generator": lambda: (each for each in ["a"]),
    "generator of numbers": lambda: (each for each in [1]),
    "object": object,
    "class": lambda: int,
    "function": lambda: len,
    "array": lambda: np.arange(3),
    "matrix": lambda: np.ones((2, 2)),
    "array of texts": lambda: np.array(["a"]),
    "array without dimensions": lambda: np.array(3),
    "NumPy integer": lambda: np.int64(2),
    "NumPy float": lambda: np.float32(0.5),
    "NumPy NaN": lambda: np.float64("nan"),
    "NumPy bool": lambda: np.bool_(True),
    "NumPy text": lambda: np.str_("ab"),
}


def faults(call: Callable[..., Any], **good: Any) -> list[str]:
    """What the call raised, beside `TextgenError`, with one argument hostile at a time."""
    # Alone, the good arguments are good: otherwise nothing would be tested.
    _used(call(**_made(good)))
    return [
        fault
        for argument, (kind, make) in itertools.product(good, VALUES.items())
        if (fault := _fault(call, _made(good) | {argument: make()}, f"{argument}: {kind}"))
    ]


def _made(good: dict[str, Any]) -> dict[str, Any]:
    """The arguments; an iterator is made anew for each call."""
    return {
        k: v() if getattr(v, "__name__", "") == "<lambda>" else v for k, v in good.items()
    }


def _fault(call: Callable[..., Any], arguments: dict[str, Any], what: str) -> str | None:
    try:
        _used(call(**arguments))
    except TextgenError:
        pass  # as promised
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{what}: {error!r:.100} at {place.filename}:{place.lineno}"
    return None


def _used(result: Any) -> None:
    if isinstance(result, Iterator):
        list(itertools.islice(result, 2))
