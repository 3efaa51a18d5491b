"""Segments of a text for scoring: characters to count and ids to predict.

A text may be larger than memory, so it is cut into segments. A segment holds the same
stretch of text twice: as the characters that are counted, and as the ids that are
predicted. A character may have no id (left out), one, or several (bytes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.config.arguments import each_of, one_text
from textgen.errors import ConfigError
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.text.unicode.code_points import SEPARATOR, code_bytes, code_points
from textgen.text.unicode.normal_form import PieceNormalizer, normalize_text
from textgen.wording import few

Documents: TypeAlias = str | Iterable[str] | Iterable[Piece]

SEGMENT_CHARS = 8192
"""Characters of a segment; a multiple of the chunks of `Network.read_chunks`."""

END = 0x110000
"""The code of the end of a document, which counts as a newline."""

FIRST_LABEL = END + 1
"""The code of the first label; labels are read but not counted."""

IN_PROMPT = 1 << 21
"""Added to the code points of a prompt and of its separator, which are not counted, too."""


@dataclass(frozen=True)
class Segment:
    """A stretch of text: its characters and the ids of each.

    Args:
        codes: `(num_codes,)` code points in order, `END`, or `FIRST_LABEL` and above,
            which are read but not counted.
        widths: `(num_codes,)` number of ids of each code; 0 if it is left out.
        unknown: `(num_codes,)` whether the model has never seen it.
        ids: `(widths.sum(),)` ids to predict or, for labels and prompts, to read.
    """

    codes: NDArray[Any]
    widths: NDArray[Any]
    unknown: NDArray[np.bool_]
    ids: NDArray[Any]

    @property
    def is_predicted(self) -> NDArray[np.bool_]:
        """`(num_codes,)`: whether a code counts as a predicted character."""
        predicted: NDArray[np.bool_] = (self.widths > 0) & (self.codes < FIRST_LABEL)
        return predicted

    @property
    def is_counted(self) -> NDArray[np.bool_]:
        """`(num_ids,)`: whether the surprise of an id counts."""
        return np.repeat(self.codes < FIRST_LABEL, self.widths)

    def per_character(self, nats: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum the surprise of `(num_ids,)` ids to that of `(num_codes,)` characters.

        >>> from textgen.text.tokenizers.byte import ByteTokenizer
        >>> segment = next(segments(ByteTokenizer(), "né"))
        >>> segment.per_character(np.array([1.0, 2.0, 3.0])).tolist()
        [1.0, 5.0]
        """
        owners = np.repeat(np.arange(len(self.codes)), self.widths)
        sums: NDArray[Any] = np.bincount(owners, nats, minlength=len(self.codes))
        return sums


def segments(
    tokenizer: Tokenizer,
    documents: Documents,
    *,
    label: str | None = None,
    size: int = SEGMENT_CHARS,
) -> Iterator[Segment]:
    """Cut a text into segments of `size` characters; the last may be shorter.

    Joined, the ids are those of `tokenizer.encode_documents`, without the leading
    `start_id`. Unknown characters become the unknown token if there is one, and are left
    out otherwise. How documents are cut into pieces makes no difference.

    Args:
        documents: one text, several, or pieces of them.
        label: read before every document, for a model that has labels; by default each
            document has its own.
        size: counts characters, including those left out, ends of documents (if they
            are predicted), and labels.

    Raises:
        ConfigError: the model has labels, but a document has none; or it predicts
            completions, but a document has none.
        TokenizerError: an unknown label.

    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> tokenizer = CharTokenizer("ab", end_of_document=True)
    >>> [part.ids.tolist() for part in segments(tokenizer, ["a?b", "b"], size=4)]
    [[1, 2, 0], [2, 0]]
    """
    if label is not None:
        # An unknown label is refused before anything is read.
        tokenizer.label_id(label)
    table = _CodeTable(tokenizer)
    coded = _coded(tokenizer, pieces_of(documents), label)
    return (table.segment(codes) for codes in _cut(coded, size))


def pieces_of(documents: Documents) -> Iterator[Piece]:
    """One text, several, or pieces of them, all as pieces.

    >>> list(pieces_of(["a", "b"]))
    [Piece(text='a', ends=True, label=None), Piece(text='b', ends=True, label=None)]
    """
    if isinstance(documents, str):
        return iter([Piece(documents, ends=True)])
    return map(_as_piece, each_of("text", documents, "documents"))


def _as_piece(document: object) -> Piece:
    if isinstance(document, Piece):
        return document
    return Piece(one_text("each document", document), ends=True)


def _coded(
    tokenizer: Tokenizer, pieces: Iterable[Piece], label: str | None
) -> Iterator[bytes]:
    """Code points of the text in normal form, labels and ends, four bytes each."""
    normalizer = PieceNormalizer(tokenizer.normalize)
    begins = in_prompt = True
    for piece in pieces:
        if begins and tokenizer.labels:
            yield _mark(_label_code(tokenizer, label or piece.label))
        codes = _encoded(normalizer, piece, is_whole=begins and piece.ends)
        if tokenizer.separator:
            codes, in_prompt = _apart(codes, in_prompt=begins or in_prompt)
            if piece.ends and in_prompt:
                raise _no_completion()
        yield codes
        if piece.ends and tokenizer.eod_id is not None:
            yield _mark(END)
        begins = piece.ends
    if tokenizer.separator and in_prompt and not begins:
        raise _no_completion()
    # The rest of a last document without an end.
    yield code_bytes(normalizer.flush())


def _encoded(normalizer: PieceNormalizer, piece: Piece, *, is_whole: bool) -> bytes:
    if is_whole:
        # Much faster for many short documents.
        text = normalize_text(piece.text, normalizer.form)
    else:
        text = normalizer.feed(piece.text) + (normalizer.flush() if piece.ends else "")
    return code_bytes(text)


def _apart(codes: bytes, *, in_prompt: bool) -> tuple[bytes, bool]:
    """Mark the codes of a prompt; also returns whether it has not ended with them."""
    if not in_prompt:
        return codes, False
    marked = code_points(codes).copy()
    ends = np.flatnonzero(marked == ord(SEPARATOR))
    marked[: ends[0] + 1 if len(ends) else None] |= IN_PROMPT
    return marked.tobytes(), not len(ends)


def _no_completion() -> ConfigError:
    return ConfigError(
        "this model predicts completions, but a document has none. Score records with "
        "'prompt' and 'completion' (.csv, .tsv or .jsonl)."
    )


def _label_code(tokenizer: Tokenizer, label: str | None) -> int:
    if label is None:
        known = few(list(map(repr, tokenizer.labels)), most=10)
        raise ConfigError(
            "this model reads each document after a label, but a document has none. Name "
            f"one with `label`: {known}."
        )
    return FIRST_LABEL + tokenizer.label_ids.index(tokenizer.label_id(label))


def _mark(code: int) -> bytes:
    return code.to_bytes(4, "little")


def _cut(coded: Iterable[bytes], size: int) -> Iterator[NDArray[Any]]:
    """Cut code points into arrays of `size`; how the bytes arrive makes no difference."""
    held: list[bytes] = []
    num_bytes = 0
    for part in coded:
        held.append(part)
        num_bytes += len(part)
        if num_bytes >= 4 * size:
            codes = code_points(b"".join(held))
            whole = len(codes) - len(codes) % size
            yield from codes[:whole].reshape(-1, size)
            held = [codes[whole:].tobytes()]
            num_bytes = len(held[0])
    codes = code_points(b"".join(held))
    if len(codes):
        yield codes


class _CodeTable:
    """The ids of every code seen so far; each is looked up only once.

    An `Encoder` gives the ids of a text, but not which of them belong to which character.
    Tables do both with a few NumPy calls per segment, for one long document and for many
    short ones alike.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        # The row of each code in the tables; -1 for a code not seen yet.
        num_codes = FIRST_LABEL + len(tokenizer.labels)
        if tokenizer.separator:
            num_codes = IN_PROMPT + FIRST_LABEL
        self._rows = np.full(num_codes, -1, np.int32)
        self._ids: list[NDArray[Any]] = []
        self._tables: tuple[NDArray[Any], ...] = ()

    def segment(self, codes: NDArray[Any]) -> Segment:
        """The segment of `(num_codes,)` code points, ends and labels."""
        rows = self._rows[codes]
        if rows.min() < 0:
            self._learn(np.unique(codes[rows < 0]))
            rows = self._rows[codes]
        table, widths, unknown = self._tables
        spread = table[rows]
        own = widths[rows]
        ids = spread[np.arange(spread.shape[1]) < own[:, None]]
        return Segment(codes, own, unknown[rows], ids)

    def _learn(self, codes: NDArray[Any]) -> None:
        self._rows[codes] = np.arange(len(self._ids), len(self._ids) + len(codes))
        known = list(self._tables[2]) if self._tables else []
        for code in codes.tolist():
            ids, is_unknown = self._look_up(code)
            self._ids.append(ids)
            known.append(is_unknown)
        widths = np.array([len(ids) for ids in self._ids])
        table = np.zeros((len(widths), max(1, widths.max())), self._tokenizer.id_dtype)
        for row, ids in zip(table, self._ids, strict=True):
            row[: len(ids)] = ids
        self._tables = table, widths, np.array(known)

    def _look_up(self, code: int) -> tuple[Any, bool]:
        tokenizer, code = self._tokenizer, code & ~IN_PROMPT
        if code >= FIRST_LABEL:
            return [tokenizer.label_ids[code - FIRST_LABEL]], False
        if code == END:
            return [tokenizer.eod_id], False
        character = chr(code)
        action = "skip" if tokenizer.unknown_id is None else "token"
        ids = tokenizer.encode(character, unknown=action)
        return ids, bool(tokenizer.unknown_characters(character))
