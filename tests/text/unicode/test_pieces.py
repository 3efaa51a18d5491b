"""The normal form of a text in pieces is that of the whole."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.errors import ConfigError
from textgen.text.unicode.normal_form import PieceNormalizer, is_boundary, normalize_text

# Letters, marks of several classes, jamo, syllables, vowel signs, compatibility forms.
TRICKY = (
    "eaK\u0301\u0323\u0327\u0344ᄀ\u1161\u11a8가각\u0bc6\u0bbeか\uff9e\u3099ﬁÅé\n \u037e"
)
tricky_pieces = st.lists(st.text(st.sampled_from(TRICKY), max_size=6), max_size=8)


def assigned(character: str) -> bool:
    return unicodedata.category(character) not in ("Cn", "Co", "Cs")


@pytest.mark.parametrize("form", ["none", "nfc", "nfkc"])
@given(pieces=tricky_pieces)
def test_the_normal_form_of_the_pieces_is_that_of_the_whole(
    form: str, pieces: list[str]
) -> None:
    found = list(PieceNormalizer(form).normalize(pieces))
    assert "".join(found) == normalize_text("".join(pieces), form)
    assert all(found)


@pytest.mark.parametrize("form", ["nfc", "nfkc"])
@given(pieces=st.lists(st.text(max_size=4), max_size=6))
def test_the_normal_form_of_any_pieces_is_that_of_the_whole(
    form: str, pieces: list[str]
) -> None:
    expected = normalize_text("".join(pieces), form)
    assert "".join(PieceNormalizer(form).normalize(pieces)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("form", ["nfc", "nfkc"])
def test_no_character_at_a_boundary_ever_joins_the_one_before(form: str) -> None:
    # Every composition there is: what stands before the second half must not be cut off.
    everything = [c for c in map(chr, range(sys.maxunicode + 1)) if assigned(c)]
    pairs = [
        parts
        for parts in map(unicodedata.decomposition, everything)
        if len(parts.split()) == 2 and not parts.startswith("<")
    ]
    assert len(pairs) > 1000
    seconds = {chr(int(pair.split()[1], 16)) for pair in pairs}
    assert not any(is_boundary(second, form) for second in seconds)
    # And every character there is, after some to which much can happen.
    alone_ones = [character for character in everything if is_boundary(character, form)]
    own = [normalize_text(character, form) for character in alone_ones]
    for start in ("e", "a\u0323", "ᄀ", "가", "\u0bc6", "か", "\u1025", "q\u0327\u0301"):
        whole = normalize_text(
            "\n".join(start + character for character in alone_ones), form
        )
        alone = normalize_text(start, form)
        assert whole == "\n".join(alone + each for each in own)


def test_there_is_a_boundary_before_almost_every_character() -> None:
    ordinary = "aZ9 \n.,éñßжדא漢字かナ가각थक\u0e01😀—“"
    for form in ("nfc", "nfkc"):
        assert all(is_boundary(character, form) for character in ordinary)


def test_text_that_may_still_change_waits_for_the_next_piece() -> None:
    normalizer = PieceNormalizer("nfc")
    assert normalizer.feed("ab") == "a"
    assert normalizer.feed("\u0323") == ""
    assert normalizer.feed("\u0307") == ""
    assert normalizer.feed("c") == "\u1e05\u0307"
    assert normalizer.flush() == "c"
    assert normalizer.flush() == ""


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ConfigError, match="normalize='nfd' must be one of none, nfc, nfkc"):
        PieceNormalizer("nfd")
