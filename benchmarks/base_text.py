"""The text that the base model learns from: books, made to fit what people bring.

People write with straight or curly quotation marks, with one dash or another, in wrapped
lines or in paragraphs. The books are cut into pieces, and each piece gets a style of its
own, so that the model learns to follow the style of a text. Every piece appears twice, in
two styles, except for those of the validation part, which come last and only once. The
same seed gives the same text.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

HELD_OUT = (
    "the_age_of_innocence",
    "three_men_in_a_boat",
    "the_wonderful_wizard_of_oz",
    "dubliners",
)
"""Books by authors who are not learned from, so that they can be scored."""

PIECE_CHARS = 12_000
VARIANTS = 2
VALIDATION = 0.02
"""The fraction of the pieces that validate."""

# The vocabulary: what English texts of today contain, whether the books do or not.
TYPOGRAPHIC = "‘’‚“”„«»–—…•·†‡§¶©®™°€£¢¥×÷½¼¾²³"
ACCENTED = "".join(map(chr, [*range(0xC0, 0xD7), *range(0xD8, 0xF7), *range(0xF8, 0x100)]))
LIGATURES = "ŒœŠšŽžŸ"
PRINTABLE = "".join(map(chr, range(0x20, 0x7F))) + "\t"
VOCABULARY = PRINTABLE + TYPOGRAPHIC + ACCENTED + LIGATURES

TO_STRAIGHT = str.maketrans("“”‘’", "\"\"''")


@dataclass(frozen=True)
class Style:
    """How one piece of text is written."""

    curly: bool
    dash: str
    wrapped: bool
    lower: bool
    italics: str
    """What stands on both sides of words in italics."""

    def apply(self, text: str) -> str:
        """The text in this style.

        >>> Style(True, "—", False, False, "").apply('"So," she\\nsaid--"_my_ \\'own\\'."')
        '“So,” she said—“my ‘own’.”'
        """
        text = text.translate(TO_STRAIGHT).replace("—", "--")
        text = re.sub(
            r"_([^_\n]+(?:\n[^_\n]+)?)_", rf"{self.italics}\1{self.italics}", text
        )
        if self.curly:
            text = curly_quotes(text)
        text = re.sub(r"(?<!-)--(?!-)", self.dash, text)
        if not self.wrapped:
            text = unwrap(text)
        return text.lower() if self.lower else text


def draw_style(rng: random.Random) -> Style:
    """A style, as often as it may be met."""
    return Style(
        curly=rng.random() < 0.5,
        dash=rng.choice(("--", "—", "—", " – ")),
        wrapped=rng.random() < 0.5,
        lower=rng.random() < 0.04,
        italics=rng.choices(("", "_", "*"), (6, 1, 1))[0],
    )


def curly_quotes(text: str) -> str:
    """Straight quotation marks to curly ones: opening after a space, bracket or dash."""
    text = re.sub(r'(^|[\s(\[—-])"', r"\1“", text).replace('"', "”")
    text = re.sub(r"(^|[\s(\[—“-])'", r"\1‘", text).replace("'", "’")
    # A closing mark right after an opening one opens, too.
    return text.replace("‘”", "‘“")


def unwrap(text: str) -> str:
    """Each paragraph on one line; verse, lists and other indented lines are left alone.

    >>> unwrap("One\\ntwo.\\n\\n  Three\\n  four.")
    'One two.\\n\\n  Three\\n  four.'
    """
    return re.sub(r"(?<=[^\n])\n(?=[^\s])", " ", text)


def pieces(text: str) -> list[str]:
    """A book cut between paragraphs into pieces of about `PIECE_CHARS` characters."""
    text = re.sub(r"[ \t]+\n", "\n", text.replace("\r\n", "\n"))
    found: list[list[str]] = [[]]
    length = 0
    for paragraph in re.split(r"\n{2,}", text.strip()):
        if length >= PIECE_CHARS:
            found.append([])
            length = 0
        found[-1].append(paragraph)
        length += len(paragraph)
    return ["\n\n".join(piece) + "\n\n" for piece in found]


def prepare(books: Path, seed: int) -> tuple[str, float]:
    """The text to train on, and the fraction of it, at the end, that validates.

    Args:
        books: directory of text files in UTF-8.
    """
    rng = random.Random(seed)
    found: list[str] = []
    for path in sorted(books.glob("*.txt")):
        if path.stem not in HELD_OUT:
            found += pieces(path.read_text("utf-8"))
    rng.shuffle(found)
    num_held = round(len(found) * VALIDATION)
    held, learned = found[:num_held], found[num_held:]
    parts = [VOCABULARY + "\n\n"]
    for _ in range(VARIANTS):
        rng.shuffle(learned)
        parts += [draw_style(rng).apply(piece) for piece in learned]
    tail = "".join(draw_style(rng).apply(piece) for piece in held)
    text = "".join(parts) + tail
    return text, len(tail) / len(text)
