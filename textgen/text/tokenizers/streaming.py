"""Encode text in batches and decode ids one at a time, both in bounded memory."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from textgen.errors import TokenizerError
from textgen.text.tokenizers.checks import check_id
from textgen.text.unicode.code_points import BATCH_CHARS


class StreamDecoder:
    r"""Decodes ids one at a time and only returns complete characters.

    A character of several bytes is returned with its last byte; invalid UTF-8 becomes
    U+FFFD. Ids without text (the end of a document, a label) also end an incomplete
    character.

    Args:
        symbols: the UTF-8 bytes of each id, empty for ids without text.

    >>> decoder = StreamDecoder([b"\xc3", b"\xa9", b"!", b""])
    >>> [decoder.feed(id) for id in (0, 1, 2)], decoder.flush()
    (['', 'é', '!'], '')
    """

    def __init__(self, symbols: Sequence[bytes]) -> None:
        self._symbols = symbols
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def copy(self) -> StreamDecoder:
        """An independent decoder in the same state."""
        twin = StreamDecoder(self._symbols)
        twin._decoder.setstate(self._decoder.getstate())
        return twin

    def feed(self, id: int) -> str:
        """Return the characters that `id` completes: usually one, sometimes none.

        Raises:
            TokenizerError: the id is outside the vocabulary.

        >>> StreamDecoder([b"a", b"b"]).feed(1)
        'b'
        """
        check_id(id, len(self._symbols))
        symbol = self._symbols[id]
        return self._decoder.decode(symbol) if symbol else self.flush()

    def flush(self) -> str:
        r"""Return U+FFFD for an incomplete character at the end, otherwise nothing.

        >>> decoder = StreamDecoder([b"\xc3", b"\xa9"])
        >>> decoder.feed(0) + decoder.flush() == "\ufffd"
        True
        """
        return self._decoder.decode(b"", final=True)


class Encoder:
    """Encodes documents in batches; the ids equal those of `encode_documents`.

    Args:
        label_id: returns the id of a label.
        eod_id: the id that ends a document, or None.
        to_bytes: converts text to the bytes that `look_up` reads.
        look_up: converts such bytes to ids.
        eod_mark: the bytes that `look_up` converts to `eod_id`; empty to encode text
            without ends of documents.

    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> encoder = CharTokenizer("ab", end_of_document=True).encoder()
    >>> encoder.add([("a", True, None), ("b", True, None)])
    >>> encoder.flush().tolist()
    [0, 1, 0, 2, 0]
    """

    def __init__(
        self,
        label_id: Callable[[str], int],
        eod_id: int | None,
        to_bytes: Callable[[str], bytes],
        look_up: Callable[[bytes], np.ndarray],
        eod_mark: bytes,
    ) -> None:
        self._label_id = label_id
        self._eod_id = eod_id
        self._to_bytes = to_bytes
        self._look_up = look_up
        self._eod_mark = eod_mark
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
        for text, ends, label in pieces:
            if not self._in_document:
                # The mark that ends a document begins the next; `flush` adds the last one.
                self._pending.append(self._eod_mark)
                if label is not None:
                    self._label_ids.append(self._label_id(label))
            if len(text) <= BATCH_CHARS:
                self._pending.append(self._to_bytes(text))
            else:
                starts = range(0, len(text), BATCH_CHARS)
                self._pending += (self._to_bytes(text[n : n + BATCH_CHARS]) for n in starts)
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
        ids = self._look_up(batch)
        if self._label_ids:
            # Text is never encoded as `eod_id`, so each one begins a document.
            places = 1 + np.flatnonzero(ids == self._eod_id)
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
        return np.concatenate([rest, self._look_up(self._eod_mark)])
