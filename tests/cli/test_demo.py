"""The page that the demo shows is a whole one, and fits a terminal."""

from __future__ import annotations

import pytest

from textgen.cli.demo import page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("THE GULL\n\nIt flew. It ca", "THE GULL\n\nIt flew."),
        ('"Mud," it said. "Why?" sai', '"Mud," it said. "Why?"'),
        ("It flew. It came.", "It flew. It came."),
        ("no end of a sente", "no end of a"),
        ("word", "word"),
    ],
)
def test_the_page_ends_with_a_sentence_or_at_least_a_word(text: str, expected: str) -> None:
    assert page(text) == expected


def test_long_lines_are_wrapped_and_no_word_is_lost() -> None:
    text = "The gull saw the sea and said nothing. " * 20
    assert max(map(len, page(text).split("\n"))) <= 72
    assert page(text).split() == text.split()
