"""Documents in pieces to ids, a batch at a time, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from textgen.text.code_points import BATCH_CHARS

if TYPE_CHECKING:
    from textgen.text.tokenizer import Tokenizer


class Encoder:
    """Gives, batch by batch, what `encode_documents` gives at once.

    Args:
        tokenizer: what the ids mean.
        to_bytes: the bytes of a text, as the tokenizer reads them.
        look_up: the ids of such bytes.
        eod_mark: the bytes that stand for the end of a document; none where a text is
            to be encoded alone.

    >>> from textgen.text.tokenizer import CharTokenizer
    >>> encoder = CharTokenizer("ab", end_of_document=True).encoder()
    >>> encoder.add([("a", True, None), ("b", True, None)])
    >>> encoder.flush().tolist()
    [0, 1, 0, 2, 0]
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        to_bytes: Callable[[str], bytes],
        look_up: Callable[[bytes], np.ndarray],
        eod_mark: bytes,
    ) -> None:
        self._tokenizer = tokenizer
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
                    self._label_ids.append(self._tokenizer.label_id(label))
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
            places = 1 + np.flatnonzero(ids == self._tokenizer.eod_id)
            ids = np.insert(ids, places, self._label_ids)
            self._label_ids = []
        return ids

    def flush(self) -> np.ndarray:
        """The rest, as `take` gives it, and the mark behind the last document."""
        rest = self.take()
        return np.concatenate([rest, self._look_up(self._eod_mark)])
