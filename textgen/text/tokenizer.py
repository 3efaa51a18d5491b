"""Text to integers and back: one id per character, or one per UTF-8 byte.

Both tokenizers are immutable values: equal ones are interchangeable, and what they
learned from a text is their vocabulary and nothing else. They share one interface,
so the rest of the package never asks which of the two it holds. Where documents have
labels, each label is an id of its own that stands where its documents begin.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from itertools import repeat
from typing import Any, ClassVar, cast

import numpy as np

from textgen.errors import TokenizerError, shown
from textgen.text.code_points import (
    NUM_CODE_POINTS,
    characters_of,
    code_bytes,
    code_points,
    count_code_points,
)
from textgen.text.decoding import StreamDecoder
from textgen.text.encoding import Encoder
from textgen.text.normal_form import normalize_text
from textgen.text.stored import (
    FORMAT_VERSION,
    check_keys,
    checked_version,
    damaged,
    stored_characters,
    stored_labels,
)
from textgen.text.vocabulary import (
    check_characters,
    check_flag,
    check_form,
    check_id,
    check_labels,
    checked_ids,
    gathered_labels,
    lacking,
    list_of,
    surrogates,
    unknown_label,
)

# One past the last code point: no text holds it, so it can mark document ends.
_NO_CHARACTER = NUM_CODE_POINTS
_REPLACEMENT = "\ufffd"
_BYTE_EOD = 256
_BYTE_SYMBOLS = tuple(bytes([value]) for value in range(256))


class _Tokenizer(ABC):
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

        >>> CharTokenizer("a", end_of_document=True, labels=("glad", "sad")).label_ids
        (1, 2)
        """
        first = self._first_label_id
        return tuple(range(first, first + len(self.labels)))

    def label_id(self, label: str) -> int:
        """The id of one label, which is brought into normal form first.

        Raises:
            TokenizerError: there is no such label; it names some that there are.

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

        >>> CharTokenizer("abn").encode("bean", unknown="skip").tolist()
        [1, 0, 2]
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

        >>> CharTokenizer("ab", end_of_document=True).encode_documents(["a", "b"])
        array([0, 1, 0, 2, 0], dtype=uint8)
        >>> ByteTokenizer(end_of_document=True).encode_documents(["a", "b"]).tolist()
        [256, 97, 256, 98, 256]
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
        return Encoder(cast("Tokenizer", self), to_bytes, look_up, mark)

    def stream_decoder(self) -> StreamDecoder:
        """A fresh decoder that takes ids one at a time.

        >>> decoder = ByteTokenizer().stream_decoder()
        >>> [decoder.feed(id) for id in "€".encode()]
        ['', '', '€']
        """
        return StreamDecoder(self._symbols)


@dataclass(frozen=True)
class CharTokenizer(_Tokenizer):
    """One id per character (Unicode code point) of the text it learned from.

    Special tokens come first: the end of a document, then the unknown character,
    each only where there is one, then the labels. The characters follow in the order
    given, so a vocabulary can grow at its end and old ids stay what they were.

    Args:
        characters: the vocabulary, each character once.
        normalize: Unicode normal form of every text before it is encoded.
        unknown: whether one id stands for all other characters. It is read, never
            meant to be sampled.
        end_of_document: whether one id marks where documents end.
        labels: of documents, sorted, each once and an id of its own. They need
            `end_of_document`.

    Raises:
        TokenizerError: no characters, one of them twice, or half a character; labels
            that could not be told apart or asked for.

    >>> tokenizer = CharTokenizer("abn")
    >>> tokenizer.encode("banana").tolist()
    [1, 0, 2, 0, 2, 0]
    >>> tokenizer.decode([2, 0, 1])
    'nab'
    """

    characters: str
    _: KW_ONLY
    normalize: str = "nfc"
    unknown: bool = False
    end_of_document: bool = False
    labels: tuple[str, ...] = ()
    kind: ClassVar[str] = "char"
    _eod_mark = _NO_CHARACTER.to_bytes(4, "little")

    def __post_init__(self) -> None:
        check_characters(self.characters)
        check_form(self.normalize)
        check_flag("unknown", self.unknown)
        check_flag("end_of_document", self.end_of_document)
        check_labels(self.labels, self.normalize, end_of_document=self.end_of_document)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[str],
        *,
        min_count: int = 1,
        normalize: str = "nfc",
        end_of_document: bool = False,
        labels: Iterable[str] = (),
    ) -> CharTokenizer:
        """Learn the vocabulary: every character, sorted by code point.

        Args:
            documents: read once, so a generator will do.
            min_count: characters seen less often become one unknown token.
            labels: of the documents, in any order and number.

        Raises:
            TokenizerError: no character is left to learn, or too many labels.

        >>> CharTokenizer.from_documents(["banana", "bun"], min_count=2)
        CharTokenizer(characters='abn', normalize='nfc', unknown=True,
                      end_of_document=False, labels=())
        """
        check_form(normalize)
        return cls.from_counts(
            count_code_points(documents, normalize),
            min_count=min_count,
            normalize=normalize,
            end_of_document=end_of_document,
            labels=gathered_labels(labels, normalize),
        )

    @classmethod
    def from_counts(
        cls,
        counts: np.ndarray,
        *,
        min_count: int = 1,
        normalize: str = "nfc",
        end_of_document: bool = False,
        labels: tuple[str, ...] = (),
    ) -> CharTokenizer:
        """The same vocabulary for who has counted the characters already.

        Args:
            counts: `(0x110000,)` how often each code point occurs in the normal form.
            labels: as `gathered_labels` gives them.

        Raises:
            TokenizerError: as for `from_documents`.
        """
        kept = np.flatnonzero(counts >= max(min_count, 1))
        _check_anything_kept(kept, counts, min_count)
        return cls(
            characters_of(kept),
            normalize=normalize,
            unknown=len(kept) < int(np.count_nonzero(counts)),
            end_of_document=end_of_document,
            labels=labels,
        )

    @property
    def num_special(self) -> int:
        """How many ids stand for no character of their own."""
        return self._first_label_id + len(self.labels)

    @property
    def vocab_size(self) -> int:
        """Number of ids: 0 to `vocab_size - 1`."""
        return self.num_special + len(self.characters)

    @property
    def eod_id(self) -> int | None:
        """The id that ends a document, or None where the text is one document."""
        return 0 if self.end_of_document else None

    @property
    def unknown_id(self) -> int | None:
        """The id of every character too rare for the vocabulary, or None."""
        return int(self.end_of_document) if self.unknown else None

    @property
    def start_id(self) -> int:
        """The id that generation and scoring read before the first character."""
        if self.eod_id is not None:
            return self.eod_id
        for character in "\n ":
            if character in self.characters:
                return self.num_special + self.characters.index(character)
        return self.num_special

    def unknown_characters(self, text: str) -> list[str]:
        """The characters outside the vocabulary, each once, in order of appearance.

        >>> CharTokenizer("abn").unknown_characters("beetle")
        ['e', 't', 'l']
        """
        codes = code_points(code_bytes(normalize_text(text, self.normalize)))
        missing = codes[self._id_table[codes] == self._missing_id]
        return list(dict.fromkeys(characters_of(missing)))

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of `(num_ids,)` ids, with U+FFFD for unknown characters.

        The end of a document and labels stand for no text.

        Raises:
            TokenizerError: an id outside the vocabulary.

        >>> CharTokenizer("ab", end_of_document=True).decode([0, 1, 0, 2, 0])
        'ab'
        """
        codes = self._code_table[checked_ids(ids, self.vocab_size)]
        return characters_of(codes[codes != _NO_CHARACTER])

    def symbol(self, id: int) -> str:
        r"""A readable name of one id, for tables and messages.

        Raises:
            TokenizerError: the id lies outside the vocabulary.

        >>> [CharTokenizer("\na", end_of_document=True).symbol(id) for id in range(3)]
        ['<eod>', "'\\n'", "'a'"]
        """
        check_id(id, self.vocab_size)
        if id == self.eod_id:
            return "<eod>"
        if id == self.unknown_id:
            return "<unk>"
        if id < self.num_special:
            return f"<label:{self.labels[id - self._first_label_id]}>"
        return repr(self.characters[id - self.num_special])

    def to_dict(self) -> dict[str, Any]:
        """The tokenizer as plain data for JSON; `tokenizer_from_dict` reads it.

        >>> CharTokenizer("ab").to_dict()["characters"]
        ['a', 'b']
        """
        return {
            "format_version": FORMAT_VERSION,
            "kind": self.kind,
            "characters": list(self.characters),
            "normalize": self.normalize,
            "unknown": self.unknown,
            "end_of_document": self.end_of_document,
            "labels": list(self.labels),
        }

    @property
    def _first_label_id(self) -> int:
        return int(self.end_of_document) + int(self.unknown)

    @property
    def _missing_id(self) -> int:
        return self.vocab_size

    @cached_property
    def _id_table(self) -> np.ndarray:
        # One entry for every code point, `_missing_id` for those outside the vocabulary:
        # built once, for a look-up without a search or a bound to check. As narrow as
        # can be, so that what is looked up needs no conversion.
        table = np.full(
            _NO_CHARACTER + 1, self._missing_id, np.min_scalar_type(self._missing_id)
        )
        codes = code_points(code_bytes(self.characters))
        table[codes] = np.arange(self.num_special, self.vocab_size)
        if self.eod_id is not None:
            table[_NO_CHARACTER] = self.eod_id
        return table

    @cached_property
    def _code_table(self) -> np.ndarray:
        table = np.full(self.vocab_size, _NO_CHARACTER, "<u4")
        table[self.num_special :] = code_points(code_bytes(self.characters))
        if self.unknown_id is not None:
            table[self.unknown_id] = ord(_REPLACEMENT)
        return table

    @cached_property
    def _symbols(self) -> tuple[bytes, ...]:
        special = (b"",) * self.end_of_document + (_REPLACEMENT.encode(),) * self.unknown
        special += (b"",) * len(self.labels)
        return special + tuple(c.encode() for c in self.characters)

    def _to_bytes(self, text: str, unknown: str) -> bytes:
        return code_bytes(text)

    def _look_up(self, batch: bytes, unknown: str) -> np.ndarray:
        codes = code_points(batch)
        ids = self._id_table[codes]
        missing = ids == self._missing_id
        if missing.any():
            if unknown == "skip":
                ids = ids[~missing]
            elif unknown == "token" and self.unknown_id is not None:
                ids[missing] = self.unknown_id
            else:
                names = list(dict.fromkeys(characters_of(codes[missing])))
                raise TokenizerError(lacking(names, has_token=self.unknown))
        return ids.astype(self.id_dtype, copy=False)


@dataclass(frozen=True)
class ByteTokenizer(_Tokenizer):
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


Tokenizer = CharTokenizer | ByteTokenizer


def tokenizer_from_dict(data: Mapping[str, Any]) -> Tokenizer:
    """Build the tokenizer that `to_dict` wrote, and trust nothing in it.

    Args:
        data: what JSON gave back.

    Raises:
        TokenizerError: written by a newer version, or damaged; it says where.

    >>> tokenizer_from_dict(CharTokenizer("ab").to_dict()) == CharTokenizer("ab")
    True
    """
    if not isinstance(data, Mapping):
        raise damaged(f"it is {type(data).__name__}, not an object with names")
    version = checked_version(data.get("format_version"))
    kind = data.get("kind")
    if kind == "char":
        template = CharTokenizer("a").to_dict()
    elif kind == "byte":
        template = ByteTokenizer().to_dict()
    else:
        raise damaged(f"kind={shown(kind)} must be 'char' or 'byte'")
    if version == 1:
        # From before there were labels.
        del template["labels"]
    check_keys(data, template)
    options = {k: v for k, v in data.items() if k not in ("format_version", "kind")}
    options["labels"] = stored_labels(data.get("labels", []))
    if kind == "byte":
        return ByteTokenizer(**options)
    return CharTokenizer(stored_characters(options.pop("characters")), **options)


def _joined(encoder: Encoder, documents: Iterable[tuple[str, str | None]]) -> np.ndarray:
    batches = []
    for document, label in documents:
        encoder.add([(document, True, label)])
        if encoder.is_full:
            batches.append(encoder.take())
    return np.concatenate([*batches, encoder.flush()])


def _check_anything_kept(kept: np.ndarray, counts: np.ndarray, min_count: int) -> None:
    if len(kept):
        return
    if not counts.any():
        raise TokenizerError(
            "there is not one character to learn a vocabulary from. Add text."
        )
    raise TokenizerError(
        f"min_count={min_count} leaves no character: the most frequent one occurs "
        f"{counts.max():,} times. Lower --min-count."
    )
