"""Which characters may be written at all: `allow` and `forbid`."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgen.errors import ConfigError
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.unicode.code_points import NUM_CODE_POINTS
from textgen.text.unicode.normal_form import normalize_text
from textgen.wording import few

Mask: TypeAlias = NDArray[np.float64]
"""`(vocab,)`: minus infinity for ids that must not come next, else 0; added to logits."""
_SURROGATES = slice(0xD800, 0xE000)


def permitted_ids(
    tokenizer: CharTokenizer | ByteTokenizer, allow: str | None, forbid: str | None
) -> NDArray[np.bool_]:
    """Which ids `allow` and `forbid` permit, whatever precedes them.

    A byte may belong to many characters, so all bytes of a `ByteTokenizer` are permitted;
    `make_automaton` restricts it to the characters.

    Args:
        allow: the only characters that may be written; None permits all.
        forbid: characters that are never written; None forbids none.

    Returns:
        `(vocab,)`; ids without a character are permitted.

    Raises:
        ConfigError: a character is in both, or no character is left.

    >>> permitted_ids(CharTokenizer("abc"), allow=None, forbid="b").tolist()
    [True, False, True]
    """
    permitted = np.ones(tokenizer.vocab_size, bool)
    if allow is not None or forbid is not None:
        kept = permitted_codes(writable(tokenizer), tokenizer.normalize, allow, forbid)
        if isinstance(tokenizer, CharTokenizer):
            permitted[tokenizer.num_special :] = kept
    return permitted


def writable(tokenizer: CharTokenizer | ByteTokenizer) -> NDArray[np.uint32]:
    """The code points that the model can write, in the order of its ids."""
    if isinstance(tokenizer, ByteTokenizer):
        return np.delete(np.arange(NUM_CODE_POINTS, dtype=np.uint32), _SURROGATES)
    return np.array([ord(each) for each in tokenizer.characters], np.uint32)


def permitted_codes(
    codes: NDArray[np.uint32], form: str, allow: str | None, forbid: str | None
) -> NDArray[np.bool_]:
    """Which of the code points are permitted, at least one: `(num_codes,)`."""
    allowed, forbidden = _characters(allow or "", form), _characters(forbid or "", form)
    for both in sorted(allowed & forbidden):
        raise ConfigError(
            f"{both!r} is in both allow and forbid. Remove it from one of them."
        )
    kept = _among(codes, allowed) if allow is not None else np.ones(len(codes), bool)
    if not kept.any():
        raise ConfigError(
            f"allow={quoted(allow)} has no character that the model knows. It knows "
            f"{few(list(map(repr, map(chr, codes))), most=10)}."
        )
    kept &= ~_among(codes, forbidden)
    if not kept.any():
        raise ConfigError(
            f"forbid={quoted(forbid)} leaves the model no character to write. Remove some "
            "of them."
        )
    return kept


def _characters(text: str, form: str) -> set[str]:
    """The characters of a text as a model can write them.

    A character that the normal form decomposes is never written: to forbid the ligature
    "ﬁ" must not forbid "f" and "i".
    """
    composed = text if form == "none" else normalize_text(text, "nfc")
    normal = (normalize_text(character, form) for character in composed)
    return {each for each in normal if len(each) == 1}


def _among(codes: NDArray[np.uint32], characters: set[str]) -> NDArray[np.bool_]:
    found = np.zeros(NUM_CODE_POINTS, bool)
    found[[ord(character) for character in characters]] = True
    return found[codes]


def quoted(text: str | None) -> str:
    """Characters as a message shows them, at most 60."""
    return repr(text) if text is None or len(text) <= 60 else repr(text[:60] + "...")
