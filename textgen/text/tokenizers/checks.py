"""Checks of what tokenizers are given, and their errors."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from textgen.config.arguments import plain, several, several_texts, type_name
from textgen.errors import TokenizerError
from textgen.text.unicode.code_points import surrogates
from textgen.text.unicode.normal_form import NORMAL_FORMS, normalize_text
from textgen.wording import did_you_mean, few, few_characters, is_whole_number, named, shown

# Unicode 17 assigns 297,334 characters; no text contains all of them.
MAX_CHARACTERS = 500_000
MAX_LABELS = 10_000
# A label is a word or a phrase. Normalising a million combining marks takes minutes.
MAX_LABEL_CHARS = 1000


def checked_ids(ids: Sequence[int] | np.ndarray, vocab_size: int) -> np.ndarray:
    """Convert ids to an array and check that all are in the vocabulary.

    Returns:
        `(num_ids,)` integers.

    Raises:
        TokenizerError: the ids are not a flat sequence of integers, or one is out of
            range.

    >>> checked_ids([2, 0], vocab_size=3)
    array([2, 0])
    """
    try:
        array = np.asarray(ids if hasattr(ids, "__len__") else several("ids", ids, "ids"))
    except ValueError:
        # Rows of different lengths.
        array = np.asarray(ids, object)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TokenizerError(
            "ids must be a flat sequence of integers, not an array of "
            f"{array.dtype} with shape {array.shape}."
        )
    check_id(int(array.min()), vocab_size)
    check_id(int(array.max()), vocab_size)
    return array


def check_id(id: int, vocab_size: int) -> int:
    """The id as an `int`; refuses one outside the vocabulary.

    >>> check_id(3, vocab_size=3)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: id 3 is outside the vocabulary (ids 0 to 2). ...
    """
    # The usual case, once for each generated character.
    if type(id) is int and 0 <= id < vocab_size:
        return id
    number = plain(id)
    if not is_whole_number(number, least=-sys.maxsize):
        raise TokenizerError(f"id {shown(id)} must be a whole number, not {type_name(id)}.")
    if not 0 <= number < vocab_size:
        raise TokenizerError(
            f"id {shown(number)} is outside the vocabulary (ids 0 to {vocab_size - 1}). "
            "Decode ids with the tokenizer that encoded them."
        )
    return number


def tidy_fields(tokenizer: Any) -> None:
    """Make a tuple of any iterable of labels, and Python's own scalars of NumPy's.

    They are written to JSON, and equal tokenizers must be equal.
    """
    for name in ("unknown", "end_of_document", "separator"):
        if name in tokenizer.__dict__:
            object.__setattr__(tokenizer, name, plain(getattr(tokenizer, name)))
    labels = tuple(several("labels", tokenizer.labels, "labels"))
    object.__setattr__(tokenizer, "labels", labels)


def check_characters(characters: object) -> None:
    """Refuse a vocabulary that is not a string, is empty, or repeats a character.

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
    if len(characters) > MAX_CHARACTERS:
        raise TokenizerError(
            f"a vocabulary of {len(characters):,} characters is more than "
            f"{MAX_CHARACTERS:,}, and more than Unicode assigns. Check that the input is "
            "text."
        )
    if len(set(characters)) < len(characters):
        repeated, _ = Counter(characters).most_common(1)[0]
        raise TokenizerError(
            f"{named(repeated)} is in the vocabulary more than once. List each character "
            "once."
        )
    if lone := surrogates(characters):
        raise TokenizerError(
            f"{named(lone[0])} is a lone surrogate, not a character, so it cannot be in a "
            "vocabulary. Decode the text with the right encoding."
        )


def check_normal_form(normalize: object) -> None:
    """Refuse an unknown normal form.

    >>> check_normal_form("nfd")
    Traceback (most recent call last):
    textgen.errors.TokenizerError: normalize='nfd' must be one of none, nfc, nfkc.
    """
    if not isinstance(normalize, str) or normalize not in NORMAL_FORMS:
        raise TokenizerError(
            f"normalize={shown(normalize)} must be one of {', '.join(NORMAL_FORMS)}."
        )


def check_labels(labels: object, normalize: str, *, end_of_document: bool) -> None:
    """Refuse labels that are malformed, unsorted or repeated.

    Args:
        labels: expected to be a sorted tuple of distinct strings.
        normalize: the normal form that each label must be in.
        end_of_document: whether documents are separated by an id, which labels need.

    Raises:
        TokenizerError: names the first label that is wrong.

    >>> check_labels(("b", "a"), "nfc", end_of_document=True)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: label 'a' comes after 'b'. ...
    """
    if not isinstance(labels, tuple) or not all(isinstance(x, str) for x in labels):
        raise TokenizerError(f"labels={shown(labels)} must be a tuple of strings.")
    if labels and not end_of_document:
        raise TokenizerError(
            "labels mark the beginnings of documents, so they need end_of_document=True."
        )
    check_num_labels(len(labels))
    for label in labels:
        _check_label(label, normalize)
    for before, label in pairwise(labels):
        if before >= label:
            raise TokenizerError(
                f"label {shown(label)} comes after {shown(before)}. Sort the labels and "
                "list each one once."
            )


def check_separator(separator: object, labels: object, *, end_of_document: bool) -> None:
    """Refuse a separator of prompts and completions beside labels, or without documents.

    >>> check_separator(True, ("sad",), end_of_document=True)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: documents have either labels or prompts ...
    """
    check_bool("separator", separator)
    if separator and not end_of_document:
        raise TokenizerError(
            "a separator divides documents, so it needs end_of_document=True."
        )
    if separator and labels:
        raise TokenizerError(
            "documents have either labels or prompts with completions. Leave out the "
            "labels, or put each into its prompt."
        )


def check_num_labels(number: int) -> None:
    """Refuse an implausible number of labels.

    >>> check_num_labels(10_001)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: 10,001 different labels are more than 10,000. ...
    """
    if number > MAX_LABELS:
        raise TokenizerError(
            f"{number:,} different labels are more than {MAX_LABELS:,}. A label names a "
            "kind of text that many documents share; leave the labels out if yours do not."
        )


def _check_label(label: str, normalize: str) -> None:
    if len(label) > MAX_LABEL_CHARS:
        raise TokenizerError(
            f"label {shown(label)} has {len(label):,} characters, more than "
            f"{MAX_LABEL_CHARS:,}. A label is a word or a phrase; check that it is not "
            "the text itself."
        )
    if not label or surrogates(label) or normalize_text(label, normalize) != label:
        raise TokenizerError(
            f"label {shown(label)} is empty, contains a lone surrogate, or is not in the "
            f"normal form {normalize!r}, so it could never be selected. Rename it."
        )


def gathered_labels(labels: Iterable[str], normalize: str) -> tuple[str, ...]:
    """Normalise, deduplicate and sort labels, as a tokenizer expects them.

    >>> gathered_labels(["sad", "glad", "sad"], "nfc")
    ('glad', 'sad')
    """
    distinct = set(several_texts("labels", labels))
    return tuple(sorted({normalize_text(label, normalize) for label in distinct}))


def unknown_label(label: str, labels: Sequence[str]) -> TokenizerError:
    """The error for a label that is not in `labels`; suggests the nearest one.

    >>> str(unknown_label("sat", ("glad", "sad")))
    "'sat' is not one of the 2 labels: 'glad', 'sad'. Did you mean 'sad'?"
    """
    if not labels:
        return TokenizerError(
            f"there is no label {shown(label)}: this model has no labels. Leave it out, or "
            "train on records that have labels (documents='records')."
        )
    known = few(list(map(shown, labels)), most=10)
    hint = did_you_mean(label, labels, show=shown)
    return TokenizerError(
        f"{shown(label)} is not one of the {len(labels):,} labels: {known}. {hint}".rstrip()
    )


def check_bool(name: str, value: object) -> None:
    """Refuse anything but True and False.

    >>> check_bool("unknown", 1)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: unknown=1 must be True or False.
    """
    if not isinstance(value, bool):
        raise TokenizerError(f"{name}={shown(value)} must be True or False.")


def unknown_characters_message(characters: Sequence[str], *, has_token: bool) -> str:
    """The message for characters outside the vocabulary.

    Args:
        has_token: whether the vocabulary has an unknown token.

    >>> unknown_characters_message("é", has_token=False)[:43]
    "not in the vocabulary: 'é' (U+00E9). Remove"
    """
    token = 'encode them as the unknown token with unknown="token", ' if has_token else ""
    return (
        f"not in the vocabulary: {few_characters(characters)}. Remove them from the text, "
        f'skip them with unknown="skip", {token}or train on text that contains them '
        '(tokenizer="byte" covers every character).'
    )
