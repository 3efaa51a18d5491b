"""Read tokenizers stored as JSON; nothing in the data is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from textgen.errors import TokenizerError
from textgen.text.tokenizers.base import FORMAT_VERSION, OLDEST_VERSION
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
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
    # Only what has a separator says so.
    data = {"separator": False, **data}
    kind = data.get("kind")
    if kind == "char":
        _check_keys(data, CharTokenizer("a", **_ALL).to_dict())
    elif kind == "byte":
        _check_keys(data, ByteTokenizer(**_ALL).to_dict())
    else:
        raise _damaged(f"kind={shown(kind)} must be 'char' or 'byte'")
    options = {k: v for k, v in data.items() if k not in ("format_version", "kind")}
    options["labels"] = tuple(_strings("labels", data["labels"]))
    if kind == "byte":
        return ByteTokenizer(**options)
    characters = _strings("characters", options.pop("characters"), of_one=True)
    return CharTokenizer("".join(characters), **options)


_ALL: dict[str, Any] = {"end_of_document": True, "separator": True}
"""Options of a tokenizer that stores every entry."""


def _check_version(version: object) -> None:
    if is_whole_number(version, least=FORMAT_VERSION + 1):
        raise TokenizerError(newer_format("the stored tokenizer", version, FORMAT_VERSION))
    if not is_whole_number(version, least=OLDEST_VERSION):
        raise _damaged(
            f"format_version={shown(version)} must be {OLDEST_VERSION} or {FORMAT_VERSION}"
        )


def _check_keys(data: Mapping[str, Any], template: Mapping[str, Any]) -> None:
    for name in data:
        if name not in template:
            raise _damaged(f"unexpected {shown(name)}; expected {', '.join(template)}")
    for name in template:
        if name not in data:
            raise _damaged(f"{name!r} is missing")


def _strings(name: str, values: object, *, of_one: bool = False) -> list[str]:
    """Check the list `name`, whose strings have one character each if `of_one`."""
    if not isinstance(values, list):
        raise _damaged(f"{name} must be a list of strings, not {type(values).__name__}")
    for position, value in enumerate(values):
        if not isinstance(value, str) or (of_one and len(value) != 1):
            what = "one character" if of_one else "a string"
            raise _damaged(f"entry {position} of {name} is {shown(value)}, not {what}")
    return values


def _damaged(what: str) -> TokenizerError:
    return TokenizerError(
        f"the stored tokenizer is damaged: {what}. Restore it from a backup."
    )
