"""Text to integers and back: one id per character, or one per UTF-8 byte.

Both tokenizers are immutable values: equal ones are interchangeable, and what they
learned from a text is their vocabulary and nothing else. They share one interface,
so the rest of the package never asks which of the two it holds. Where documents have
labels, each label is an id of its own that stands where its documents begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from textgen.errors import TokenizerError
from textgen.text.tokenizers.base import NO_CHARACTER, REPLACEMENT, BaseTokenizer
from textgen.text.tokenizers.checks import (
    check_characters,
    check_flag,
    check_form,
    check_id,
    check_labels,
    checked_ids,
    gathered_labels,
    lacking,
)
from textgen.text.tokenizers.stored import FORMAT_VERSION
from textgen.text.unicode.code_points import (
    characters_of,
    code_bytes,
    code_points,
    count_code_points,
)
from textgen.text.unicode.normal_form import normalize_text


@dataclass(frozen=True)
class CharTokenizer(BaseTokenizer):
    """One id per character (Unicode code point) of the text it learned from.

    Special tokens come first: the end of a document, then the unknown character,
    each only where there is one, then the labels. The characters follow in the order
    given, so a vocabulary can grow at its end and old ids stay what they were.

    Args:
        characters: the vocabulary, each character once.
        normalize: Unicode normal form of every text before it is encoded.
        unknown: whether one id stands for all other characters. It is read, never
            meant to be sampled.
        end_of_document: whether one id marks where documents end.
        labels: of documents, sorted, each once and an id of its own. They need
            `end_of_document`.

    Raises:
        TokenizerError: no characters, one of them twice, or half a character; labels
            that could not be told apart or asked for.

    >>> tokenizer = CharTokenizer("abn")
    >>> tokenizer.encode("banana").tolist()
    [1, 0, 2, 0, 2, 0]
    >>> tokenizer.decode([2, 0, 1])
    'nab'
    """

    characters: str
    _: KW_ONLY
    normalize: str = "nfc"
    unknown: bool = False
    end_of_document: bool = False
    labels: tuple[str, ...] = ()
    kind: ClassVar[str] = "char"
    _eod_mark = NO_CHARACTER.to_bytes(4, "little")

    def __post_init__(self) -> None:
        check_characters(self.characters)
        check_form(self.normalize)
        check_flag("unknown", self.unknown)
        check_flag("end_of_document", self.end_of_document)
        check_labels(self.labels, self.normalize, end_of_document=self.end_of_document)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[str],
        *,
        min_count: int = 1,
        normalize: str = "nfc",
        end_of_document: bool = False,
        labels: Iterable[str] = (),
    ) -> CharTokenizer:
        """Learn the vocabulary: every character, sorted by code point.

        Args:
            documents: read once, so a generator will do.
            min_count: characters seen less often become one unknown token.
            labels: of the documents, in any order and number.

        Raises:
            TokenizerError: no character is left to learn, or too many labels.

        >>> CharTokenizer.from_documents(["banana", "bun"], min_count=2)
        CharTokenizer(characters='abn', normalize='nfc', unknown=True,
                      end_of_document=False, labels=())
        """
        check_form(normalize)
        return cls.from_counts(
            count_code_points(documents, normalize),
            min_count=min_count,
            normalize=normalize,
            end_of_document=end_of_document,
            labels=gathered_labels(labels, normalize),
        )

    @classmethod
    def from_counts(
        cls,
        counts: np.ndarray,
        *,
        min_count: int = 1,
        normalize: str = "nfc",
        end_of_document: bool = False,
        labels: tuple[str, ...] = (),
    ) -> CharTokenizer:
        """The same vocabulary for who has counted the characters already.

        Args:
            counts: `(0x110000,)` how often each code point occurs in the normal form.
            labels: as `gathered_labels` gives them.

        Raises:
            TokenizerError: as for `from_documents`.
        """
        kept = np.flatnonzero(counts >= max(min_count, 1))
        _check_anything_kept(kept, counts, min_count)
        return cls(
            characters_of(kept),
            normalize=normalize,
            unknown=len(kept) < int(np.count_nonzero(counts)),
            end_of_document=end_of_document,
            labels=labels,
        )

    @property
    def num_special(self) -> int:
        """How many ids stand for no character of their own."""
        return self._first_label_id + len(self.labels)

    @property
    def vocab_size(self) -> int:
        """Number of ids: 0 to `vocab_size - 1`."""
        return self.num_special + len(self.characters)

    @property
    def eod_id(self) -> int | None:
        """The id that ends a document, or None where the text is one document."""
        return 0 if self.end_of_document else None

    @property
    def unknown_id(self) -> int | None:
        """The id of every character too rare for the vocabulary, or None."""
        return int(self.end_of_document) if self.unknown else None

    @property
    def start_id(self) -> int:
        """The id that generation and scoring read before the first character."""
        if self.eod_id is not None:
            return self.eod_id
        for character in "\n ":
            if character in self.characters:
                return self.num_special + self.characters.index(character)
        return self.num_special

    def unknown_characters(self, text: str) -> list[str]:
        """The characters outside the vocabulary, each once, in order of appearance.

        >>> CharTokenizer("abn").unknown_characters("beetle")
        ['e', 't', 'l']
        """
        codes = code_points(code_bytes(normalize_text(text, self.normalize)))
        missing = codes[self._id_table[codes] == self._missing_id]
        return list(dict.fromkeys(characters_of(missing)))

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of `(num_ids,)` ids, with U+FFFD for unknown characters.

        The end of a document and labels stand for no text.

        Raises:
            TokenizerError: an id outside the vocabulary.

        >>> CharTokenizer("ab", end_of_document=True).decode([0, 1, 0, 2, 0])
        'ab'
        """
        codes = self._code_table[checked_ids(ids, self.vocab_size)]
        return characters_of(codes[codes != NO_CHARACTER])

    def symbol(self, id: int) -> str:
        r"""A readable name of one id, for tables and messages.

        Raises:
            TokenizerError: the id lies outside the vocabulary.

        >>> [CharTokenizer("\na", end_of_document=True).symbol(id) for id in range(3)]
        ['<eod>', "'\\n'", "'a'"]
        """
        check_id(id, self.vocab_size)
        if id == self.eod_id:
            return "<eod>"
        if id == self.unknown_id:
            return "<unk>"
        if id < self.num_special:
            return f"<label:{self.labels[id - self._first_label_id]}>"
        return repr(self.characters[id - self.num_special])

    def to_dict(self) -> dict[str, Any]:
        """The tokenizer as plain data for JSON; `tokenizer_from_dict` reads it.

        >>> CharTokenizer("ab").to_dict()["characters"]
        ['a', 'b']
        """
        return {
            "format_version": FORMAT_VERSION,
            "kind": self.kind,
            "characters": list(self.characters),
            "normalize": self.normalize,
            "unknown": self.unknown,
            "end_of_document": self.end_of_document,
            "labels": list(self.labels),
        }

    @property
    def _first_label_id(self) -> int:
        return int(self.end_of_document) + int(self.unknown)

    @property
    def _missing_id(self) -> int:
        return self.vocab_size

    @cached_property
    def _id_table(self) -> np.ndarray:
        # One entry for every code point, `_missing_id` for those outside the vocabulary:
        # built once, for a look-up without a search or a bound to check. As narrow as
        # can be, so that what is looked up needs no conversion.
        table = np.full(
            NO_CHARACTER + 1, self._missing_id, np.min_scalar_type(self._missing_id)
        )
        codes = code_points(code_bytes(self.characters))
        table[codes] = np.arange(self.num_special, self.vocab_size)
        if self.eod_id is not None:
            table[NO_CHARACTER] = self.eod_id
        return table

    @cached_property
    def _code_table(self) -> np.ndarray:
        table = np.full(self.vocab_size, NO_CHARACTER, "<u4")
        table[self.num_special :] = code_points(code_bytes(self.characters))
        if self.unknown_id is not None:
            table[self.unknown_id] = ord(REPLACEMENT)
        return table

    @cached_property
    def _symbols(self) -> tuple[bytes, ...]:
        special = (b"",) * self.end_of_document + (REPLACEMENT.encode(),) * self.unknown
        special += (b"",) * len(self.labels)
        return special + tuple(c.encode() for c in self.characters)

    def _to_bytes(self, text: str, unknown: str) -> bytes:
        return code_bytes(text)

    def _look_up(self, batch: bytes, unknown: str) -> np.ndarray:
        codes = code_points(batch)
        ids = self._id_table[codes]
        missing = ids == self._missing_id
        if missing.any():
            if unknown == "skip":
                ids = ids[~missing]
            elif unknown == "token" and self.unknown_id is not None:
                ids[missing] = self.unknown_id
            else:
                names = list(dict.fromkeys(characters_of(codes[missing])))
                raise TokenizerError(lacking(names, has_token=self.unknown))
        return ids.astype(self.id_dtype, copy=False)


def _check_anything_kept(kept: np.ndarray, counts: np.ndarray, min_count: int) -> None:
    if len(kept):
        return
    if not counts.any():
        raise TokenizerError(
            "there is not one character to learn a vocabulary from. Add text."
        )
    raise TokenizerError(
        f"min_count={min_count} leaves no character: the most frequent one occurs "
        f"{counts.max():,} times. Lower --min-count."
    )
