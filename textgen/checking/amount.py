"""Findings about the amount of text: whether it is enough, and suits the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from textgen.checking.finding import Finding
from textgen.checking.survey import Survey
from textgen.config.flags import marked_as_flags
from textgen.config.model import ModelConfig
from textgen.config.sizes import LITTLE_CHARS
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import CorpusError
from textgen.text.encoded.scan import BlockLengths
from textgen.text.encoded.splitting import part_ends, parts_of
from textgen.text.encoded.windows import windows
from textgen.wording import count_of

LITTLE_HELD_OUT = 1_000
"""The score on fewer characters is mostly noise."""
MOST_HELD_OUT = 0.3
"""A larger share would be missing in the training text."""
# A model this many times larger than the usual one for a text memorises it.
_TOO_LARGE = 4


class Parts(NamedTuple):
    """Characters to train, validate and test on, and the documents to train on."""

    train: int
    val: int
    test: int
    train_documents: int = 1


def sizes_of(lengths: BlockLengths, config: TextConfig, seed: int) -> Parts:
    """The sizes of the parts that training splits a corpus into.

    Raises:
        CorpusError: too little text, or too few documents, for every part to have some.
    """
    if config.documents == "whole":
        train, val, test = np.diff((0, *part_ends(lengths.num_chars, config)))
        return Parts(int(train), int(val), int(test))
    blocks = lengths.total()
    part_of = parts_of(blocks, config.documents, config, seed)
    train, val, test = np.bincount(part_of, weights=blocks, minlength=3)
    # The last block may have fewer documents than the others.
    sizes = np.full(len(blocks), lengths.block_size)
    sizes[-1] -= sizes.sum() - lengths.num_documents
    return Parts(int(train), int(val), int(test), int(sizes[part_of == 0].sum()))


def _num_ids(parts: Parts, found: Survey) -> int:
    """The ids that the training text is encoded into; with bytes, an estimate."""
    config, stats = found.config, found.stats
    ids = parts.train
    if config.tokenizer == "byte":
        firsts = (0, 0x80, 0x800, 0x10000)
        num_bytes = sum(int(stats.counts[first:].sum()) for first in firsts)
        ids = round(ids * num_bytes / stats.num_chars)
    if config.documents != "whole":
        # The end of each document is an id, and so is its label.
        ids += 1 + parts.train_documents * (1 + (stats.labels is not None))
    return ids


def size_findings(found: Survey, parts: Parts, train: TrainConfig) -> Iterator[Finding]:
    """Findings about the sizes of the parts."""
    ids = _num_ids(parts, found)
    try:
        # For the error that training would raise; the array takes no memory.
        windows(np.broadcast_to(np.uint8(0), (ids,)), train.batch_size, train.seq_length)
    except CorpusError as error:
        yield Finding("error", "little text", marked_as_flags(str(error)))
        return
    if parts.train < LITTLE_CHARS:
        yield Finding(
            "warning",
            "little text",
            f"{count_of(parts.train, 'character')} to train on, fewer than "
            f"{LITTLE_CHARS:,}: the model learns words and rhythm, not sense, and repeats "
            "much of the text. textgen train uses settings for little text.",
            "If there is more text, add it.",
        )
    if parts.val < LITTLE_HELD_OUT:
        yield Finding(
            "warning",
            "little held out",
            f"{count_of(parts.val, 'character')} to validate on: so few that the score, "
            "which decides when training stops, is mostly noise.",
            _more_held_out(found.stats.num_chars),
        )


def _more_held_out(num_chars: int) -> str:
    fraction = LITTLE_HELD_OUT / num_chars + 0.0005
    if fraction > MOST_HELD_OUT:
        return "Add text, and judge by what the model writes."
    return f"Use --val-fraction {fraction:.3f} or more."


def model_findings(
    num_train: int, model: ModelConfig, usual: ModelConfig
) -> Iterator[Finding]:
    """A finding about a model that is too large for the text.

    Args:
        num_train: characters to train on.
        model: the one to be trained.
        usual: the one that `--size auto` chooses for as much text.
    """
    ratio = model.num_parameters / usual.num_parameters
    if ratio > _TOO_LARGE:
        yield Finding(
            "warning",
            "model too large",
            f"{model.num_parameters:,} parameters for {num_train:,} characters to train "
            f"on, {ratio:.0f} times as many as --size auto uses ({usual.num_layers} x "
            f"{usual.units} units): the model would memorise the text.",
            "Use --size auto, or add text.",
        )
