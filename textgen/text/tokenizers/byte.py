"""One id per UTF-8 byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from textgen.config.arguments import one_text
from textgen.errors import TokenizerError
from textgen.text.tokenizers.base import OPENING, BaseTokenizer
from textgen.text.tokenizers.checks import (
    check_bool,
    check_labels,
    check_normal_form,
    check_separator,
    checked_ids,
    tidy_fields,
)
from textgen.text.unicode.code_points import SEPARATOR, surrogates
from textgen.wording import few_characters

_BYTES = tuple(bytes([value]) for value in range(256))


@dataclass(frozen=True)
class ByteTokenizer(BaseTokenizer):
    """One id per UTF-8 byte, so text in any script can be encoded.

    Ids 0 to 255 are the bytes. They are followed by the end of a document and the
    separator, if `end_of_document` and `separator` are set, and by the labels.

    Args:
        normalize: Unicode normal form applied to text before encoding.
        end_of_document: whether an id marks the ends of documents.
        labels: labels of documents, sorted and distinct; each has its own id. They need
            `end_of_document`.
        separator: whether an id stands between prompt and completion of each document. It
            needs `end_of_document`, and excludes labels.

    Raises:
        TokenizerError: an unknown normal form, invalid labels or an invalid separator.

    >>> ByteTokenizer().encode("né").tolist()
    [110, 195, 169]
    """

    _: KW_ONLY
    normalize: str = "nfc"
    end_of_document: bool = False
    labels: tuple[str, ...] = ()
    separator: bool = False
    kind: ClassVar[str] = "byte"
    _first_special_id = 256
    # UTF-8 never contains these bytes.
    _eod_mark = b"\xff"
    # Of any language: it knows all bytes.
    _openings = (OPENING,)
    _separator_mark: ClassVar[bytes] = b"\xfe"

    def __post_init__(self) -> None:
        tidy_fields(self)
        check_normal_form(self.normalize)
        check_bool("end_of_document", self.end_of_document)
        check_labels(self.labels, self.normalize, end_of_document=self.end_of_document)
        check_separator(self.separator, self.labels, end_of_document=self.end_of_document)

    @property
    def vocab_size(self) -> int:
        """Number of ids: 0 to `vocab_size - 1`."""
        return len(_BYTES) + self.num_special

    @property
    def start_id(self) -> int:
        """The id that scoring reads before the first character."""
        return ord("\n") if self.eod_id is None else self.eod_id

    def unknown_characters(self, text: str) -> list[str]:
        """The lone surrogates of a text, each once, in order of appearance.

        >>> ByteTokenizer().unknown_characters("any text")
        []
        """
        return surrogates(one_text("text", text))

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Convert `(num_ids,)` ids to text, with U+FFFD for invalid UTF-8.

        Ends of documents, separators and labels decode to nothing.

        Raises:
            TokenizerError: an id is outside the vocabulary.

        >>> ByteTokenizer().decode([195, 169, 195])
        'é\ufffd'
        """
        checked = checked_ids(ids, self.vocab_size)
        # A character never extends across a special token.
        documents = np.split(checked, np.flatnonzero(checked >= len(_BYTES)))
        texts = (d[d < len(_BYTES)].astype(np.uint8).tobytes() for d in documents)
        return "".join(text.decode("utf-8", "replace") for text in texts)

    @cached_property
    def _symbols(self) -> Sequence[bytes]:
        return _BYTES + (b"",) * self.num_special

    def _symbol_of_text(self, id: int) -> str:
        return f"0x{id:02x}"

    def _to_bytes(self, text: str, unknown: str) -> bytes:
        try:
            encoded = text.encode("utf-8", "ignore" if unknown == "skip" else "strict")
        except UnicodeEncodeError:
            raise TokenizerError(
                f"the text contains a lone surrogate: {few_characters(surrogates(text))}. "
                "It comes from decoding with the wrong encoding. Remove it, or skip it "
                'with unknown="skip".'
            ) from None
        if self.separator:
            encoded = encoded.replace(SEPARATOR.encode(), self._separator_mark)
        return encoded

    def _look_up(self, batch: bytes, unknown: str) -> np.ndarray:
        ids = np.frombuffer(batch, np.uint8).astype(self.id_dtype)
        if self.eod_id is not None:
            ids[ids == 0xFF] = self.eod_id
        if self.separator_id is not None:
            ids[ids == 0xFE] = self.separator_id
        return ids
