"""How files become documents and ids: `TextConfig`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from textgen.config.fields import (
    check_at_least,
    check_fraction,
    check_types_and_choices,
    option,
)
from textgen.errors import ConfigError
from textgen.wording import shown

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class TextConfig:
    """How files become documents, documents become ids, and what is held back.

    >>> TextConfig(documents="lines").val_fraction
    0.1
    """

    encoding: str = option("utf-8", "How the files are encoded; decoding is strict.")
    glob: str = option(
        "*.txt",
        "Which files of a directory are read; if unchanged, --documents records reads "
        "*.csv, *.tsv, *.jsonl and *.ndjson.",
    )
    normalize: str = option(
        "nfc", "Unicode normal form of corpus and prompts.", ("none", "nfc", "nfkc")
    )
    documents: str = option(
        "whole",
        "What counts as one document; a record has a text and may have a label.",
        ("whole", "lines", "paragraphs", "files", "records"),
    )
    tokenizer: str = option("char", "Unit of text.", ("char", "byte"))
    min_count: int = option(1, "Characters seen less often become one unknown token.")
    val_fraction: float = option(0.1, "Share of the text held back for validation.")
    test_fraction: float = option(0.0, "Share of the text never looked at in training.")

    def __post_init__(self) -> None:
        check_types_and_choices(self)
        try:
            # Not `codecs.lookup`, which also knows codecs that are no text, like hex.
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise ConfigError(
                f"encoding={shown(self.encoding)} is no text encoding that Python knows. "
                "Try utf-8, utf-16, latin-1 or cp1252."
            ) from None
        if _SURROGATE.search(self.glob):
            # It could not be stored in a checkpoint.
            raise ConfigError(f"glob={shown(self.glob)} holds what is no character.")
        check_at_least(self, 1, "min_count")
        check_fraction(self, "val_fraction", "test_fraction")
        if self.val_fraction == 0:
            raise ConfigError(
                "val_fraction must be above 0: early stopping needs text the model "
                "was not trained on. Try 0.05."
            )
        if self.val_fraction + self.test_fraction >= 1:
            raise ConfigError(
                f"val_fraction={self.val_fraction} and test_fraction="
                f"{self.test_fraction} leave nothing to train on. Lower one of them."
            )
        if self.tokenizer == "byte" and self.min_count > 1:
            raise ConfigError(
                "min_count has no meaning for tokenizer='byte', whose 256 symbols are "
                "all known. Leave one of the two out."
            )
