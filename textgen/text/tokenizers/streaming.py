"""Decode ids one at a time."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from textgen.text.tokenizers.checks import check_id


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
        symbol = self._symbols[check_id(id, len(self._symbols))]
        return self._decoder.decode(symbol) if symbol else self.flush()

    def flush(self) -> str:
        r"""Return U+FFFD for an incomplete character at the end, otherwise nothing.

        >>> decoder = StreamDecoder([b"\xc3", b"\xa9"])
        >>> decoder.feed(0) + decoder.flush() == "\ufffd"
        True
        """
        return self._decoder.decode(b"", final=True)
