"""Normal forms are those of the standard, also of texts made to take long."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.text.unicode import normal_form
from textgen.text.unicode.normal_form import normalize_text

# Marks of several classes, some that become marks, and what takes marks.
CHARACTERS = (
    "\u0301\u0316\u0327\u0344\u0f71\u0f72\u0f73\u0f81\uff9e\u3099ae가\u1161\u11a8ﬁé"
)
FORMS: list[tuple[str, Literal["NFC", "NFKC"]]] = [("nfc", "NFC"), ("nfkc", "NFKC")]


@pytest.mark.parametrize(("form", "standard"), FORMS)
@given(text=st.text(st.sampled_from(CHARACTERS) | st.characters(exclude_categories=["Cs"])))
def test_the_long_way_gives_what_the_standard_says(
    form: str, standard: Literal["NFC", "NFKC"], text: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normal_form, "_has_long_run", lambda text: True)
        assert normalize_text(text, form) == unicodedata.normalize(standard, text)


def test_a_run_that_fills_a_piece_is_seen_wherever_it_begins() -> None:
    long = normal_form._LONG_RUN
    for mark in "\u0301\u0f73\uff9e":
        for before in (0, 1, 700, long - 1):
            assert normal_form._has_long_run("a" * before + mark * 2 * long)
        assert not normal_form._has_long_run("a" + mark * (long - 1) + "a" * long)
        assert not normal_form._has_long_run((mark * 99 + "é") * long)


SLOW = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
from textgen.text.unicode.normal_form import normalize_text
for unit in ("\\u0301\\u0316", "\\u0f73", "\\uff9e\\u0301"):
    for form in ("nfc", "nfkc"):
        normalize_text("a" + unit * (1_000_000 // len(unit.encode())), form)
"""


@pytest.mark.slow
def test_a_megabyte_of_marks_on_one_character_does_not_take_minutes() -> None:
    pytest.importorskip("resource")
    assert subprocess.run([sys.executable, "-c", SLOW]).returncode == 0
