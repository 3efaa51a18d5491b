"""What is shown of a text, and what ended it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from textgen.generation.decoding.stopping import StoppingCriteria

some_stops = st.lists(st.text("ab", min_size=1, max_size=4), max_size=3)


def shown(stopping: StoppingCriteria, pieces: Iterable[str]) -> str:
    """All that is shown of a text that comes in these pieces and then is over."""
    return "".join([stopping.feed(piece) for piece in pieces]) + stopping.flush()


def ended(text: str, **options: Any) -> tuple[str, str | None]:
    """What is shown of a text, and what ended it; None where nothing did."""
    stopping = StoppingCriteria(**options)
    return shown(stopping, text), stopping.reason
