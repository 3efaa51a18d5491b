"""A training task: everything that `fit` needs before its first step.

Nothing in this folder needs Keras, so user errors are reported before the framework is
loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from textgen.checkpoint.format import TrainingState
from textgen.checkpoint.runs import RunDirectory
from textgen.config.model import ModelConfig
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.text.encoded.cache_entry import Part
from textgen.text.encoded.completions import Completions, completions_of
from textgen.text.encoded.prepare import PreparedText
from textgen.text.encoded.windows import Windows, windows
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.training.task.encoding import text_facts
from textgen.training.task.fine_tuning import BaseModel

COMPLETIONS_COUNT = (
    "Prompts are read; the loss and all scores are those of the completions alone."
)


@dataclass(frozen=True)
class Task:
    """What to train on, how, and where to write it.

    Args:
        windows: the training text, cut into lanes.
        val_ids: `(num_ids,)` validation text.
        test_ids: `(num_ids,)` test text; may be empty.
        num_chars: characters of each of the three texts; ends of documents are none.
        ids_per_char: average over what counts of each of the three texts; above 1 if
            characters take several bytes.
        facts: JSON data about the text, stored in the checkpoint.
        notes: sentences to print before training begins.
        resumed: the training state of an interrupted run, or None.
        trained_on: the Keras backend of that run, or None.
        overwrite: whether a run in the same directory may be replaced.
        base: the checkpoint to fine-tune, or None.
    """

    run: RunDirectory
    text: TextConfig
    model: ModelConfig
    train: TrainConfig
    tokenizer: Tokenizer
    windows: Windows
    val_ids: np.ndarray
    test_ids: np.ndarray
    num_chars: tuple[int, int, int]
    ids_per_char: tuple[float, float, float]
    facts: Mapping[str, object]
    notes: tuple[str, ...] = ()
    resumed: TrainingState | None = None
    trained_on: str | None = None
    overwrite: bool = False
    base: BaseModel | None = None


def build_task(
    run: RunDirectory,
    text: TextConfig,
    model: ModelConfig,
    train: TrainConfig,
    prepared: PreparedText,
) -> Task:
    """Cut an encoded text into windows, and resolve options that depend on its length.

    Raises:
        CorpusError: the training text is too short for one window.
    """
    corpus = prepared.corpus
    completions = completions_of(corpus.tokenizer)
    lanes = windows(corpus.train.ids, train.batch_size, train.seq_length, completions)
    parts = corpus.train, corpus.val, corpus.test
    rates = [_ids_per_char(corpus.tokenizer, part) for part in parts]
    return Task(
        run,
        text,
        model,
        train.resolved(len(lanes)),
        corpus.tokenizer,
        lanes,
        corpus.val.ids,
        corpus.test.ids,
        (corpus.train.num_chars, corpus.val.num_chars, corpus.test.num_chars),
        (rates[0], rates[1], rates[2]),
        text_facts(text, prepared),
        (*prepared.notes, *[COMPLETIONS_COUNT] * (completions is not None)),
    )


def _ids_per_char(tokenizer: Tokenizer, part: Part) -> float:
    """Predicted ids per character; the end of a document counts as a character.

    A label does not: it is predicted, so its cost is part of the score, but it is not
    part of the text.
    """
    if completions := completions_of(tokenizer):
        is_byte = isinstance(tokenizer, ByteTokenizer)
        return _bytes_per_char(part.ids, completions) if is_byte else 1.0
    num_chars, num_ids = part.num_chars, len(part.ids)
    if tokenizer.eod_id is not None:
        num_chars += part.num_documents
        num_ids -= 1  # the leading end of document is read, not predicted
    return num_ids / num_chars if num_chars else 1.0


def _bytes_per_char(ids: np.ndarray, completions: Completions) -> float:
    """Predicted ids per character of completions, whose ends count as a character."""
    num_ids = num_chars = 0
    for start in range(0, len(ids) - 1, _AT_ONCE):
        y = ids[start + 1 : start + 1 + _AT_ONCE]
        x = ids[np.newaxis, start : start + len(y)]
        counts = completions.weights(ids, np.array([start]), x)[0] > 0
        num_ids += int(counts.sum())
        # Every character has one byte that does not continue another.
        num_chars += int((counts & ((y < 0x80) | (y >= 0xC0))).sum())
    return num_ids / num_chars if num_chars else 1.0


_AT_ONCE = 1 << 20
