"""How ids spell characters: one id each, or the tree of UTF-8 bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textgen.generation.patterns.characters import writable
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.unicode.code_points import NUM_CODE_POINTS


@dataclass(frozen=True)
class Spelling:
    """What each id leads to, at the start of a character or within one.

    A value below `num_classes` means that the id completes a character of that class.
    Otherwise value - `num_classes` is the row in which the character continues; -1 is an
    id that is not valid here.

    Args:
        rows: `(num_rows, vocab)` values; the last row is the start of a character.
        completes: `(num_values, num_classes)`, which classes each value can end in.
    """

    rows: NDArray[np.int32]
    completes: NDArray[np.bool_]


def spell(
    tokenizer: CharTokenizer | ByteTokenizer,
    codes: NDArray[np.uint32],
    class_of: NDArray[np.int32],
    num_classes: int,
) -> Spelling:
    """The spelling of the permitted code points, each of which has a class."""
    classes = np.full(NUM_CODE_POINTS, -1, np.int32)
    classes[codes] = class_of
    if isinstance(tokenizer, ByteTokenizer):
        return _Utf8(tokenizer.vocab_size, num_classes).spelling(classes)
    row = np.full(tokenizer.vocab_size, -1, np.int32)
    row[tokenizer.num_special :] = classes[writable(tokenizer)]
    return Spelling(row[np.newaxis], np.eye(num_classes, dtype=bool))


class _Utf8:
    """Builds the tree of UTF-8, from the last byte of a character to its first.

    Bytes after which the same bytes may follow share a row, so that even all of Unicode
    needs few rows.
    """

    def __init__(self, vocab_size: int, num_classes: int) -> None:
        self._vocab_size = vocab_size
        self._rows: list[NDArray[np.int32]] = []
        self._completes = list(np.eye(num_classes, dtype=bool))

    def spelling(self, classes: NDArray[np.int32]) -> Spelling:
        """The spelling, from the class of each code point `(0x110000,)` or -1."""
        # One value per 64 code points, then one per 64 of those, and once more.
        last = self._fold(classes)
        third = self._fold(_from(32, last))
        second = self._fold(_from(16, third))
        first = np.full(self._vocab_size, -1, np.int32)
        first[:0x80] = classes[:0x80]
        first[0xC2:0xE0] = last[2:32]
        first[0xE0:0xF0] = third[:16]
        first[0xF0:0xF5] = second
        self._add(first)
        return Spelling(np.stack(self._rows), np.array(self._completes[:-1]))

    def _fold(self, values: NDArray[np.int32]) -> NDArray[np.int32]:
        """Make rows of 64 values each, one for each continuation byte."""
        padded = np.append(values, np.full(-len(values) % 64, -1, np.int32))
        numbers: dict[bytes, int] = {}
        folded = []
        # Nearly all rows are equal, so a dictionary is faster than sorting them.
        for group in padded.reshape(-1, 64):
            key = group.tobytes()
            if key not in numbers:
                numbers[key] = self._add_continuations(group)
            folded.append(numbers[key])
        return np.array(folded, np.int32)

    def _add_continuations(self, group: NDArray[np.int32]) -> int:
        if (group < 0).all():
            return -1
        row = np.full(self._vocab_size, -1, np.int32)
        row[0x80:0xC0] = group
        return self._add(row)

    def _add(self, row: NDArray[np.int32]) -> int:
        self._rows.append(row)
        self._completes.append(
            np.any([self._completes[value] for value in np.unique(row[row >= 0])], axis=0)
        )
        return len(self._completes) - 1


def _from(start: int, values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Without the values that UTF-8 spells with fewer bytes."""
    kept = values.copy()
    kept[:start] = -1
    return kept
