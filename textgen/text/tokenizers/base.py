"""The interface and the code that both tokenizers share.

Tokenizers are immutable values: equal ones are interchangeable. The rest of the package
never needs to know which kind it has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import repeat
from typing import Any, ClassVar

import numpy as np

from textgen.config.arguments import each_of, several_texts
from textgen.errors import TokenizerError
from textgen.text.tokenizers.checks import check_id, unknown_label
from textgen.text.tokenizers.streaming import StreamDecoder
from textgen.text.unicode.code_points import BATCH_CHARS
from textgen.text.unicode.normal_form import normalize_text
from textgen.wording import shown

OPENING, CHINESE_OPENING = ".\n\n", "。\n"
"""The end of a sentence and of a paragraph; in Chinese, few texts have empty lines."""

FORMAT_VERSION, OLDEST_VERSION = 3, 2
"""The version of what `to_dict` returns with a separator, and without one."""


class BaseTokenizer(ABC):
    """Base class of the tokenizers; subclasses are frozen dataclasses.

    A subclass converts text to bytes (four per character, or UTF-8) and looks up their
    ids in batches. The special tokens are neighbours: the end of a document, the unknown
    token and the separator, if enabled, then the labels.
    """

    kind: ClassVar[str]
    normalize: str
    unknown: bool = False
    end_of_document: bool
    separator: bool
    labels: tuple[str, ...]
    _first_special_id: ClassVar[int]
    _eod_mark: ClassVar[bytes]
    _openings: ClassVar[tuple[str, ...]]

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: tables are made again, faster than a pickle carries them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids: 0 to `vocab_size - 1`."""

    @property
    @abstractmethod
    def start_id(self) -> int:
        """The id that scoring reads before the first character."""

    @abstractmethod
    def unknown_characters(self, text: str) -> list[str]:
        """The characters that the vocabulary lacks, each once."""

    @property
    def opening_ids(self) -> tuple[int, ...]:
        """The ids that are read before a text without a prompt.

        A document begins after the mark that ends the one before. Any other text begins
        like a new paragraph if the vocabulary has what ends one: what comes first in a book
        are its titles.
        """
        if self.eod_id is None:
            for opening in self._openings:
                if not self.unknown_characters(opening):
                    return tuple(self.encode(opening).tolist())
        return (self.start_id,)

    @property
    @abstractmethod
    def _symbols(self) -> Sequence[bytes]:
        """The UTF-8 bytes of each id."""

    @abstractmethod
    def _symbol_of_text(self, id: int) -> str:
        """`symbol` for ids that stand for text."""

    @abstractmethod
    def _to_bytes(self, text: str, unknown: str) -> bytes:
        """Convert text to the bytes that `_look_up` reads."""

    @abstractmethod
    def _look_up(self, batch: bytes, unknown: str) -> np.ndarray:
        """The ids of complete characters and end-of-document marks."""

    @property
    def num_special(self) -> int:
        """Number of special tokens, labels included."""
        return self.end_of_document + self.unknown + self.separator + len(self.labels)

    @property
    def eod_id(self) -> int | None:
        """The id that ends a document, or None if the text is a single document."""
        return self._first_special_id if self.end_of_document else None

    @property
    def unknown_id(self) -> int | None:
        """The id of characters outside the vocabulary, or None."""
        first = self._first_special_id
        return first + self.end_of_document if self.unknown else None

    @property
    def separator_id(self) -> int | None:
        """The id between a prompt and its completion, or None if there are none.

        In text it is the character `SEPARATOR`; it decodes to nothing.
        """
        first = self._first_special_id
        return first + self.end_of_document + self.unknown if self.separator else None

    @property
    def read_only_ids(self) -> tuple[int, ...]:
        """The ids that a model reads but never writes: the separator and the labels."""
        between = () if self.separator_id is None else (self.separator_id,)
        return between + self.label_ids

    @property
    def _first_label_id(self) -> int:
        first = self._first_special_id
        return first + self.end_of_document + self.unknown + self.separator

    @property
    def id_dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer type that holds every id."""
        return np.dtype(np.min_scalar_type(self.vocab_size - 1))

    @property
    def label_ids(self) -> tuple[int, ...]:
        """The ids of the labels, in order; they decode to nothing.

        >>> from textgen.text.tokenizers.char import CharTokenizer
        >>> CharTokenizer("a", end_of_document=True, labels=("glad", "sad")).label_ids
        (1, 2)
        """
        first = self._first_label_id
        return tuple(range(first, first + len(self.labels)))

    def label_id(self, label: str) -> int:
        """The id of a label, which is normalised first.

        Raises:
            TokenizerError: there is no such label; lists some of the known ones.

        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> ByteTokenizer(end_of_document=True, labels=("glad", "sad")).label_id("sad")
        258
        """
        wanted = normalize_text(label, self.normalize)
        place = bisect_left(self.labels, wanted)
        if self.labels[place : place + 1] != (wanted,):
            raise unknown_label(label, self.labels)
        return self._first_label_id + place

    def symbol(self, id: int) -> str:
        r"""A readable name of an id, for tables and messages.

        Raises:
            TokenizerError: the id is outside the vocabulary.

        >>> from textgen.text.tokenizers.char import CharTokenizer
        >>> [CharTokenizer("\na", end_of_document=True).symbol(id) for id in range(3)]
        ['<eod>', "'\\n'", "'a'"]
        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> ByteTokenizer().symbol(10)
        '0x0a'
        """
        number = check_id(id, self.vocab_size)
        if number == self.eod_id:
            return "<eod>"
        if number == self.unknown_id:
            return "<unk>"
        if number == self.separator_id:
            return "<sep>"
        if 0 <= number - self._first_label_id < len(self.labels):
            return f"<label:{self.labels[number - self._first_label_id]}>"
        return self._symbol_of_text(number)

    def encode(self, text: str, unknown: str = "error") -> np.ndarray:
        """Convert a text to ids.

        Args:
            text: is normalised first.
            unknown: what to do with characters outside the vocabulary: "error", "skip",
                or "token" (use the unknown token, if there is one). For a
                `ByteTokenizer`, only lone surrogates are unknown.

        Returns:
            `(num_ids,)` of `id_dtype`.

        Raises:
            TokenizerError: names the characters outside the vocabulary.

        >>> from textgen.text.tokenizers.char import CharTokenizer
        >>> CharTokenizer("abn").encode("bean", unknown="skip").tolist()
        [1, 0, 2]
        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> ByteTokenizer().encode("€")
        array([226, 130, 172], dtype=uint8)
        """
        encoder = Encoder(self, unknown, marks_ends=False)
        return _encode_all(encoder, [(normalize_text(text, self.normalize), None)])

    def encode_documents(
        self,
        documents: Iterable[str],
        unknown: str = "error",
        labels: Iterable[str] | None = None,
    ) -> np.ndarray:
        """Convert many documents to ids, one after the other.

        Args:
            documents: any iterable; it is read once.
            unknown: as for `encode`.
            labels: one per document, or None to encode the texts alone.

        Returns:
            `(num_ids,)` of `id_dtype`. If there is an `eod_id`, it comes before the first
            document and after each one. A label follows the `eod_id` before its document.

        Raises:
            TokenizerError: as for `encode`; an unknown label; or the numbers of labels
                and documents differ.

        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> ByteTokenizer(end_of_document=True).encode_documents(["a", "b"]).tolist()
        [256, 97, 256, 98, 256]
        >>> from textgen.text.tokenizers.char import CharTokenizer
        >>> tokenizer = CharTokenizer("ab", end_of_document=True, labels=("x", "y"))
        >>> tokenizer.encode_documents(["a", "b"], labels=["y", "x"]).tolist()
        [0, 2, 3, 0, 1, 4, 0]
        """
        encoder = self.encoder(unknown)
        # Not a list: they may be larger than memory.
        each = each_of("documents", documents)
        texts = (normalize_text(document, self.normalize) for document in each)
        if labels is None:
            return _encode_all(encoder, zip(texts, repeat(None), strict=False))
        whole, given = list(texts), several_texts("labels", labels)
        if len(whole) != len(given):
            raise TokenizerError(
                f"there are {len(given):,} labels for {len(whole):,} documents. Give each "
                "document one label."
            )
        return _encode_all(encoder, zip(whole, given, strict=True))

    def encoder(self, unknown: str = "error") -> Encoder:
        """An encoder for documents that arrive in pieces.

        Args:
            unknown: as for `encode`.

        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> encoder = ByteTokenizer().encoder()
        >>> encoder.add([("é", False, None)])
        >>> encoder.take().tolist()
        [195, 169]
        """
        return Encoder(self, unknown, marks_ends=self.end_of_document)

    def stream_decoder(self) -> StreamDecoder:
        """A new decoder that takes ids one at a time.

        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> decoder = ByteTokenizer().stream_decoder()
        >>> [decoder.feed(id) for id in "€".encode()]
        ['', '', '€']
        """
        return StreamDecoder(self._symbols)

    def to_dict(self) -> dict[str, Any]:
        """The tokenizer as plain data for JSON; `tokenizer_from_dict` reads it.

        >>> from textgen.text.tokenizers.char import CharTokenizer
        >>> CharTokenizer("ab").to_dict()["characters"]
        ['a', 'b']
        """
        # Earlier versions read what has no separator.
        version = FORMAT_VERSION if self.separator else OLDEST_VERSION
        data: dict[str, Any] = {"format_version": version, "kind": self.kind}
        for f in fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            value = getattr(self, f.name)
            if f.name != "separator" or self.separator:
                data[f.name] = list(value) if f.name in ("characters", "labels") else value
        return data


class Encoder:
    """Encodes documents in batches; the ids equal those of `encode_documents`.

    Args:
        unknown: as for `BaseTokenizer.encode`.
        marks_ends: whether the ends of documents become ids.

    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> encoder = CharTokenizer("ab", end_of_document=True).encoder()
    >>> encoder.add([("a", True, None), ("b", True, None)])
    >>> encoder.flush().tolist()
    [0, 1, 0, 2, 0]
    """

    def __init__(self, tokenizer: BaseTokenizer, unknown: str, *, marks_ends: bool) -> None:
        if not isinstance(unknown, str) or unknown not in ("error", "skip", "token"):
            raise TokenizerError(
                f"unknown={shown(unknown)} must be one of error, skip, token."
            )
        self._tokenizer = tokenizer
        self._unknown = unknown
        self._eod_mark = tokenizer._eod_mark if marks_ends else b""
        self._pending: list[bytes] = []
        self._num_chars = 0
        self._label_ids: list[int] = []
        self._in_document = False

    @property
    def is_full(self) -> bool:
        """Whether a batch is complete, so that `take` should be called."""
        return self._num_chars >= BATCH_CHARS

    def add(self, pieces: Iterable[tuple[str, bool, str | None]]) -> None:
        """Add pieces of documents.

        Args:
            pieces: for each piece its text, in the tokenizer's normal form; whether it
                is the last of its document; and the document's label, if any.

        Raises:
            TokenizerError: a lone surrogate or an unknown label.
        """
        to_bytes = self._tokenizer._to_bytes
        for text, ends, label in pieces:
            if not self._in_document:
                # The mark that ends a document begins the next; `flush` adds the last one.
                self._pending.append(self._eod_mark)
                if label is not None:
                    self._label_ids.append(self._tokenizer.label_id(label))
            if len(text) <= BATCH_CHARS:
                self._pending.append(to_bytes(text, self._unknown))
            else:
                starts = range(0, len(text), BATCH_CHARS)
                parts = (text[start : start + BATCH_CHARS] for start in starts)
                self._pending += (to_bytes(part, self._unknown) for part in parts)
            self._in_document = not ends
            self._num_chars += len(text)

    def take(self) -> np.ndarray:
        """Return the ids of everything added since the last call.

        Returns:
            `(num_ids,)` of the tokenizer's `id_dtype`.

        Raises:
            TokenizerError: characters outside the vocabulary, which it names; or only
                some documents have a label.
        """
        batch, self._pending, self._num_chars = b"".join(self._pending), [], 0
        ids = self._tokenizer._look_up(batch, self._unknown)
        if self._label_ids:
            # Text is never encoded as `eod_id`, so each one begins a document.
            places = 1 + np.flatnonzero(ids == self._tokenizer.eod_id)
            # `np.insert` would broadcast a single label to all places.
            if len(places) != len(self._label_ids):
                raise TokenizerError(
                    f"only {len(self._label_ids):,} of {len(places):,} documents have a "
                    "label. Give every document a label, or none."
                )
            ids = np.insert(ids, places, self._label_ids)
            self._label_ids = []
        return ids

    def flush(self) -> np.ndarray:
        """Return the remaining ids and the end of the last document."""
        rest = self.take()
        return np.concatenate(
            [rest, self._tokenizer._look_up(self._eod_mark, self._unknown)]
        )


def _encode_all(
    encoder: Encoder, documents: Iterable[tuple[str, str | None]]
) -> np.ndarray:
    batches = []
    for document, label in documents:
        encoder.add([(document, True, label)])
        if encoder.is_full:
            batches.append(encoder.take())
    return np.concatenate([*batches, encoder.flush()])
