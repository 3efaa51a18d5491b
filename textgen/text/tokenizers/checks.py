"""What may be in a vocabulary, and what is said of all that is not."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from textgen.errors import TokenizerError
from textgen.text.unicode.code_points import surrogates
from textgen.text.unicode.normal_form import NORMAL_FORMS, normalize_text
from textgen.wording import list_of, named, shown

# Unicode 17 has assigned 297,334 characters, and no text has them all.
MAX_CHARACTERS = 500_000
MAX_LABELS = 10_000
# A label is a word or a few; marks without end would take minutes to bring into order.
MAX_LABEL_CHARS = 1000


def checked_ids(ids: Sequence[int] | np.ndarray, vocab_size: int) -> np.ndarray:
    """`(num_ids,)` ids as an array, all of them inside the vocabulary.

    Raises:
        TokenizerError: not one row of whole numbers, or one is outside.

    >>> checked_ids([2, 0], vocab_size=3)
    array([2, 0])
    """
    array = np.asarray(ids)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TokenizerError(
            "ids must be one row of whole numbers, not an array of "
            f"{array.dtype} with shape {array.shape}."
        )
    check_id(int(array.min()), vocab_size)
    check_id(int(array.max()), vocab_size)
    return array


def check_id(id: int, vocab_size: int) -> None:
    """Refuse an id outside the vocabulary.

    >>> check_id(3, vocab_size=3)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: id 3 is outside the vocabulary, which has 0 to 2. ...
    """
    if not 0 <= id < vocab_size:
        raise TokenizerError(
            f"id {id} is outside the vocabulary, which has 0 to {vocab_size - 1}. "
            "Decode ids with the tokenizer that made them."
        )


def check_characters(characters: object) -> None:
    """Refuse a vocabulary that is not text, empty, or has a character twice.

    >>> check_characters("aba")
    Traceback (most recent call last):
    textgen.errors.TokenizerError: 'a' (U+0061) is in the vocabulary more than once. ...
    """
    if not isinstance(characters, str):
        raise TokenizerError(
            f"the vocabulary must be a string, not {type(characters).__name__}."
        )
    if not characters:
        raise TokenizerError("the vocabulary is empty; it needs at least one character.")
    check_num_characters(len(characters))
    if len(set(characters)) < len(characters):
        twice, _ = Counter(characters).most_common(1)[0]
        raise TokenizerError(
            f"{named(twice)} is in the vocabulary more than once. Give each character "
            "one place."
        )
    halves = surrogates(characters)
    if halves:
        raise TokenizerError(
            f"{named(halves[0])} is half a character (a lone surrogate) and cannot be "
            "in a vocabulary. Decode the text with its right encoding."
        )


def check_form(normalize: object) -> None:
    """Refuse what is no normal form.

    >>> check_form("nfd")
    Traceback (most recent call last):
    textgen.errors.TokenizerError: normalize='nfd' must be one of none, nfc, nfkc.
    """
    if normalize not in NORMAL_FORMS:
        raise TokenizerError(
            f"normalize={shown(normalize)} must be one of {', '.join(NORMAL_FORMS)}."
        )


def check_labels(labels: object, normalize: str, *, end_of_document: bool) -> None:
    """Refuse labels that could not be told apart, found again or put anywhere.

    Args:
        labels: what should be a tuple of strings, sorted, each once.
        normalize: the normal form in which they must be.
        end_of_document: whether documents begin with an id of their own.

    Raises:
        TokenizerError: it says which label is wrong.

    >>> check_labels(("b", "a"), "nfc", end_of_document=True)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: label 'a' stands behind 'b'. ...
    """
    if not isinstance(labels, tuple) or not all(isinstance(x, str) for x in labels):
        raise TokenizerError(f"labels={shown(labels)} must be a tuple of strings.")
    if labels and not end_of_document:
        raise TokenizerError(
            "labels stand where documents begin, so they need end_of_document=True."
        )
    check_num_labels(len(labels))
    for label in labels:
        _check_label(label, normalize)
    for before, label in pairwise(labels):
        if before >= label:
            raise TokenizerError(
                f"label {shown(label)} stands behind {shown(before)}. Sort the labels, and "
                "give each one place."
            )


def check_num_labels(number: int) -> None:
    """Refuse more labels than documents are ever sorted by.

    >>> check_num_labels(10_001)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: 10,001 different labels are more than 10,000. ...
    """
    if number > MAX_LABELS:
        raise TokenizerError(
            f"{number:,} different labels are more than {MAX_LABELS:,}. A label is a "
            "kind of text that many documents share; leave it out where it is not."
        )


def check_num_characters(number: int) -> None:
    """Refuse more characters than Unicode has.

    >>> check_num_characters(1_000_000)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: a vocabulary of 1,000,000 characters is more than ...
    """
    if number > MAX_CHARACTERS:
        raise TokenizerError(
            f"a vocabulary of {number:,} characters is more than {MAX_CHARACTERS:,}, and "
            "more than Unicode has. Is it really text?"
        )


def _check_label(label: str, normalize: str) -> None:
    if len(label) > MAX_LABEL_CHARS:
        raise TokenizerError(
            f"label {shown(label)} has {len(label):,} characters, more than "
            f"{MAX_LABEL_CHARS:,}. A label is a word or a few; is that one a text?"
        )
    if not label or surrogates(label) or normalize_text(label, normalize) != label:
        raise TokenizerError(
            f"label {shown(label)} is empty, holds half a character, or is not in the "
            f"normal form {normalize!r}, so that no one could ask for it. Rename it."
        )


def gathered_labels(labels: Iterable[str], normalize: str) -> tuple[str, ...]:
    """Each label once, in normal form, sorted: what a tokenizer takes.

    >>> gathered_labels(["sad", "glad", "sad"], "nfc")
    ('glad', 'sad')
    """
    return tuple(sorted({normalize_text(label, normalize) for label in set(labels)}))


def unknown_label(label: str, labels: Sequence[str]) -> TokenizerError:
    """The error for a label that is none of `labels`; it offers the nearest.

    >>> str(unknown_label("sat", ("glad", "sad")))
    "'sat' is none of the 2 labels: 'glad', 'sad'. Did you mean 'sad'?"
    """
    if not labels:
        return TokenizerError(
            f"there is no label {shown(label)}: this model knows none. Leave it out, or "
            "train on records that have labels (--documents records)."
        )
    some = ", ".join(map(shown, labels[:10]))
    more = f" and {len(labels) - 10:,} more" if len(labels) > 10 else ""
    near = difflib.get_close_matches(label, labels, n=1, cutoff=0)
    return TokenizerError(
        f"{shown(label)} is none of the {len(labels):,} labels: {some}{more}. "
        f"Did you mean {shown(near[0])}?"
    )


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False.

    >>> check_flag("unknown", 1)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: unknown=1 must be True or False.
    """
    if not isinstance(value, bool):
        raise TokenizerError(f"{name}={shown(value)} must be True or False.")


def lacking(characters: Sequence[str], *, has_token: bool) -> str:
    """The message for characters outside the vocabulary, with the ways out.

    Args:
        has_token: whether the unknown token is one of them.

    >>> lacking("é", has_token=False)[:43]
    "not in the vocabulary: 'é' (U+00E9). Remove"
    """
    token = 'read them as the unknown token with unknown="token", ' if has_token else ""
    return (
        f"not in the vocabulary: {list_of(characters)}. Remove them from the text, leave "
        f'them out with unknown="skip", {token}or train on text that has them '
        '(tokenizer="byte" knows every character).'
    )
