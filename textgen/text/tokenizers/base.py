"""What the tokenizers share: one interface, and the checks behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, ClassVar

import numpy as np

from textgen.errors import TokenizerError
from textgen.text.tokenizers.checks import unknown_label
from textgen.text.tokenizers.streaming import Encoder, StreamDecoder
from textgen.text.unicode.code_points import NUM_CODE_POINTS
from textgen.text.unicode.normal_form import normalize_text
from textgen.wording import shown

# One past the last code point: no text holds it, so it can mark document ends.
NO_CHARACTER = NUM_CODE_POINTS
REPLACEMENT = "\ufffd"


class BaseTokenizer(ABC):
    """What both tokenizers do alike.

    Text becomes bytes, four for each character or UTF-8; a subclass says which, and
    looks up the ids of up to a few million of them at a time.
    """

    normalize: str
    end_of_document: bool
    labels: tuple[str, ...]
    _eod_mark: ClassVar[bytes]

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids: 0 to `vocab_size - 1`."""

    @property
    @abstractmethod
    def eod_id(self) -> int | None:
        """The id that ends a document, or None where the text is one document."""

    @property
    @abstractmethod
    def _first_label_id(self) -> int:
        """The id of the first label, where there is one."""

    @property
    @abstractmethod
    def _symbols(self) -> Sequence[bytes]:
        """The UTF-8 bytes of each id."""

    @abstractmethod
    def _to_bytes(self, text: str, unknown: str) -> bytes:
        """What `_look_up` reads."""

    @abstractmethod
    def _look_up(self, batch: bytes, unknown: str) -> np.ndarray:
        """The ids of whole characters and end-of-document marks."""

    @property
    def id_dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integers that hold every id."""
        return np.dtype(np.min_scalar_type(self.vocab_size - 1))

    @property
    def label_ids(self) -> tuple[int, ...]:
        """The ids of the labels, in their order; they stand for no text.

        >>> from textgen.text.tokenizers.char import CharTokenizer
        >>> CharTokenizer("a", end_of_document=True, labels=("glad", "sad")).label_ids
        (1, 2)
        """
        first = self._first_label_id
        return tuple(range(first, first + len(self.labels)))

    def label_id(self, label: str) -> int:
        """The id of one label, which is brought into normal form first.

        Raises:
            TokenizerError: there is no such label; it names some that there are.

        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> ByteTokenizer(end_of_document=True, labels=("glad", "sad")).label_id("sad")
        258
        """
        wanted = normalize_text(label, self.normalize)
        place = bisect_left(self.labels, wanted)
        if self.labels[place : place + 1] != (wanted,):
            raise unknown_label(label, self.labels)
        return self._first_label_id + place

    def encode(self, text: str, unknown: str = "error") -> np.ndarray:
        """The ids of a text.

        Args:
            text: is brought into the tokenizer's normal form first.
            unknown: what becomes of characters outside the vocabulary: "error",
                "skip" (left out) or "token" (the unknown token, where there is one).
                A `ByteTokenizer` lacks only lone surrogates, which no file holds.

        Returns:
            `(num_ids,)` of `id_dtype`.

        Raises:
            TokenizerError: characters outside the vocabulary; it names them.

        >>> from textgen.text.tokenizers.char import CharTokenizer
        >>> CharTokenizer("abn").encode("bean", unknown="skip").tolist()
        [1, 0, 2]
        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> ByteTokenizer().encode("€")
        array([226, 130, 172], dtype=uint8)
        """
        encoder = self._encoder(unknown, b"")
        return _joined(encoder, [(normalize_text(text, self.normalize), None)])

    def encode_documents(
        self,
        documents: Iterable[str],
        unknown: str = "error",
        labels: Iterable[str] | None = None,
    ) -> np.ndarray:
        """The ids of many documents, one after the other.

        Args:
            documents: read once, so a generator will do.
            unknown: as for `encode`.
            labels: one for each document, or None to encode their text alone.

        Returns:
            `(num_ids,)` of `id_dtype`. Where there is an `eod_id`, it stands before
            the first document and after each one. A label follows the `eod_id` with
            which its document begins.

        Raises:
            TokenizerError: as for `encode`; an unknown label, or not as many labels
                as documents.

        >>> from textgen.text.tokenizers.char import CharTokenizer
        >>> CharTokenizer("ab", end_of_document=True).encode_documents(["a", "b"])
        array([0, 1, 0, 2, 0], dtype=uint8)
        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> ByteTokenizer(end_of_document=True).encode_documents(["a", "b"]).tolist()
        [256, 97, 256, 98, 256]
        >>> from textgen.text.tokenizers.char import CharTokenizer
        >>> tokenizer = CharTokenizer("ab", end_of_document=True, labels=("x", "y"))
        >>> tokenizer.encode_documents(["a", "b"], labels=["y", "x"]).tolist()
        [0, 2, 3, 0, 1, 4, 0]
        """
        encoder = self.encoder(unknown)
        texts = (normalize_text(document, self.normalize) for document in documents)
        if labels is None:
            return _joined(encoder, zip(texts, repeat(None), strict=False))
        whole, given = list(texts), list(labels)
        if len(whole) != len(given):
            raise TokenizerError(
                f"{len(given):,} labels do not fit {len(whole):,} documents. Give each "
                "document one."
            )
        return _joined(encoder, zip(whole, given, strict=True))

    def encoder(self, unknown: str = "error") -> Encoder:
        """Encode documents that come in pieces.

        Args:
            unknown: as for `encode`.

        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> encoder = ByteTokenizer().encoder()
        >>> encoder.add([("é", False, None)])
        >>> encoder.take().tolist()
        [195, 169]
        """
        return self._encoder(unknown, self._eod_mark if self.end_of_document else b"")

    def _encoder(self, unknown: str, mark: bytes) -> Encoder:
        if unknown not in ("error", "skip", "token"):
            raise TokenizerError(f"unknown={shown(unknown)} must be error, skip or token.")
        to_bytes = partial(self._to_bytes, unknown=unknown)
        look_up = partial(self._look_up, unknown=unknown)
        return Encoder(self.label_id, self.eod_id, to_bytes, look_up, mark)

    def stream_decoder(self) -> StreamDecoder:
        """A fresh decoder that takes ids one at a time.

        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> decoder = ByteTokenizer().stream_decoder()
        >>> [decoder.feed(id) for id in "€".encode()]
        ['', '', '€']
        """
        return StreamDecoder(self._symbols)


def _joined(encoder: Encoder, documents: Iterable[tuple[str, str | None]]) -> np.ndarray:
    batches = []
    for document, label in documents:
        encoder.add([(document, True, label)])
        if encoder.is_full:
            batches.append(encoder.take())
    return np.concatenate([*batches, encoder.flush()])
