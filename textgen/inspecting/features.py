"""Properties of a text that a unit of a network may follow, one number per character.

Most are those of Karpathy, Johnson & Fei-Fei (2015), "Visualizing and Understanding
Recurrent Networks".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from textgen.errors import ConfigError
from textgen.wording import shown

Feature = NDArray[np.float32]
"""`(num_chars,)`: its value after a character was read."""

OPENING, CLOSING, EITHER = "“«「『‹„", "”»」』›", '"'
"""Quotation marks. Apostrophes look like single ones, which are left out."""

TAG = re.compile(r"</?[A-Za-z!?][^<>\n]*>")


def inside_quotes(text: str) -> Feature:
    r"""1 from an opening quotation mark to its end; an empty line ends it as well.

    >>> inside_quotes('a "b" c').tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """

    def step(inside: float, character: str) -> float:
        if character in EITHER:
            return 1 - inside
        return float(character in OPENING or (inside and character not in CLOSING))

    return _scanned(text, step)


def bracket_depth(text: str) -> Feature:
    """How many brackets are open; an empty line closes all.

    >>> bracket_depth("a(b[c])d").tolist()
    [0.0, 1.0, 1.0, 2.0, 2.0, 1.0, 0.0, 0.0]
    """

    def step(depth: float, character: str) -> float:
        return max(0, depth + (character in "([{（【") - (character in ")]}）】"))

    return _scanned(text, step)


def inside_brackets(text: str) -> Feature:
    """1 while a bracket is open."""
    return np.minimum(bracket_depth(text), 1)


def position_in_line(text: str) -> Feature:
    r"""Characters since the last line end, or since the start.

    >>> position_in_line("ab\ncd").tolist()
    [1.0, 2.0, 0.0, 1.0, 2.0]
    """
    return _since([character == "\n" for character in text])


def position_in_word(text: str) -> Feature:
    """Letters and digits since the last other character.

    >>> position_in_word("it is").tolist()
    [1.0, 2.0, 0.0, 1.0, 2.0]
    """
    return _since([not character.isalnum() for character in text])


def upper_case(text: str) -> Feature:
    """1 at a capital letter."""
    return _marks(text, str.isupper)


def digits(text: str) -> Feature:
    """1 at a digit."""
    return _marks(text, str.isdigit)


def line_end(text: str) -> Feature:
    """1 at a line end, so just before a new line."""
    return _marks(text, lambda character: character == "\n")


def indentation(text: str) -> Feature:
    r"""Spaces at the beginning of the line, as far as they have been read.

    >>> indentation("a\n  b c").tolist()
    [0.0, 0.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    """
    found, count, leads = np.zeros(len(text), np.float32), 0, True
    for place, character in enumerate(text):
        if character == "\n":
            count, leads = 0, True
        else:
            leads = leads and character in " \t"
            count += leads
        found[place] = count
    return found


def inside_tag(text: str) -> Feature:
    """1 inside a tag of HTML or XML.

    >>> inside_tag("a<b>c").tolist()
    [0.0, 1.0, 1.0, 0.0, 0.0]
    """
    found = matches(TAG, text)
    # After its last character a tag is over.
    found[:-1] *= found[1:]
    found[-1:] = 0
    return found


def matches(pattern: re.Pattern[str], text: str) -> Feature:
    """1 at the characters of each match."""
    found = np.zeros(len(text), np.float32)
    for match in pattern.finditer(text):
        found[match.start() : match.end()] = 1
    return found


FEATURES: Mapping[str, Callable[[str], Feature]] = {
    "inside quotes": inside_quotes,
    "inside brackets": inside_brackets,
    "bracket depth": bracket_depth,
    "position in line": position_in_line,
    "position in word": position_in_word,
    "upper case": upper_case,
    "indentation": indentation,
    "line end": line_end,
    "digit": digits,
    "inside tag": inside_tag,
}


def features_of(
    text: str, labels: Sequence[str | None] = (), patterns: Iterable[str] = ()
) -> dict[str, Feature]:
    """Every feature that varies in a text, by name.

    Args:
        text: the characters.
        labels: the label at each character, if there are any.
        patterns: regular expressions of Python; their features are 1 inside a match.

    Raises:
        ConfigError: a pattern is not a regular expression.

    >>> sorted(features_of("No 1.", patterns=["o"]))
    ['digit', 'matches o', 'position in line', 'position in word', 'upper case']
    """
    found = {name: feature(text) for name, feature in FEATURES.items()}
    for label in dict.fromkeys(each for each in labels if each is not None):
        found[f"label {label}"] = np.array([each == label for each in labels], np.float32)
    for pattern in patterns:
        found[f"matches {pattern}"] = matches(_compiled(pattern), text)
    return {name: values for name, values in found.items() if np.ptp(values) > 0}


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"{shown(pattern)} is not a regular expression of Python: {error}. "
            "Escape special characters with a backslash."
        ) from None


def _scanned(text: str, step: Callable[[float, str], float]) -> Feature:
    """The values of a counter, which starts again after an empty line."""
    found, value, before = np.zeros(len(text), np.float32), 0.0, ""
    for place, character in enumerate(text):
        value = 0.0 if character == before == "\n" else step(value, character)
        found[place], before = value, character
    return found


def _since(marks: Sequence[bool]) -> Feature:
    """How many places ago the last mark was."""
    places = np.arange(len(marks))
    last = np.maximum.accumulate(np.where(marks, places, -1))
    return (places - last).astype(np.float32)


def _marks(text: str, is_marked: Callable[[str], bool]) -> Feature:
    return np.fromiter(map(is_marked, text), np.float32, len(text))
