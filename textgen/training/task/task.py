"""From a person's words to a training task: options, text and vocabulary, made ready.

Nothing here needs Keras, so every mistake a person can make is found before the
framework is loaded.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checking.report import summary
from textgen.checkpoint.format import TrainingState
from textgen.checkpoint.runs import RUNS, RunDirectory
from textgen.config.fields import check_names, from_dict, pick, to_dict
from textgen.config.model import ModelConfig
from textgen.config.sizes import size_options
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError
from textgen.text.encoded.cache import Cache
from textgen.text.encoded.entry import EncodedCorpus, Part
from textgen.text.encoded.prepare import PreparedText, prepare_text
from textgen.text.encoded.scan import CorpusStats
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.text.encoded.windows import Windows, windows
from textgen.text.reading.sources import (
    STDIN,
    Source,
    decompressed_name,
    storable_name,
)
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.training.task.fine_tuning import Start, load_start

Paths = str | Path | Sequence[str | Path]
# A corpus may have 10,000 labels; the facts name the most frequent ones.
MOST_LABELS = 100
# The fact that names the checkpoint which a run began from.
INIT_FROM = "init_from"


@dataclass(frozen=True)
class Reading:
    """How text is read, without effect on what is learned.

    Args:
        cache_dir: where encoded text is kept; None takes the usual place.
        progress: whether long passes over the text show a bar on stderr.
    """

    cache_dir: str | Path | None = None
    progress: bool = False


READING = Reading()


@dataclass(frozen=True)
class Task:
    """All that a training needs to know before its first step.

    Args:
        windows: the text to learn from, cut into lanes.
        val_ids: `(num_chars,)` text to validate on.
        test_ids: `(num_chars,)` text for the very end; may be empty.
        ids_per_char: of the three texts; 1 unless a character has several ids (bytes).
        facts: JSON data about the text, kept in the checkpoint.
        notes: sentences a person should read before training begins.
        resumed: where an earlier session stopped, or None.
        overwrite: whether a run in the same place may be replaced.
        start: the checkpoint whose weights come first, or None.
    """

    run: RunDirectory
    text: TextConfig
    model: ModelConfig
    train: TrainConfig
    tokenizer: Tokenizer
    windows: Windows
    val_ids: np.ndarray
    test_ids: np.ndarray
    ids_per_char: tuple[float, float, float]
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    resumed: TrainingState | None = None
    overwrite: bool = False
    start: Start | None = None


def default_out(paths: Paths) -> Path:
    """Where a run on these files goes when nothing else is asked for.

    >>> default_out("texts/my_book.txt").as_posix()
    'checkpoints/my_book'
    """
    first = str(paths if isinstance(paths, str | Path) else next(iter(paths), "text"))
    if first == "-":
        return RUNS / "stdin"
    path = Path(first).resolve()
    # A pattern that is not a file itself: "texts/**/*.md" is named after `texts`.
    while set("*?[") & set(path.name) and not path.exists():
        path = path.parent
    path = Path(decompressed_name(str(path)))
    return RUNS / (path.name if path.is_dir() else path.stem)


def new_task(
    paths: Paths,
    run: RunDirectory,
    size: str,
    options: dict[str, Any],
    *,
    overwrite: bool = False,
    init_from: str | Path | None = None,
    reading: Reading = READING,
) -> Task:
    """Read the text and settle every option of a new run.

    Args:
        options: names and values of fields of the three configurations.
        init_from: a checkpoint whose weights are learned from on; its vocabulary grows
            by the text's new characters.
        reading: where encoded text is kept, and whether bars are shown.

    Raises:
        ConfigError: an option is unknown or makes no sense, or is not that of
            `init_from`.
        CheckpointError: `run` is in use and `overwrite` is not set, or `init_from`
            cannot be read.
        CorpusError: the text cannot be read or is too little.
    """
    check_options(options)
    start = None if init_from is None else load_start(init_from, size, options)
    settled = {} if start is None else start.text_options()
    text = from_dict(TextConfig, {**pick(TextConfig, options), **settled})
    train = from_dict(TrainConfig, pick(TrainConfig, options))
    chosen = pick(ModelConfig, options)
    # Nonsense is refused before a large corpus is read.
    from_dict(ModelConfig, {"vocab_size": 1, **chosen})
    size_options(size, num_chars=0)
    run.check(overwrite=overwrite)

    rule = VocabularyRule(None if start is None else start.tokenizer, grows=bool(start))
    prepared = prepare(paths, text, train.seed, [rule], reading)
    tokenizer = prepared.corpus.tokenizer
    if start is None:
        num_chars = prepared.corpus.train.num_chars
        sized, why = size_options(size, num_chars, chosen.keys())
        chosen = {**sized, **chosen, "vocab_size": tokenizer.vocab_size}
        task = make_task(run, text, from_dict(ModelConfig, chosen), train, prepared)
        notes = (*task.notes, why) if sized else task.notes
        return replace(task, notes=notes, overwrite=overwrite)
    model = replace(start.model, **chosen, vocab_size=tokenizer.vocab_size)
    task = make_task(run, text, model, train, prepared)
    return replace(
        task,
        notes=(*task.notes, start.note(tokenizer)),
        facts={**task.facts, INIT_FROM: storable_name(str(start.path))},
        overwrite=overwrite,
        start=start,
    )


def prepare(
    paths: Paths,
    text: TextConfig,
    seed: int,
    rules: Sequence[VocabularyRule],
    reading: Reading,
    check: Callable[[CorpusStats], None] = lambda stats: None,
) -> PreparedText:
    """Encode a text; the notes begin with a summary of it."""
    prepared = prepare_text(
        paths,
        text,
        seed,
        rules,
        check=check,
        cache=Cache(reading.cache_dir),
        progress=reading.progress,
    )
    corpus = prepared.corpus
    line = summary(corpus.stats, text, corpus.train.num_chars, _shown(paths, text))
    return replace(prepared, notes=(line, *prepared.notes))


def _shown(paths: Paths, text: TextConfig) -> str:
    """What a person named, as it is typed, with what was said of reading it."""
    named = [paths] if isinstance(paths, str | Path) else paths
    names = [str(path) for path in named]
    # Standard input cannot be read again, and many names are too long for one line.
    shown = "PATHS" if STDIN in names or len(names) > 3 else shlex.join(names)
    flags = [
        f" --{name.replace('_', '-')} {shlex.quote(str(value))}"
        for name, value in to_dict(text).items()
        if value != getattr(TextConfig, name)
    ]
    return shown + "".join(flags)


def make_task(
    run: RunDirectory,
    text: TextConfig,
    model: ModelConfig,
    train: TrainConfig,
    prepared: PreparedText,
) -> Task:
    """The task for an encoded text, its windows cut."""
    corpus = prepared.corpus
    # Too little text is an error now, not after Keras is loaded.
    lanes = windows(corpus.train.ids, train.batch_size, train.seq_length)
    parts = (corpus.train, corpus.val, corpus.test)
    train_rate, val_rate, test_rate = (_ids_per_char(corpus.tokenizer, p) for p in parts)
    return Task(
        run,
        text,
        model,
        train.resolved(len(lanes)),
        corpus.tokenizer,
        lanes,
        corpus.val.ids,
        corpus.test.ids,
        (train_rate, val_rate, test_rate),
        _facts(text, corpus, prepared.sources),
        prepared.notes,
    )


def _ids_per_char(tokenizer: Tokenizer, part: Part) -> float:
    """Ids that are predicted for each character; the end of a document counts as one.

    A label counts as none: it is predicted, too, so its surprise is part of the score,
    but nobody reads it.
    """
    num_chars, num_ids = part.num_chars, len(part.ids)
    if tokenizer.eod_id is not None:
        num_chars += part.num_documents
        num_ids -= 1  # the leading one is read, not predicted
    return num_ids / num_chars if num_chars else 1.0


def _facts(
    text: TextConfig, corpus: EncodedCorpus, sources: Sequence[Source]
) -> dict[str, Any]:
    """What the checkpoint keeps of the text.

    Args:
        sources: as they are named now; the cache may know them by other names.
    """
    stats = corpus.stats
    return {
        **to_dict(text),
        # A corpus may have 100,000 files; the checkpoint names the first few.
        "sources": [storable_name(sources[number].shown) for number in stats.files.sources],
        "num_files": stats.files.num_files,
        "num_documents": stats.num_documents,
        "num_chars": stats.num_chars,
        "num_train": len(corpus.train.ids),
        "num_val": len(corpus.val.ids),
        "num_test": len(corpus.test.ids),
        "sha256": stats.sha256,
        **_label_facts(stats),
    }


def _label_facts(stats: CorpusStats) -> dict[str, Any]:
    """How many labels there are, and how many documents the most frequent ones have."""
    if stats.labels is None:
        return {}
    counts = Counter(dict(sorted(stats.labels.items())))
    return {"num_labels": len(counts), "labels": dict(counts.most_common(MOST_LABELS))}


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse names that are no options of training."""
    check_names(options, TextConfig, ModelConfig, TrainConfig)
    if "vocab_size" in options:
        raise ConfigError("vocab_size comes from the text. Leave it out.")
