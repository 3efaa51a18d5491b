"""One id per UTF-8 byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from textgen.errors import TokenizerError
from textgen.text.tokenizers.base import BaseTokenizer
from textgen.text.tokenizers.checks import (
    check_flag,
    check_form,
    check_id,
    check_labels,
    checked_ids,
)
from textgen.text.tokenizers.stored import FORMAT_VERSION
from textgen.text.unicode.code_points import surrogates
from textgen.wording import list_of

_BYTE_EOD = 256
_BYTE_SYMBOLS = tuple(bytes([value]) for value in range(256))


@dataclass(frozen=True)
class ByteTokenizer(BaseTokenizer):
    """One id per byte of the text in UTF-8: every text is known, in every script.

    Ids 0 to 255 are the bytes; the end of a document, where there is one, is 256, and
    labels follow it.

    Args:
        normalize: Unicode normal form of every text before it is encoded.
        end_of_document: whether one id marks where documents end.
        labels: of documents, sorted, each once and an id of its own. They need
            `end_of_document`.

    Raises:
        TokenizerError: an unknown normal form, or labels that could not be told apart
            or asked for.

    >>> ByteTokenizer().encode("né").tolist()
    [110, 195, 169]
    """

    _: KW_ONLY
    normalize: str = "nfc"
    end_of_document: bool = False
    labels: tuple[str, ...] = ()
    kind: ClassVar[str] = "byte"
    # UTF-8 never contains this byte.
    _eod_mark = b"\xff"

    def __post_init__(self) -> None:
        check_form(self.normalize)
        check_flag("end_of_document", self.end_of_document)
        check_labels(self.labels, self.normalize, end_of_document=self.end_of_document)

    @property
    def vocab_size(self) -> int:
        """Number of ids: 0 to `vocab_size - 1`."""
        return self._first_label_id + len(self.labels)

    @property
    def eod_id(self) -> int | None:
        """The id that ends a document, or None where the text is one document."""
        return _BYTE_EOD if self.end_of_document else None

    @property
    def unknown_id(self) -> int | None:
        """Always None: no byte is unknown."""
        return None

    @property
    def start_id(self) -> int:
        """The id that generation and scoring read before the first character."""
        return ord("\n") if self.eod_id is None else self.eod_id

    def unknown_characters(self, text: str) -> list[str]:
        """Lone surrogates, each once, in order of appearance; else nothing.

        >>> ByteTokenizer().unknown_characters("any text")
        []
        """
        return surrogates(text)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of `(num_ids,)` ids, with U+FFFD for broken bytes.

        The end of a document and labels stand for no text.

        Raises:
            TokenizerError: an id outside the vocabulary.

        >>> ByteTokenizer().decode([195, 169, 195])
        'é\ufffd'
        """
        checked = checked_ids(ids, self.vocab_size)
        # A character cannot run on across the end of a document, nor across a label.
        documents = np.split(checked, np.flatnonzero(checked >= _BYTE_EOD))
        texts = (d[d < _BYTE_EOD].astype(np.uint8).tobytes() for d in documents)
        return "".join(text.decode("utf-8", "replace") for text in texts)

    def symbol(self, id: int) -> str:
        """A readable name of one id, for tables and messages.

        Raises:
            TokenizerError: the id lies outside the vocabulary.

        >>> ByteTokenizer().symbol(10)
        '0x0a'
        """
        check_id(id, self.vocab_size)
        if id == self.eod_id:
            return "<eod>"
        if id > _BYTE_EOD:
            return f"<label:{self.labels[id - self._first_label_id]}>"
        return f"0x{id:02x}"

    def to_dict(self) -> dict[str, Any]:
        """The tokenizer as plain data for JSON; `tokenizer_from_dict` reads it.

        >>> ByteTokenizer().to_dict()["kind"]
        'byte'
        """
        return {
            "format_version": FORMAT_VERSION,
            "kind": self.kind,
            "normalize": self.normalize,
            "end_of_document": self.end_of_document,
            "labels": list(self.labels),
        }

    @property
    def _first_label_id(self) -> int:
        return _BYTE_EOD + int(self.end_of_document)

    @cached_property
    def _symbols(self) -> Sequence[bytes]:
        return _BYTE_SYMBOLS + (b"",) * (self.vocab_size - len(_BYTE_SYMBOLS))

    def _to_bytes(self, text: str, unknown: str) -> bytes:
        try:
            return text.encode("utf-8", "ignore" if unknown == "skip" else "strict")
        except UnicodeEncodeError:
            raise TokenizerError(
                f"half a character in the text: {list_of(surrogates(text))}. A lone "
                "surrogate comes from decoding with the wrong encoding. Remove it, or "
                'leave it out with unknown="skip".'
            ) from None

    def _look_up(self, batch: bytes, unknown: str) -> np.ndarray:
        ids = np.frombuffer(batch, np.uint8).astype(self.id_dtype)
        if self.eod_id is not None:
            ids[ids == 0xFF] = self.eod_id
        return ids
