"""Whether there is enough text for what is to be trained, and whether it fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from textgen.checking.finding import Finding
from textgen.checking.survey import Survey
from textgen.config.model import ModelConfig
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import CorpusError
from textgen.text.encoded.scan import BlockLengths
from textgen.text.encoded.splitting import part_ends, parts_of
from textgen.text.encoded.windows import windows
from textgen.wording import count_of, percent

LITTLE_CHARS = 10_000
"""A model trained on less can do little but repeat it."""
LITTLE_HELD_OUT = 1_000
"""The score of fewer held-out characters is mostly chance."""
_LONG_LINE = 20_000
# A model so many times larger than the usual one for a text learns it by heart.
_TOO_LARGE = 4


class Parts(NamedTuple):
    """Characters and documents of the text to train, to validate and to test on."""

    train: int
    val: int
    test: int
    train_documents: int = 1


def sizes_of_whole(num_chars: int, config: TextConfig) -> Parts:
    """How much training would learn from and hold back of one whole text.

    Raises:
        CorpusError: too little text for every part to have some.

    >>> sizes_of_whole(100, TextConfig(val_fraction=0.25))
    Parts(train=75, val=25, test=0, train_documents=1)
    """
    train, val, test = np.diff((0, *part_ends(num_chars, config))).tolist()
    return Parts(train, val, test)


def sizes_of_parts(lengths: BlockLengths, config: TextConfig, seed: int) -> Parts:
    """How much training would learn from and hold back of documents of these lengths.

    Raises:
        CorpusError: too few documents for every part to have some.

    >>> lengths = BlockLengths(most_blocks=4)
    >>> lengths.add([5] * 7, [True] * 7)
    >>> sizes_of_parts(lengths, TextConfig(documents="lines"), seed=1)
    Parts(train=25, val=10, test=0, train_documents=5)
    """
    blocks = lengths.total()
    part_of = parts_of(blocks, config.documents, config, seed)
    train, val, test = np.bincount(part_of, weights=blocks, minlength=3).tolist()
    # The last block may have fewer documents than the others.
    sizes = np.full(len(blocks), lengths.block_size)
    sizes[-1] -= sizes.sum() - lengths.num_documents
    return Parts(int(train), int(val), int(test), int(sizes[part_of == 0].sum()))


def num_ids(parts: Parts, found: Survey) -> int:
    """Into how many ids the text to train on is encoded; of bytes, about as many."""
    config = found.config
    ids = parts.train
    if config.tokenizer == "byte":
        counts = found.counts
        num_bytes = sum(int(counts[start:].sum()) for start in (0, 0x80, 0x800, 0x10000))
        ids = round(ids * num_bytes / found.num_chars)
    if config.documents != "whole":
        # The end of each document is an id, too, and so is its label.
        ids += 1 + parts.train_documents * (1 + found.has_labels)
    return ids


def size_findings(found: Survey, parts: Parts, train: TrainConfig) -> Iterator[Finding]:
    """Findings about the amount of text and how it is cut."""
    ids = num_ids(parts, found)
    try:
        # One number, seen as many, for the error that training would give.
        windows(np.broadcast_to(np.uint8(0), (ids,)), train.batch_size, train.seq_length)
    except CorpusError as error:
        yield Finding("error", "little text", f"{error}", data={"num_train": ids})
        return
    if parts.train < LITTLE_CHARS:
        yield Finding(
            "warning",
            "little text",
            f"{count_of(parts.train, 'character')} to train on: a model learns so few by "
            "heart and does little but repeat them.",
            f"Add text; from {LITTLE_CHARS:,} on it begins to be of use.",
            {"num_train": parts.train},
        )
    elif parts.val < LITTLE_HELD_OUT:
        wanted = LITTLE_HELD_OUT / found.num_chars
        yield Finding(
            "warning",
            "little held out",
            f"{count_of(parts.val, 'character')} to validate on: the score of so few is "
            "mostly chance, and training stops by it.",
            f"Use --val-fraction {wanted + 0.0005:.3f} or more.",
            {"num_val": parts.val},
        )


def shape_findings(found: Survey) -> Iterator[Finding]:
    """Findings about lines and documents of an odd size."""
    kind = found.config.documents
    documents = found.documents
    is_giant = documents.longest > documents.num_chars / 2 and documents.num_chars > 2000
    if kind != "whole" and documents.count > 1 and is_giant:
        yield Finding(
            "warning",
            "one giant document",
            f"one of {documents.count:,} documents has {documents.longest:,} characters, "
            f"{percent(documents.longest, documents.num_chars)} of the text; documents are "
            "held back as a whole.",
            f"Look whether --documents {kind} is what is meant; --documents whole cuts the "
            "text anywhere.",
            {"longest_document": documents.longest},
        )
    if found.text.longest_line > _LONG_LINE and kind not in ("lines", "records"):
        yield Finding(
            "remark",
            "long lines",
            f"the longest line has {found.text.longest_line:,} characters "
            f"({found.text.longest_line_place}).",
            "That is as it should be for text without lines; else it has lost them.",
            {"longest_line": found.text.longest_line},
        )


def model_findings(
    num_train: int, model: ModelConfig, usual: ModelConfig
) -> Iterator[Finding]:
    """Findings about a model against the text.

    Args:
        num_train: characters to train on.
        model: what was chosen.
        usual: what `--size auto` takes for as much text.
    """
    chosen, best = model.num_parameters, usual.num_parameters
    if chosen > _TOO_LARGE * best:
        yield Finding(
            "warning",
            "model too large",
            f"{chosen:,} parameters for {num_train:,} characters to train on, "
            f"{chosen / best:.0f} times as many as --size auto takes "
            f"({usual.num_layers} x {usual.units} units): it would learn it by heart.",
            "Use --size auto, or add text.",
            {"num_parameters": chosen, "usual_num_parameters": best},
        )
