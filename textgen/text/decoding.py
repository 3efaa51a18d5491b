"""Ids to text, one at a time."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from textgen.text.vocabulary import check_id


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
