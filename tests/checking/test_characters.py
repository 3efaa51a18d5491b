"""What the corpus check finds among the characters, and whether its advice helps."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checking.helpers import STORY, Write, check, found, topics
from textgen.checking.survey import survey
from textgen.config.text import TextConfig


def test_control_and_invisible_characters_are_named_with_their_first_place(
    write: Write,
) -> None:
    text = STORY * 300 + "page\x0cbreak\x1b[0m\n" + "zero\u200bwidth \u202eright\u202c\n"
    report = check(write(text))
    controls = found(report, "control characters")
    assert controls.severity == "warning"
    assert "U+000C FORM FEED (1, first in line 301)" in controls.what
    assert "U+001B ESCAPE" in controls.what
    invisible = found(report, "invisible characters")
    assert invisible.severity == "remark"
    assert "3 invisible characters" in invisible.what
    assert "U+200B ZERO WIDTH SPACE (1, first in line 302)" in invisible.what
    assert "Direction marks belong to right-to-left text" in invisible.advice


def test_lost_characters_are_counted(write: Write) -> None:
    finding = found(check(write(STORY * 300 + "caf\ufffd\n" * 2)), "lost characters")
    assert "2 replacement characters U+FFFD (the first in line 301)" in finding.what


def test_two_spellings_side_by_side_are_found(write: Write) -> None:
    path = write("café cafe\u0301 " * 2000)
    finding = found(check(path), "mixed normal forms")
    assert finding.severity == "remark"
    assert "'é' U+00E9" in finding.what
    assert "2,000 of 4,000 are NFC" in finding.what
    assert finding.data["count"] == 4000  # e and its accent
    finding = found(check(path, normalize="none"), "mixed normal forms")
    assert finding.severity == "warning"
    assert "use --normalize nfc" in finding.advice


@given(
    text=st.text(st.sampled_from("ea\u0301\u0323é가ᄀ\u1161\u212bﬁ\u0958\n"), max_size=30)
)
def test_what_nfc_would_change_is_what_it_takes_away(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "forms.txt"
    path.write_text(text, encoding="utf-8")
    gone = Counter(text) - Counter(unicodedata.normalize("NFC", text))
    facts = survey(path, TextConfig(normalize="none"), piece_bytes=3).text
    assert int(np.maximum(facts.raw - facts.nfc, 0).sum()) == gone.total()


def test_rare_characters_are_named_with_what_would_fold_them(write: Write) -> None:
    path = write(STORY * 300 + "%%&é")
    finding = found(check(path), "rare characters")
    assert "3 of 20 different characters are seen fewer than 5 times" in finding.what
    assert "'&' U+0026 AMPERSAND (1)" in finding.what
    assert "--min-count 2 folds 2" in finding.advice
    assert "--min-count 5 folds 3" in finding.advice
    assert "rare characters" not in topics(check(path, tokenizer="byte"))
    finding = found(check(path, min_count=2), "rare characters")
    assert (
        "--min-count 2 makes 2 of 20 different characters one unknown token" in finding.what
    )
