"""The likely encoding of bytes that cannot be decoded: a table of cases."""

from __future__ import annotations

import pytest

from textgen.text.reading.encodings import guess_encoding

FRENCH = "L'été, la forêt était fanée ; où étaient les élèves ? « Ça va », dit-il.\n"
QUOTED = "« Ça va », dit-il — “oui”… L'été, où étaient les élèves ?\n"
GERMAN = "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Größe, Äpfel.\n"
POLISH = "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i praw.\n"
CZECH = "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.\n"
TURKISH = "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.\n"
RUSSIAN = "Все люди рождаются свободными и равными в своем достоинстве и правах.\n"
GREEK = "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.\n"
HEBREW = "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.\n"
JAPANESE = "すべての人間は、生れながらにして自由であり、かつ、平等である。\n"
SIMPLIFIED = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。\n"
TRADITIONAL = "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心。\n"
KOREAN = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.\n"
ENGLISH = "Kit went to sea and said nothing, not one word.\n"

# The text, its encoding, and what the guess should be.
CASES = [
    ("Un café noir.\n", "cp1252", "cp1252"),
    (FRENCH, "latin-1", "cp1252"),
    (QUOTED, "cp1252", "cp1252"),
    (GERMAN, "cp1252", "cp1252"),
    (GERMAN, "mac-roman", "mac-roman"),
    (FRENCH, "mac-roman", "mac-roman"),
    (POLISH, "iso8859-2", "iso8859-2"),
    (RUSSIAN, "cp1251", "cp1251"),
    (RUSSIAN, "koi8-r", "koi8-r"),
    (GREEK, "cp1253", "cp1253"),
    (JAPANESE, "shift_jis", "shift_jis"),
    (JAPANESE, "euc_jp", "euc_jp"),
    (SIMPLIFIED, "gb18030", "gb18030"),
    (TRADITIONAL, "big5", "big5"),
    (KOREAN, "euc_kr", "euc_kr"),
    (ENGLISH, "utf-16-le", "utf-16-le"),
    (ENGLISH, "utf-32-be", "utf-32-be"),
    (FRENCH, "utf-16-be", "utf-16-be"),
    (SIMPLIFIED, "utf-16-le", "utf-16-le"),
    (FRENCH, "utf-16", "utf-16"),
    (FRENCH, "utf-32", "utf-32"),
    (TURKISH, "cp1254", "cp1254"),
]
# These read about as well in a more common encoding.
KNOWN_FAILURES = [
    (POLISH, "cp1250", "cp1250"),
    (CZECH, "cp1250", "cp1250"),
    (HEBREW, "cp1255", "cp1255"),
]
# Strict: a case that begins to work belongs to `CASES`.
NOT_FOUND = pytest.mark.xfail(strict=True, reason="another encoding fits the bytes as well")


@pytest.mark.parametrize("num_lines", [1, 300])
@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [*CASES, *(pytest.param(*case, marks=NOT_FOUND) for case in KNOWN_FAILURES)],
)
def test_the_encoding_is_guessed_from_one_line_and_from_many(
    text: str, encoding: str, expected: str, num_lines: int
) -> None:
    data = (text * num_lines).encode(encoding)
    guess = guess_encoding(data[:64], data, "utf-8")
    assert guess is not None
    assert guess.encoding == expected


@pytest.mark.parametrize("tried", ["shift_jis", "latin-1", "utf-16", "unicode_escape"])
def test_valid_utf_8_is_recognised(tried: str) -> None:
    data = (JAPANESE + RUSSIAN).encode() * 9
    guess = guess_encoding(data[:64], data, tried)
    assert guess is not None
    assert guess.encoding == "utf-8"


def test_a_few_wrong_bytes_are_damaged_utf_8() -> None:
    data = FRENCH.encode() * 9 + b"caf\xe9 noir, th\xe9\n" + FRENCH.encode() * 9
    guess = guess_encoding(data[:64], data, "utf-8")
    assert guess is not None
    assert (guess.encoding, guess.num_wrong) == (None, 2)


@pytest.mark.parametrize("text", [ENGLISH, FRENCH, RUSSIAN, JAPANESE, SIMPLIFIED, KOREAN])
@pytest.mark.parametrize("start", ["", "x"])
def test_stray_nul_bytes_are_not_utf_16(start: str, text: str) -> None:
    for num_lines in (3, 300):
        half = (text * num_lines).encode()
        data = start.encode() + half + b"\0" + half
        assert guess_encoding(data[:64], data, "utf-8") is None


def test_binary_data_are_in_no_encoding() -> None:
    data = bytes(range(256)) * 40
    assert guess_encoding(data[:64], data, "utf-8") is None
