"""Options for reading and splitting text: `TextConfig`."""

from __future__ import annotations

from dataclasses import dataclass

from textgen.config.fields import (
    check_at_least,
    check_fraction,
    check_types_and_choices,
    option,
)
from textgen.errors import ConfigError
from textgen.wording import shown


@dataclass(frozen=True)
class TextConfig:
    """How files are read, divided into documents, encoded, and split for training.

    >>> TextConfig(documents="lines").val_fraction
    0.1
    """

    encoding: str = option("utf-8", "Encoding of the files; invalid bytes are an error.")
    glob: str = option(
        "*.txt",
        "Files to read from directories; unless set, --documents records reads *.csv, "
        "*.tsv, *.jsonl and *.ndjson.",
    )
    normalize: str = option(
        "nfc", "Unicode normal form of the corpus and of prompts.", ("none", "nfc", "nfkc")
    )
    documents: str = option(
        "whole",
        "What one document is; a record has a text and optionally a label, or a prompt "
        "and a completion, of which only the completion is learned.",
        ("whole", "lines", "paragraphs", "files", "records"),
    )
    tokenizer: str = option(
        "char", "What one token is: a character or a UTF-8 byte.", ("char", "byte")
    )
    min_count: int = option(
        1, "Replace characters that occur fewer times by one unknown token."
    )
    val_fraction: float = option(0.1, "Fraction of the text held out for validation.")
    test_fraction: float = option(0.0, "Fraction of the text held out for a final test.")

    def __post_init__(self) -> None:
        check_types_and_choices(self)
        try:
            # `codecs.lookup` would also accept codecs that are not for text, such as hex.
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise ConfigError(
                f"encoding={shown(self.encoding)} is not a text encoding that Python "
                "knows. Try utf-8, utf-16, latin-1 or cp1252."
            ) from None
        try:
            self.glob.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"glob={shown(self.glob)} contains a lone surrogate, which a checkpoint "
                "cannot store. Use valid Unicode."
            ) from None
        check_at_least(self, 1, "min_count")
        check_fraction(self, "val_fraction", "test_fraction")
        if self.val_fraction == 0:
            raise ConfigError(
                "val_fraction must be above 0: early stopping needs text that the "
                "model was not trained on. Try 0.05."
            )
        if self.val_fraction + self.test_fraction >= 1:
            raise ConfigError(
                f"val_fraction={self.val_fraction} and test_fraction="
                f"{self.test_fraction} leave nothing to train on. Lower one of them."
            )
        if self.tokenizer == "byte" and self.min_count > 1:
            raise ConfigError(
                "min_count has no effect with tokenizer='byte', which knows all 256 "
                "bytes. Use only one of the two."
            )
