"""Tokenizers as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.stored import (
    check_keys,
    checked_version,
    damaged,
    stored_characters,
    stored_labels,
)
from textgen.wording import shown

Tokenizer: TypeAlias = CharTokenizer | ByteTokenizer


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
