"""No more and no less is held back than may still be cut off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.generation.decoding.endings import shown, some_stops
from textgen.generation.decoding.stopping import StoppingCriteria


def cut_by_stops(text: str, stops: Sequence[str], least: int) -> int | None:
    """Where `text` is cut, by the plainest rule: read on until a stop text is complete."""
    for end in range(len(text) + 1):
        starts = [end - len(s) for s in stops if text[:end].endswith(s)]
        allowed = [start for start in starts if start >= least]
        if allowed:
            return min(allowed)
    return None


def cut_by_blank_lines(prompt: str, text: str, least: int) -> int | None:
    """The same for paragraphs: read on until a blank line is complete."""
    for end in range(1, len(text) + 1):
        blank = re.search(r"\n *\n\Z", prompt + text[:end])
        if blank:
            at = max(0, blank.start() - len(prompt))
            before = re.split(r"\n *\n", prompt)[-1] + text[:at]
            if at >= least and before.strip():
                return at
    return None


def check_held(
    stopping: StoppingCriteria, text: str, cut: Any, endings: Sequence[str]
) -> None:
    """Feed a text; all of it is shown at once but what some way to go on would cut off.

    Args:
        cut: finds where a whole text is cut.
        endings: ways to go on, one of which cuts off what is held back.
    """
    so_far = ""
    for end in range(1, len(text) + 1):
        so_far += stopping.feed(text[end - 1])
        found = cut(text[:end])
        assert (stopping.reason is not None) == (found is not None)
        if found is not None:
            assert so_far == text[:found]
            return
        assert text.startswith(so_far)
        if len(so_far) < end:
            assert len(so_far) in {cut(text[:end] + more) for more in endings}
    assert so_far + stopping.flush() == text


@given(text=st.text("ab", max_size=20), stops=some_stops, least=st.integers(0, 8))
def test_stop_texts_hold_back_no_more_and_no_less_than_they_must(
    text: str, stops: list[str], least: int
) -> None:
    endings = [stop[at:] for stop in stops for at in range(len(stop))]
    check_held(
        StoppingCriteria(stops, min_length=least),
        text,
        lambda text: cut_by_stops(text, stops, least),
        endings,
    )


@given(
    prompt=st.text("a \n", max_size=5),
    text=st.text("a \n", max_size=15),
    least=st.integers(0, 8),
)
def test_paragraphs_hold_back_no_more_and_no_less_than_they_must(
    prompt: str, text: str, least: int
) -> None:
    check_held(
        StoppingCriteria(until="paragraph", min_length=least, prompt=prompt),
        text,
        lambda text: cut_by_blank_lines(prompt, text, least),
        ["\n"],
    )


@given(text=st.text('a. "\n', max_size=15), until=st.sampled_from(["sentence", "line"]))
def test_what_was_shown_is_never_taken_back(text: str, until: str) -> None:
    stopping = StoppingCriteria(until=until)
    so_far = "".join(stopping.feed(c) for c in text)
    assert text.startswith(so_far)
    held = text[len(so_far) :]
    if stopping.reason is None:
        # A line is shown at once, a sentence but for what may be a blank line.
        assert re.fullmatch(r"(\n *)?" if until == "sentence" else "", held)
        assert stopping.flush() == held


@given(
    text=st.text("ab. \n", max_size=20),
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=20),
    until=st.sampled_from(["sentence", "line", "paragraph", None]),
    least=st.integers(0, 8),
)
def test_it_makes_no_difference_how_a_text_comes_in_pieces(
    text: str, sizes: list[int], until: str | None, least: int
) -> None:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(text[start : start + size])
        start += size
    pieces.append(text[start:])
    stops = ["ab", "b a", "b. a", "a\nb"]
    options: dict[str, Any] = {"stops": stops, "until": until, "min_length": least}
    one, other = StoppingCriteria(**options), StoppingCriteria(**options)
    assert shown(one, pieces) == shown(other, text)
    assert one.reason == other.reason
