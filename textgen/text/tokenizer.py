"""Text to integers and back: one id per character, or one per UTF-8 byte.

Both tokenizers are immutable values: equal ones are interchangeable, and what they
learned from a text is their vocabulary and nothing else. They share one interface,
so the rest of the package never asks which of the two it holds.
"""

from __future__ import annotations

import codecs
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from textgen.errors import TokenizerError

FORMAT_VERSION = 1
NORMAL_FORMS = ("none", "nfc", "nfkc")

# One past the last code point: no text holds it, so it can mark document ends.
_NO_CHARACTER = 0x110000
_REPLACEMENT = "\ufffd"
_UTF32 = "utf-32-le"
_BYTE_EOD = 256
_BYTE_SYMBOLS = (*(bytes([value]) for value in range(256)), b"")
_BATCH_CHARS = 1 << 20


class StreamDecoder:
    """Turns ids into text one at a time and never shows half a character.

    A character of several bytes appears with its last byte; bytes that are no UTF-8
    appear as U+FFFD. The end of a document ends an unfinished character, too.

    Args:
        symbols: the UTF-8 bytes of each id.
        eod_id: the id that ends a document, or None.

    >>> decoder = ByteTokenizer().stream_decoder()
    >>> [decoder.feed(id) for id in "é!".encode()], decoder.flush()
    (['', 'é', '!'], '')
    """

    def __init__(self, symbols: Sequence[bytes], eod_id: int | None = None) -> None:
        self._symbols = symbols
        self._eod_id = eod_id
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, id: int) -> str:
        """The characters that `id` completes; often one, sometimes none.

        Raises:
            TokenizerError: the id lies outside the vocabulary.

        >>> CharTokenizer("ab").stream_decoder().feed(1)
        'b'
        """
        _check_id(id, len(self._symbols))
        if id == self._eod_id:
            return self.flush()
        return self._decoder.decode(self._symbols[id])

    def flush(self) -> str:
        """What is left at the end: U+FFFD for an unfinished character, else nothing.

        >>> decoder = ByteTokenizer().stream_decoder()
        >>> decoder.feed(0xC3) + decoder.flush()
        '\ufffd'
        """
        return self._decoder.decode(b"", final=True)


class _Tokenizer(ABC):
    """What both tokenizers do alike.

    Text becomes bytes, four for each character or UTF-8; a subclass says which, and
    looks up the ids of up to a few million of them at a time.
    """

    normalize: str
    end_of_document: bool
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
        return self._encode([text], b"", unknown)

    def encode_documents(
        self, documents: Iterable[str], unknown: str = "error"
    ) -> np.ndarray:
        """The ids of many documents, one after the other.

        Args:
            documents: read once, so a generator will do.
            unknown: as for `encode`.

        Returns:
            `(num_ids,)` of `id_dtype`. Where there is an `eod_id`, it stands before
            the first document and after each one.

        Raises:
            TokenizerError: as for `encode`.

        >>> CharTokenizer("ab", end_of_document=True).encode_documents(["a", "b"])
        array([0, 1, 0, 2, 0], dtype=uint8)
        >>> ByteTokenizer(end_of_document=True).encode_documents(["a", "b"]).tolist()
        [256, 97, 256, 98, 256]
        """
        mark = self._eod_mark if self.end_of_document else b""
        return self._encode(documents, mark, unknown)

    def stream_decoder(self) -> StreamDecoder:
        """A fresh decoder that takes ids one at a time.

        >>> decoder = ByteTokenizer().stream_decoder()
        >>> [decoder.feed(id) for id in "€".encode()]
        ['', '', '€']
        """
        return StreamDecoder(self._symbols, self.eod_id)

    def _encode(self, documents: Iterable[str], mark: bytes, unknown: str) -> np.ndarray:
        if unknown not in ("error", "skip", "token"):
            raise TokenizerError(f"unknown={unknown!r} must be error, skip or token.")
        to_bytes = partial(self._to_bytes, unknown=unknown)
        pieces = _pieces(documents, self.normalize, to_bytes, mark)
        return np.concatenate([self._look_up(b, unknown) for b in _batches(pieces)])


@dataclass(frozen=True)
class CharTokenizer(_Tokenizer):
    """One id per character (Unicode code point) of the text it learned from.

    Special tokens come first: the end of a document, then the unknown character,
    each only where there is one. The characters follow in the order given, so a
    vocabulary can grow at its end and old ids stay what they were.

    Args:
        characters: the vocabulary, each character once.
        normalize: Unicode normal form of every text before it is encoded.
        unknown: whether one id stands for all other characters. It is read, never
            meant to be sampled.
        end_of_document: whether one id marks where documents end.

    Raises:
        TokenizerError: no characters, one of them twice, or half a character.

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
    kind: ClassVar[str] = "char"
    _eod_mark = _NO_CHARACTER.to_bytes(4, "little")

    def __post_init__(self) -> None:
        _check_characters(self.characters)
        _check_form(self.normalize)
        _check_flag("unknown", self.unknown)
        _check_flag("end_of_document", self.end_of_document)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[str],
        *,
        min_count: int = 1,
        normalize: str = "nfc",
        end_of_document: bool = False,
    ) -> CharTokenizer:
        """Learn the vocabulary: every character, sorted by code point.

        Args:
            documents: read once, so a generator will do.
            min_count: characters seen less often become one unknown token.

        Raises:
            TokenizerError: no character is left to learn.

        >>> CharTokenizer.from_documents(["banana", "bun"], min_count=2)
        CharTokenizer(characters='abn', normalize='nfc', unknown=True,
                      end_of_document=False)
        """
        _check_form(normalize)
        counts = _count_code_points(documents, normalize)
        kept = np.flatnonzero(counts >= max(min_count, 1))
        _check_anything_kept(kept, counts, min_count)
        return cls(
            _characters_of(kept),
            normalize=normalize,
            unknown=len(kept) < int(np.count_nonzero(counts)),
            end_of_document=end_of_document,
        )

    @property
    def num_special(self) -> int:
        """How many ids stand for no character of their own."""
        return int(self.end_of_document) + int(self.unknown)

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
        codes = _code_points(_code_bytes(_in_form(text, self.normalize)))
        return list(dict.fromkeys(_characters_of(codes[self._id_table[codes] < 0])))

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of `(num_ids,)` ids; nothing for `eod_id`, U+FFFD for unknown.

        Raises:
            TokenizerError: an id outside the vocabulary.

        >>> CharTokenizer("ab", end_of_document=True).decode([0, 1, 0, 2, 0])
        'ab'
        """
        codes = self._code_table[_checked_ids(ids, self.vocab_size)]
        return _characters_of(codes[codes != _NO_CHARACTER])

    def symbol(self, id: int) -> str:
        r"""A readable name of one id, for tables and messages.

        Raises:
            TokenizerError: the id lies outside the vocabulary.

        >>> [CharTokenizer("\na", end_of_document=True).symbol(id) for id in range(3)]
        ['<eod>', "'\\n'", "'a'"]
        """
        _check_id(id, self.vocab_size)
        if id == self.eod_id:
            return "<eod>"
        if id == self.unknown_id:
            return "<unk>"
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
        }

    @cached_property
    def _id_table(self) -> np.ndarray:
        # One entry for every code point, -1 for those outside the vocabulary: 4 MB
        # that are built once, for a look-up without a search or a bound to check.
        table = np.full(_NO_CHARACTER + 1, -1, np.int32)
        codes = _code_points(_code_bytes(self.characters))
        table[codes] = np.arange(self.num_special, self.vocab_size)
        if self.eod_id is not None:
            table[_NO_CHARACTER] = self.eod_id
        return table

    @cached_property
    def _code_table(self) -> np.ndarray:
        table = np.empty(self.vocab_size, "<u4")
        table[self.num_special :] = _code_points(_code_bytes(self.characters))
        if self.eod_id is not None:
            table[self.eod_id] = _NO_CHARACTER
        if self.unknown_id is not None:
            table[self.unknown_id] = ord(_REPLACEMENT)
        return table

    @cached_property
    def _symbols(self) -> tuple[bytes, ...]:
        special = (b"",) * self.end_of_document + (_REPLACEMENT.encode(),) * self.unknown
        return special + tuple(c.encode() for c in self.characters)

    def _to_bytes(self, text: str, unknown: str) -> bytes:
        return _code_bytes(text)

    def _look_up(self, batch: bytes, unknown: str) -> np.ndarray:
        codes = _code_points(batch)
        ids = self._id_table[codes]
        missing = ids < 0
        if missing.any():
            if unknown == "skip":
                ids = ids[~missing]
            elif unknown == "token" and self.unknown_id is not None:
                ids[missing] = self.unknown_id
            else:
                names = list(dict.fromkeys(_characters_of(codes[missing])))
                raise TokenizerError(_lacking(names, has_token=self.unknown))
        return ids.astype(self.id_dtype)


@dataclass(frozen=True)
class ByteTokenizer(_Tokenizer):
    """One id per byte of the text in UTF-8: every text is known, in every script.

    Ids 0 to 255 are the bytes; the end of a document, where there is one, is 256.

    Args:
        normalize: Unicode normal form of every text before it is encoded.
        end_of_document: whether one id marks where documents end.

    Raises:
        TokenizerError: an unknown normal form.

    >>> ByteTokenizer().encode("né").tolist()
    [110, 195, 169]
    """

    _: KW_ONLY
    normalize: str = "nfc"
    end_of_document: bool = False
    kind: ClassVar[str] = "byte"
    # UTF-8 never contains this byte.
    _eod_mark = b"\xff"

    def __post_init__(self) -> None:
        _check_form(self.normalize)
        _check_flag("end_of_document", self.end_of_document)

    @property
    def vocab_size(self) -> int:
        """Number of ids: 0 to `vocab_size - 1`."""
        return 256 + int(self.end_of_document)

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
        return _surrogates(text)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of `(num_ids,)` ids; nothing for `eod_id`, U+FFFD for broken bytes.

        Raises:
            TokenizerError: an id outside the vocabulary.

        >>> ByteTokenizer().decode([195, 169, 195])
        'é\ufffd'
        """
        checked = _checked_ids(ids, self.vocab_size)
        # A character cannot run on across the end of a document.
        documents = np.split(checked, np.flatnonzero(checked == _BYTE_EOD))
        texts = (d[d != _BYTE_EOD].astype(np.uint8).tobytes() for d in documents)
        return "".join(text.decode("utf-8", "replace") for text in texts)

    def symbol(self, id: int) -> str:
        """A readable name of one id, for tables and messages.

        Raises:
            TokenizerError: the id lies outside the vocabulary.

        >>> ByteTokenizer().symbol(10)
        '0x0a'
        """
        _check_id(id, self.vocab_size)
        return "<eod>" if id == self.eod_id else f"0x{id:02x}"

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
        }

    @property
    def _symbols(self) -> Sequence[bytes]:
        return _BYTE_SYMBOLS[: self.vocab_size]

    def _to_bytes(self, text: str, unknown: str) -> bytes:
        try:
            return text.encode("utf-8", "ignore" if unknown == "skip" else "strict")
        except UnicodeEncodeError:
            raise TokenizerError(
                f"half a character in the text: {_list_of(_surrogates(text))}. A lone "
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
        raise _damaged(f"it is {type(data).__name__}, not an object with names")
    _check_version(data.get("format_version"))
    kind = data.get("kind")
    if kind == "char":
        template = CharTokenizer("a").to_dict()
    elif kind == "byte":
        template = ByteTokenizer().to_dict()
    else:
        raise _damaged(f"kind={kind!r} must be 'char' or 'byte'")
    _check_keys(data, template)
    options = {k: v for k, v in data.items() if k not in ("format_version", "kind")}
    if kind == "byte":
        return ByteTokenizer(**options)
    return CharTokenizer(_joined(options.pop("characters")), **options)


def _check_version(version: object) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _damaged(f"format_version={version!r} must be a whole number from 1 on")
    if version > FORMAT_VERSION:
        raise TokenizerError(
            f"the stored tokenizer has format_version={version}, but this version of "
            f"textgen reads up to {FORMAT_VERSION}. Upgrade it: "
            "pip install --upgrade keras-textgen"
        )


def _check_keys(data: Mapping[str, Any], template: Mapping[str, Any]) -> None:
    for name in data:
        if name not in template:
            raise _damaged(f"{name!r} is no part of it; known: {', '.join(template)}")
    for name in template:
        if name not in data:
            raise _damaged(f"{name!r} is missing")


def _joined(characters: object) -> str:
    if not isinstance(characters, list):
        raise _damaged(
            f"characters must be a list of strings, not {type(characters).__name__}"
        )
    for position, character in enumerate(characters):
        if not isinstance(character, str) or len(character) != 1:
            raise _damaged(
                f"entry {position} of characters is {character!r}, not one character"
            )
    return "".join(characters)


def _damaged(what: str) -> TokenizerError:
    return TokenizerError(
        f"the stored tokenizer is damaged: {what}. Restore it from a copy."
    )


def _in_form(text: str, form: str) -> str:
    if form == "none" or text.isascii():
        return text
    return unicodedata.normalize("NFC" if form == "nfc" else "NFKC", text)


def _code_bytes(text: str) -> bytes:
    return text.encode(_UTF32, "surrogatepass")


def _surrogates(text: str) -> list[str]:
    return [c for c in dict.fromkeys(text) if "\ud800" <= c <= "\udfff"]


def _code_points(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<u4")


def _characters_of(codes: np.ndarray) -> str:
    return codes.astype("<u4").tobytes().decode(_UTF32, "surrogatepass")


def _pieces(
    documents: Iterable[str], form: str, to_bytes: Callable[[str], bytes], mark: bytes
) -> Iterator[bytes]:
    """The bytes of each document, a slice at a time, with `mark` around each."""
    yield mark
    for document in documents:
        text = _in_form(document, form)
        for start in range(0, len(text), _BATCH_CHARS):
            yield to_bytes(text[start : start + _BATCH_CHARS])
        yield mark


def _batches(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join short pieces: NumPy is called seldom, and memory stays bounded."""
    held: list[bytes] = []
    num_bytes = 0
    for piece in pieces:
        held.append(piece)
        num_bytes += len(piece)
        if num_bytes >= _BATCH_CHARS:
            yield b"".join(held)
            held, num_bytes = [], 0
    yield b"".join(held)


def _count_code_points(documents: Iterable[str], form: str) -> np.ndarray:
    counts = np.zeros(_NO_CHARACTER, np.int64)
    for batch in _batches(_pieces(documents, form, _code_bytes, b"")):
        found = np.bincount(_code_points(batch))
        counts[: len(found)] += found
    return counts


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


def _checked_ids(ids: Sequence[int] | np.ndarray, vocab_size: int) -> np.ndarray:
    array = np.asarray(ids)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TokenizerError(
            "ids must be one row of whole numbers, not an array of "
            f"{array.dtype} with shape {array.shape}."
        )
    _check_id(int(array.min()), vocab_size)
    _check_id(int(array.max()), vocab_size)
    return array


def _check_id(id: int, vocab_size: int) -> None:
    if not 0 <= id < vocab_size:
        raise TokenizerError(
            f"id {id} is outside the vocabulary, which has 0 to {vocab_size - 1}. "
            "Decode ids with the tokenizer that made them."
        )


def _check_characters(characters: object) -> None:
    if not isinstance(characters, str):
        raise TokenizerError(
            f"the vocabulary must be a string, not {type(characters).__name__}."
        )
    if not characters:
        raise TokenizerError("the vocabulary is empty; it needs at least one character.")
    if len(set(characters)) < len(characters):
        twice = next(c for c in characters if characters.count(c) > 1)
        raise TokenizerError(
            f"{_named(twice)} is in the vocabulary more than once. Give each character "
            "one place."
        )
    halves = _surrogates(characters)
    if halves:
        raise TokenizerError(
            f"{_named(halves[0])} is half a character (a lone surrogate) and cannot be "
            "in a vocabulary. Decode the text with its right encoding."
        )


def _check_form(normalize: object) -> None:
    if normalize not in NORMAL_FORMS:
        raise TokenizerError(
            f"normalize={normalize!r} must be one of {', '.join(NORMAL_FORMS)}."
        )


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise TokenizerError(f"{name}={value!r} must be True or False.")


def _lacking(characters: Sequence[str], *, has_token: bool) -> str:
    token = 'read them as the unknown token with unknown="token", ' if has_token else ""
    return (
        f"not in the vocabulary: {_list_of(characters)}. Remove them from the text, leave "
        f'them out with unknown="skip", {token}or train on text that has them '
        '(tokenizer="byte" knows every character).'
    )


def _list_of(characters: Sequence[str]) -> str:
    shown = ", ".join(_named(c) for c in characters[:10])
    return shown + (f" and {len(characters) - 10} more" if len(characters) > 10 else "")


def _named(character: str) -> str:
    return f"{character!r} (U+{ord(character):04X})"
