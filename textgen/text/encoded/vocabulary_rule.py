"""The vocabulary for a corpus: learned from it, given, or extended with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.encoded.scan import CorpusStats
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.checks import gathered_labels
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.text.unicode.code_points import (
    SEPARATOR,
    characters_of,
    code_bytes,
    code_points,
)


@dataclass(frozen=True)
class VocabularyRule:
    """How to make the tokenizer for a corpus.

    Args:
        base: None to learn the vocabulary from the corpus alone.
        grows: whether new characters and labels of the corpus are added to `base`, or
            it is used unchanged.
    """

    base: Tokenizer | None = None
    grows: bool = False

    def tokenizer(self, stats: CorpusStats, text: TextConfig) -> Tokenizer:
        """The tokenizer for a corpus.

        Raises:
            TokenizerError: `min_count` leaves no character, or two labels are equal in
                normal form.
        """
        if self.base is None:
            return learned(stats, text)
        return grown(self.base, stats, text) if self.grows else self.base

    def to_dict(self) -> dict[str, Any]:
        """The rule as plain data, for the key of the cache."""
        base = None if self.base is None else self.base.to_dict()
        return {"base": base, "grows": self.grows}


def learned(stats: CorpusStats, text: TextConfig) -> Tokenizer:
    """The tokenizer whose vocabulary is learned from a text.

    Raises:
        TokenizerError: `min_count` leaves no character, or there are too many labels.
    """
    labels = gathered_labels(stats.labels or (), text.normalize)
    end_of_document = text.documents != "whole"
    separator = has_completions(stats, text)
    if text.tokenizer == "byte":
        return ByteTokenizer(
            normalize=text.normalize,
            end_of_document=end_of_document,
            labels=labels,
            separator=separator,
        )
    return CharTokenizer.from_counts(
        stats.counts,
        min_count=text.min_count,
        normalize=text.normalize,
        end_of_document=end_of_document,
        labels=labels,
        separator=separator,
    )


def has_completions(stats: CorpusStats, text: TextConfig) -> bool:
    """Whether the documents are prompts and their completions."""
    # Records with a text that contains it are refused; in other texts it is a character.
    return text.documents == "records" and stats.counts[ord(SEPARATOR)] > 0


def grown(base: Tokenizer, stats: CorpusStats, text: TextConfig) -> Tokenizer:
    """Extend a tokenizer with the new characters and labels of a text.

    New characters follow the old ones, in the order of their code points; those that
    occur less often than `min_count` become the unknown token. Ids may change, since
    special tokens come first: `corresponding_ids` maps them.

    Args:
        base: its kind and normal form are kept.
        stats: of the new text, in that normal form.
        text: `documents` and `min_count`.

    Raises:
        CorpusError: the text has no completions, but `base` learned from completions.
        TokenizerError: either of them has labels, and the other completions.
    """
    separator = has_completions(stats, text)
    if base.separator and not separator:
        raise CorpusError(
            "the model to be fine-tuned learned to complete prompts, but this text has "
            "none. Use records with 'prompt' and 'completion', and `documents='records'`."
        )
    end_of_document = base.end_of_document or text.documents != "whole"
    labels = gathered_labels([*base.labels, *(stats.labels or ())], base.normalize)
    if isinstance(base, ByteTokenizer):
        return replace(
            base, end_of_document=end_of_document, labels=labels, separator=separator
        )
    counts = stats.counts.copy()
    if separator:
        counts[ord(SEPARATOR)] = 0
    counts[code_points(code_bytes(base.characters))] = 0
    new = np.flatnonzero(counts >= text.min_count)
    is_complete = len(new) == np.count_nonzero(counts)
    return replace(
        base,
        characters=base.characters + characters_of(new),
        unknown=base.unknown or not is_complete,
        end_of_document=end_of_document,
        labels=labels,
        separator=separator,
    )


def corresponding_ids(new: Tokenizer, old: Tokenizer) -> np.ndarray:
    """For each id of `new`, the id of `old` with the same meaning, or -1.

    Args:
        new, old: both of characters, or both of bytes.

    Returns:
        `(new.vocab_size,)` int64.

    >>> old = CharTokenizer("ab")
    >>> corresponding_ids(CharTokenizer("abc", end_of_document=True), old).tolist()
    [-1, 0, 1, -1]
    """
    places = np.full(new.vocab_size, -1)
    pairs = [
        (new.eod_id, old.eod_id),
        (new.unknown_id, old.unknown_id),
        (new.separator_id, old.separator_id),
    ]
    both = set(old.labels) & set(new.labels)
    pairs += [(new.label_id(label), old.label_id(label)) for label in both]
    for new_id, old_id in pairs:
        if new_id is not None and old_id is not None:
            places[new_id] = old_id
    if isinstance(old, CharTokenizer) and isinstance(new, CharTokenizer):
        old_places = {character: place for place, character in enumerate(old.characters)}
        for place, character in enumerate(new.characters):
            if character in old_places:
                places[new.num_special + place] = old.num_special + old_places[character]
    else:
        places[:256] = np.arange(256)
    return places
