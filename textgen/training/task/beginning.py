"""What a new run begins with: random weights, a checkpoint, or the base model if it pays.

A network that has read English predicts an English text well before it has read any of it,
and learns the rest from few characters. Any other text it predicts much worse than counts
of n-grams of the text itself do, and that is how the two are told apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint.bases import AUTO, ENGLISH, NONE, bundled_base
from textgen.config.text import TextConfig
from textgen.errors import CheckpointError
from textgen.generation.network.network import Network
from textgen.generation.scoring.protocols import nats_of_rows
from textgen.text.encoded.cache_entry import EncodedCorpus
from textgen.text.encoded.vocabulary_rule import VocabularyRule, corresponding_ids, grown
from textgen.training.task.expectation import bits_of_ngrams
from textgen.training.task.fine_tuning import NETWORK_OPTIONS, BaseModel, load_base
from textgen.wording import one_line

WORTH = 1.4
"""The base pays if its bits per character are at most this many times those of n-grams.

Measured by benchmarks/bases.py.
"""

LONG_CHARS, WORTH_LONG = 500_000, 0.9
"""From more training characters a smaller network learns much in the same time: there, the
base has to know the text better."""

MOST_CHARS = 2_000_000
"""Longer texts have not been measured; they begin from nothing."""

ENGLISH_BITS = 3.0
"""With fewer under the base model, a text is so much like English that a person may wonder
why the base was not taken."""

LEAST_HELD_OUT = 64
"""In fewer ids the n-grams of a text cannot be judged."""

NUM_ROWS, ROW_IDS, WARM_UP = 16, 256, 32
"""The stretches of text that the base is scored on, after some characters that it reads."""


@dataclass
class Beginning:
    """The weights that a new run begins with.

    Args:
        base: the model to fine-tune; None to begin from nothing.
        offered: a base model that `decide` takes if the text is like what it has read.
        is_alike: whether it has done so.
        notes: sentences about it.
    """

    base: BaseModel | None = None
    offered: BaseModel | None = None
    is_alike: bool = False
    notes: tuple[str, ...] = ()

    @property
    def rule(self) -> VocabularyRule:
        """How to build the vocabulary."""
        if self.base is None:
            return VocabularyRule()
        return VocabularyRule(self.base.checkpoint.tokenizer, grows=True)

    def decide(self, corpus: EncodedCorpus, text: TextConfig) -> VocabularyRule | None:
        """Take the base that is offered, or not; the rule with it, if it is taken.

        Args:
            corpus: encoded with `rule`.
        """
        offered, self.offered = self.offered, None
        if offered is None:
            return None
        most = _most_bits(corpus)
        bits = _bits_before(offered, corpus, text) if most > 0 else math.inf
        if bits > most:
            if bits < ENGLISH_BITS:
                self.notes += (
                    "Begins from nothing, as this text soon teaches more than the base "
                    f"model {offered.name} knows of it ({bits:.1f} bits per character). To "
                    f"begin with that model all the same: --init-from {offered.name}.",
                )
            return None
        self.base, self.is_alike = offered, True
        self.notes += (
            f"Begins with the base model {offered.name}, which predicts samples of "
            f"this text at {bits:.1f} bits per character before it has read any of it. To "
            "begin from nothing: --init-from none.",
        )
        return self.rule


def beginning(
    init_from: str | Path | None, size: str, values: Mapping[str, Any], text: TextConfig
) -> Beginning:
    """What a run begins with, as far as its options say.

    Args:
        init_from: a checkpoint, `auto` or `none`; None is `none`.
        size, values: of the new run, as for `load_base`.
        text: options, with their defaults.

    Raises:
        CheckpointError, ConfigError: as for `load_base`, for a checkpoint that was named.
    """
    if init_from is None or str(init_from) == NONE:
        return Beginning()
    if str(init_from) != AUTO:
        return Beginning(load_base(init_from, size, values))
    if size != "auto" or not _leaves_open(values, text):
        return Beginning()
    path = bundled_base(ENGLISH)
    try:
        return Beginning(offered=load_base(path, size, {}))
    except CheckpointError as error:
        return Beginning(notes=(f"Begins without a base model. {one_line(str(error))}",))


def _leaves_open(values: Mapping[str, Any], text: TextConfig) -> bool:
    """Whether the options suit any base: neither network nor vocabulary is asked for."""
    default = TextConfig()
    return NETWORK_OPTIONS.isdisjoint(values) and (
        text.tokenizer,
        text.normalize,
        text.min_count,
    ) == (
        default.tokenizer,
        default.normalize,
        default.min_count,
    )


def _most_bits(corpus: EncodedCorpus) -> float:
    """Bits per character up to which a base pays.

    Zero for a text that is longer than any measured, or whose held-out part is too short
    to tell.
    """
    ids, held_out, num_chars = corpus.train.ids, corpus.val.ids, corpus.train.num_chars
    if num_chars > MOST_CHARS or len(held_out) < LEAST_HELD_OUT:
        return 0.0
    worth = WORTH if num_chars <= LONG_CHARS else WORTH_LONG
    return worth * bits_of_ngrams(ids, held_out, corpus.tokenizer)


def _bits_before(base: BaseModel, corpus: EncodedCorpus, text: TextConfig) -> float:
    """Bits per character of the training text under a base that has not read it.

    Infinity for a text that is too short to score it.
    """
    num_ids = len(corpus.train.ids)
    length = min(ROW_IDS, num_ids - 1)
    if length <= WARM_UP:
        return math.inf
    tokenizer = grown(base.checkpoint.tokenizer, corpus.stats, text)
    model = base.model(tokenizer, {})
    network = Network(model, base.weights(tokenizer, model))
    ids = corresponding_ids(corpus.tokenizer, tokenizer)
    starts = np.linspace(0, num_ids - 1 - length, NUM_ROWS, dtype=int)
    rows = [ids[corpus.train.ids[start : start + length + 1]] for start in starts]
    nats = nats_of_rows(network, [row[:-1] for row in rows], [row[1:] for row in rows])
    return float(np.mean([row[WARM_UP:] for row in nats]) / math.log(2))
