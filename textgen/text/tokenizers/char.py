"""One id per character (Unicode code point)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from textgen.config.arguments import described, each_of, whole_number
from textgen.errors import TokenizerError
from textgen.text.tokenizers.base import CHINESE_OPENING, OPENING, BaseTokenizer
from textgen.text.tokenizers.checks import (
    check_bool,
    check_characters,
    check_labels,
    check_normal_form,
    check_separator,
    checked_ids,
    gathered_labels,
    tidy_fields,
    unknown_characters_message,
)
from textgen.text.unicode.code_points import (
    NUM_CODE_POINTS,
    SEPARATOR,
    CodePointCounts,
    characters_of,
    code_bytes,
    code_points,
)
from textgen.text.unicode.normal_form import normalize_text
from textgen.wording import count_of

# One past the last code point: marks the ends of documents, which text cannot contain.
_NO_CHARACTER = NUM_CODE_POINTS
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class CharTokenizer(BaseTokenizer):
    """One id per character (Unicode code point) of a fixed vocabulary.

    The special tokens come first: the end of a document, the unknown token and the
    separator, if enabled, then the labels. The characters follow in the given order, so a
    vocabulary can be extended at its end without changing the ids of existing characters.

    Args:
        characters: the vocabulary, each character once.
        normalize: Unicode normal form applied to text before encoding.
        unknown: whether an unknown token stands for all other characters. Models read
            it but should never generate it.
        end_of_document: whether an id marks the ends of documents.
        labels: labels of documents, sorted and distinct; each has its own id. They need
            `end_of_document`.
        separator: whether an id stands between prompt and completion of each document. It
            needs `end_of_document`, and excludes labels.

    Raises:
        TokenizerError: the vocabulary is empty, repeats a character or contains a lone
            surrogate; or the labels or the separator are invalid.

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
    separator: bool = False
    kind: ClassVar[str] = "char"
    _first_special_id = 0
    _eod_mark = _NO_CHARACTER.to_bytes(4, "little")
    _openings = (CHINESE_OPENING, OPENING)

    def __post_init__(self) -> None:
        tidy_fields(self)
        check_characters(self.characters)
        check_normal_form(self.normalize)
        check_bool("unknown", self.unknown)
        check_bool("end_of_document", self.end_of_document)
        check_labels(self.labels, self.normalize, end_of_document=self.end_of_document)
        check_separator(self.separator, self.labels, end_of_document=self.end_of_document)
        if self.separator and SEPARATOR in self.characters:
            raise TokenizerError("U+FDD0 is the separator, so it is no character as well.")

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[str],
        *,
        min_count: int = 1,
        normalize: str = "nfc",
        end_of_document: bool = False,
        labels: Iterable[str] = (),
        separator: bool = False,
    ) -> CharTokenizer:
        """Build the vocabulary from text: its characters, sorted by code point.

        Args:
            documents: any iterable; it is read once.
            min_count: rarer characters become the unknown token.
            labels: the labels of the documents, in any order; may repeat.
            separator: whether U+FDD0 stands between prompt and completion of each.

        Raises:
            TokenizerError: no character is frequent enough, or there are too many
                labels.

        >>> CharTokenizer.from_documents(["banana", "bun"], min_count=2)
        CharTokenizer(characters='abn', normalize='nfc', unknown=True,
                      end_of_document=False, labels=(), separator=False)
        """
        check_normal_form(normalize)
        counts = CodePointCounts()
        for document in each_of("documents", documents):
            counts.add(normalize_text(document, normalize))
        return cls.from_counts(
            counts.total(),
            min_count=min_count,
            normalize=normalize,
            end_of_document=end_of_document,
            labels=gathered_labels(labels, normalize),
            separator=separator,
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
        separator: bool = False,
    ) -> CharTokenizer:
        """Build the same vocabulary from counts of characters.

        Args:
            counts: `(0x110000,)` count of each code point in the normalised text.
            labels: as returned by `gathered_labels`.

        Raises:
            TokenizerError: as for `from_documents`.
        """
        min_count = whole_number("min_count", min_count)
        counts = _checked_counts(counts)
        if separator:
            counts = counts.copy()
            counts[ord(SEPARATOR)] = 0
        kept = np.flatnonzero(counts >= max(min_count, 1))
        _check_not_empty(kept, counts, min_count)
        return cls(
            characters_of(kept),
            normalize=normalize,
            unknown=len(kept) < int(np.count_nonzero(counts)),
            end_of_document=end_of_document,
            labels=labels,
            separator=separator,
        )

    @property
    def vocab_size(self) -> int:
        """Number of ids: 0 to `vocab_size - 1`."""
        return self.num_special + len(self.characters)

    @property
    def start_id(self) -> int:
        """The id that scoring reads before the first character."""
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
        """Convert `(num_ids,)` ids to text, with U+FFFD for the unknown token.

        Ends of documents, separators and labels decode to nothing.

        Raises:
            TokenizerError: an id is outside the vocabulary.

        >>> CharTokenizer("ab", end_of_document=True).decode([0, 1, 0, 2, 0])
        'ab'
        """
        codes = self._code_table[checked_ids(ids, self.vocab_size)]
        return characters_of(codes[codes != _NO_CHARACTER])

    @property
    def _missing_id(self) -> int:
        return self.vocab_size

    @cached_property
    def _id_table(self) -> np.ndarray:
        # One entry per code point, `_missing_id` outside the vocabulary: looking up needs
        # neither a search nor bounds checks. The narrowest type saves a conversion.
        table = np.full(
            _NO_CHARACTER + 1, self._missing_id, np.min_scalar_type(self._missing_id)
        )
        codes = code_points(code_bytes(self.characters))
        table[codes] = np.arange(self.num_special, self.vocab_size)
        if self.eod_id is not None:
            table[_NO_CHARACTER] = self.eod_id
        if self.separator_id is not None:
            table[ord(SEPARATOR)] = self.separator_id
        return table

    @cached_property
    def _code_table(self) -> np.ndarray:
        table = np.full(self.vocab_size, _NO_CHARACTER, "<u4")
        table[self.num_special :] = code_points(code_bytes(self.characters))
        if self.unknown_id is not None:
            table[self.unknown_id] = ord(_REPLACEMENT)
        return table

    @cached_property
    def _symbols(self) -> tuple[bytes, ...]:
        special = (b"",) * self.end_of_document + (_REPLACEMENT.encode(),) * self.unknown
        special += (b"",) * len(self.read_only_ids)
        return special + tuple(c.encode() for c in self.characters)

    def _symbol_of_text(self, id: int) -> str:
        return repr(self.characters[id - self.num_special])

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
                raise TokenizerError(
                    unknown_characters_message(names, has_token=self.unknown)
                )
        return ids.astype(self.id_dtype, copy=False)


def _checked_counts(counts: object) -> np.ndarray:
    expected = (NUM_CODE_POINTS,)
    if (
        not isinstance(counts, np.ndarray)
        or counts.shape != expected
        or counts.dtype.kind not in "iu"
    ):
        raise TokenizerError(
            f"counts must be an array of integers with shape {expected}, not "
            f"{described(counts)}."
        )
    return counts


def _check_not_empty(kept: np.ndarray, counts: np.ndarray, min_count: int) -> None:
    if len(kept):
        return
    if not counts.any():
        raise TokenizerError(
            "the text is empty, so there is no vocabulary to learn. Add text."
        )
    raise TokenizerError(
        f"min_count={min_count} leaves no characters: the most frequent one occurs "
        f"{count_of(int(counts.max()), 'time')}. Lower min_count."
    )
