"""The vocabulary for a corpus: learned from it, taken as it is, or grown by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textgen.config.text import TextConfig
from textgen.text.encoded.scan import CorpusFacts
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.checks import gathered_labels
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.text.unicode.code_points import characters_of, code_bytes, code_points


@dataclass(frozen=True)
class VocabularyRule:
    """How a corpus and its configuration become a tokenizer.

    Args:
        base: None to learn a vocabulary from the corpus alone.
        grows: whether `base` takes in the corpus' new characters and labels; else it
            stays as it is.
    """

    base: Tokenizer | None = None
    grows: bool = False

    def tokenizer(self, facts: CorpusFacts, text: TextConfig) -> Tokenizer:
        """The tokenizer for a corpus.

        Raises:
            TokenizerError: no character is left to learn, or labels that cannot be told
                apart.
        """
        if self.base is None:
            return learned(facts, text)
        return grown(self.base, facts, text) if self.grows else self.base

    def to_dict(self) -> dict[str, Any]:
        """The rule as plain data: equal rules, equal data."""
        base = None if self.base is None else self.base.to_dict()
        return {"base": base, "grows": self.grows}


def learned(facts: CorpusFacts, text: TextConfig) -> Tokenizer:
    """The vocabulary that a text and its configuration ask for.

    Raises:
        TokenizerError: no character is left to learn, or too many labels.
    """
    labels = gathered_labels(facts.labels or (), text.normalize)
    end_of_document = text.documents != "whole"
    if text.tokenizer == "byte":
        return ByteTokenizer(
            normalize=text.normalize, end_of_document=end_of_document, labels=labels
        )
    return CharTokenizer.from_counts(
        facts.counts,
        min_count=text.min_count,
        normalize=text.normalize,
        end_of_document=end_of_document,
        labels=labels,
    )


def grown(base: Tokenizer, facts: CorpusFacts, text: TextConfig) -> Tokenizer:
    """`base` with what a text has beyond it; everything it knew keeps its meaning.

    New characters stand behind the old ones, in the order of their code points; those
    seen less often than `min_count` become the unknown token. Ids may move, since special
    tokens come first: `corresponding_ids` says where to.

    Args:
        base: its kind and normal form stay.
        facts: of the new text, in that normal form.
        text: `documents` and `min_count`.
    """
    end_of_document = base.end_of_document or text.documents != "whole"
    labels = gathered_labels([*base.labels, *(facts.labels or ())], base.normalize)
    if isinstance(base, ByteTokenizer):
        return replace(base, end_of_document=end_of_document, labels=labels)
    counts = facts.counts.copy()
    counts[code_points(code_bytes(base.characters))] = 0
    new = np.flatnonzero(counts >= text.min_count)
    is_complete = len(new) == np.count_nonzero(counts)
    return replace(
        base,
        characters=base.characters + characters_of(new),
        unknown=base.unknown or not is_complete,
        end_of_document=end_of_document,
        labels=labels,
    )


def corresponding_ids(new: Tokenizer, old: Tokenizer) -> np.ndarray:
    """For each id of `new`, the id of `old` that means the same, or -1.

    Args:
        new: what `grown` made of `old`.

    Returns:
        `(new.vocab_size,)` int64.

    >>> old = CharTokenizer("ab")
    >>> corresponding_ids(CharTokenizer("abc", end_of_document=True), old).tolist()
    [-1, 0, 1, -1]
    """
    places = np.full(new.vocab_size, -1)
    pairs = [(new.eod_id, old.eod_id), (new.unknown_id, old.unknown_id)]
    pairs += [(new.label_id(label), old.label_id(label)) for label in old.labels]
    for new_id, old_id in pairs:
        if new_id is not None and old_id is not None:
            places[new_id] = old_id
    if isinstance(old, CharTokenizer) and isinstance(new, CharTokenizer):
        num_old = len(old.characters)
        first = new.num_special
        places[first : first + num_old] = old.num_special + np.arange(num_old)
    else:
        places[:256] = np.arange(256)
    return places
