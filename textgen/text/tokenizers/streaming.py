"""Text to ids in batches, and ids to text one at a time, both in bounded memory."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from textgen.text.tokenizers.checks import check_id
from textgen.text.unicode.code_points import BATCH_CHARS


class StreamDecoder:
    r"""Turns ids into text one at a time and never shows half a character.

    A character of several bytes appears with its last byte; bytes that are no UTF-8
    appear as U+FFFD. Ids that stand for no text (the end of a document, a label) end
    an unfinished character, too.

    Args:
        symbols: the UTF-8 bytes of each id, none for one that stands for no text.

    >>> decoder = StreamDecoder([b"\xc3", b"\xa9", b"!", b""])
    >>> [decoder.feed(id) for id in (0, 1, 2)], decoder.flush()
    (['', 'é', '!'], '')
    """

    def __init__(self, symbols: Sequence[bytes]) -> None:
        self._symbols = symbols
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def fork(self) -> StreamDecoder:
        """A decoder that goes its own way from here."""
        twin = StreamDecoder(self._symbols)
        twin._decoder.setstate(self._decoder.getstate())
        return twin

    def feed(self, id: int) -> str:
        """The characters that `id` completes; often one, sometimes none.

        Raises:
            TokenizerError: the id lies outside the vocabulary.

        >>> StreamDecoder([b"a", b"b"]).feed(1)
        'b'
        """
        check_id(id, len(self._symbols))
        symbol = self._symbols[id]
        return self._decoder.decode(symbol) if symbol else self.flush()

    def flush(self) -> str:
        r"""What is left at the end: U+FFFD for an unfinished character, else nothing.

        >>> decoder = StreamDecoder([b"\xc3", b"\xa9"])
        >>> decoder.feed(0) + decoder.flush() == "\ufffd"
        True
        """
        return self._decoder.decode(b"", final=True)


class Encoder:
    """Gives, batch by batch, what `encode_documents` gives at once.

    Args:
        label_id: the id of a label.
        eod_id: the id that no text is ever encoded as, or None.
        to_bytes: the bytes of a text, as the tokenizer reads them.
        look_up: the ids of such bytes.
        eod_mark: the bytes that stand for the end of a document; none where a text is
            to be encoded alone.

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
        self._held: list[bytes] = []
        self._num_chars = 0
        self._label_ids: list[int] = []
        self._is_inside = False

    @property
    def is_full(self) -> bool:
        """Whether enough is held for a batch, so that `take` should be called."""
        return self._num_chars >= BATCH_CHARS

    def add(self, pieces: Iterable[tuple[str, bool, str | None]]) -> None:
        """Go on with pieces of documents.

        Args:
            pieces: of each its text, in whole characters and the tokenizer's normal form;
                whether its document ends with it; and its document's label, if any.

        Raises:
            TokenizerError: half a character, or an unknown label.
        """
        for text, ends, label in pieces:
            if not self._is_inside:
                # The mark that ends a document begins the next; `flush` adds the last one.
                self._held.append(self._eod_mark)
                if label is not None:
                    self._label_ids.append(self._label_id(label))
            if len(text) <= BATCH_CHARS:
                self._held.append(self._to_bytes(text))
            else:
                starts = range(0, len(text), BATCH_CHARS)
                self._held += (self._to_bytes(text[n : n + BATCH_CHARS]) for n in starts)
            self._is_inside = not ends
            self._num_chars += len(text)

    def take(self) -> np.ndarray:
        """`(num_ids,)` of the tokenizer's `id_dtype`: what was added since the last time.

        Raises:
            TokenizerError: characters outside the vocabulary; it names them.
        """
        batch, self._held, self._num_chars = b"".join(self._held), [], 0
        ids = self._look_up(batch)
        if self._label_ids:
            # No text is ever encoded as `eod_id`, so each one begins a document.
            places = 1 + np.flatnonzero(ids == self._eod_id)
            ids = np.insert(ids, places, self._label_ids)
            self._label_ids = []
        return ids

    def flush(self) -> np.ndarray:
        """The rest, as `take` gives it, and the mark behind the last document."""
        rest = self.take()
        return np.concatenate([rest, self._look_up(self._eod_mark)])
