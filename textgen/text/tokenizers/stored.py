"""What a stored tokenizer must look like; nothing in it is trusted.

Version 1 knew no labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from textgen.errors import TokenizerError
from textgen.text.tokenizers.checks import check_num_characters, check_num_labels
from textgen.wording import shown

FORMAT_VERSION = 2


def checked_version(version: object) -> int:
    """The version of a stored tokenizer, if it can be read here.

    >>> checked_version(1000)
    Traceback (most recent call last):
    textgen.errors.TokenizerError: the stored tokenizer has format_version=1000, ...
    """
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise damaged(f"format_version={shown(version)} must be a whole number from 1 on")
    if version > FORMAT_VERSION:
        raise TokenizerError(
            f"the stored tokenizer has format_version={version}, but this version of "
            f"textgen reads up to {FORMAT_VERSION}. Upgrade it: "
            "pip install --upgrade keras-textgen"
        )
    return version


def check_keys(data: Mapping[str, Any], template: Mapping[str, Any]) -> None:
    """Refuse data that have other names than `template`.

    >>> check_keys({"kind": "byte"}, {"kind": "byte", "labels": []})
    Traceback (most recent call last):
    textgen.errors.TokenizerError: the stored tokenizer is damaged: 'labels' is missing...
    """
    for name in data:
        if name not in template:
            raise damaged(f"{shown(name)} is no part of it; known: {', '.join(template)}")
    for name in template:
        if name not in data:
            raise damaged(f"{name!r} is missing")


def stored_labels(labels: object) -> tuple[str, ...]:
    """The labels of a list that JSON gave.

    >>> stored_labels(["glad", "sad"])
    ('glad', 'sad')
    """
    if not isinstance(labels, list):
        raise damaged(f"labels must be a list of strings, not {type(labels).__name__}")
    check_num_labels(len(labels))
    for position, label in enumerate(labels):
        if not isinstance(label, str):
            raise damaged(f"entry {position} of labels is {shown(label)}, not a string")
    if any(before >= label for before, label in pairwise(labels)):
        raise damaged("its labels must be sorted, each once")
    return tuple(labels)


def stored_characters(characters: object) -> str:
    """The characters of a list that JSON gave, as one string.

    >>> stored_characters(["a", "b"])
    'ab'
    """
    if not isinstance(characters, list):
        raise damaged(
            f"characters must be a list of strings, not {type(characters).__name__}"
        )
    check_num_characters(len(characters))
    for position, character in enumerate(characters):
        if not isinstance(character, str) or len(character) != 1:
            raise damaged(
                f"entry {position} of characters is {shown(character)}, not one character"
            )
    return "".join(characters)


def damaged(what: str) -> TokenizerError:
    """The error for a stored tokenizer that cannot be what was written.

    >>> str(damaged("it is a list"))
    'the stored tokenizer is damaged: it is a list. Restore it from a copy.'
    """
    return TokenizerError(
        f"the stored tokenizer is damaged: {what}. Restore it from a copy."
    )
