"""Read tokenizers stored as JSON; nothing in the data is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeAlias

from textgen.errors import TokenizerError
from textgen.text.tokenizers.base import FORMAT_VERSION
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.checks import check_num_characters, check_num_labels
from textgen.wording import is_whole_number, newer_format, shown

Tokenizer: TypeAlias = CharTokenizer | ByteTokenizer


def tokenizer_from_dict(data: Mapping[str, Any]) -> Tokenizer:
    """Build the tokenizer that `to_dict` described.

    Args:
        data: parsed JSON.

    Raises:
        TokenizerError: the data come from another version or are damaged; the message
            names the entry.

    >>> tokenizer_from_dict(CharTokenizer("ab").to_dict()) == CharTokenizer("ab")
    True
    """
    if not isinstance(data, Mapping):
        raise _damaged(f"expected a JSON object, not {type(data).__name__}")
    _check_version(data.get("format_version"))
    kind = data.get("kind")
    if kind == "char":
        _check_keys(data, CharTokenizer("a").to_dict())
    elif kind == "byte":
        _check_keys(data, ByteTokenizer().to_dict())
    else:
        raise _damaged(f"kind={shown(kind)} must be 'char' or 'byte'")
    options = {k: v for k, v in data.items() if k not in ("format_version", "kind")}
    options["labels"] = _labels(data["labels"])
    if kind == "byte":
        return ByteTokenizer(**options)
    return CharTokenizer(_characters(options.pop("characters")), **options)


def _check_version(version: object) -> None:
    if is_whole_number(version, least=FORMAT_VERSION + 1):
        raise TokenizerError(newer_format("the stored tokenizer", version, FORMAT_VERSION))
    if not is_whole_number(version, least=FORMAT_VERSION):
        raise _damaged(f"format_version={shown(version)} must be {FORMAT_VERSION}")


def _check_keys(data: Mapping[str, Any], template: Mapping[str, Any]) -> None:
    for name in data:
        if name not in template:
            raise _damaged(f"unexpected {shown(name)}; expected {', '.join(template)}")
    for name in template:
        if name not in data:
            raise _damaged(f"{name!r} is missing")


def _labels(labels: object) -> tuple[str, ...]:
    if not isinstance(labels, list):
        raise _damaged(f"labels must be a list of strings, not {type(labels).__name__}")
    check_num_labels(len(labels))
    for position, label in enumerate(labels):
        if not isinstance(label, str):
            raise _damaged(f"entry {position} of labels is {shown(label)}, not a string")
    if any(before >= label for before, label in pairwise(labels)):
        raise _damaged("labels must be sorted and unique")
    return tuple(labels)


def _characters(characters: object) -> str:
    if not isinstance(characters, list):
        raise _damaged(
            f"characters must be a list of strings, not {type(characters).__name__}"
        )
    check_num_characters(len(characters))
    for position, character in enumerate(characters):
        if not isinstance(character, str) or len(character) != 1:
            raise _damaged(
                f"entry {position} of characters is {shown(character)}, not one character"
            )
    return "".join(characters)


def _damaged(what: str) -> TokenizerError:
    return TokenizerError(
        f"the stored tokenizer is damaged: {what}. Restore it from a backup."
    )
