"""From a person's words to a training task: options, text and vocabulary, made ready.

Nothing here needs Keras, so every mistake a person can make is found before the
framework is loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint import TrainingState, load_checkpoint, load_training_state
from textgen.config import (
    ModelConfig,
    TextConfig,
    TrainConfig,
    check_names,
    from_dict,
    pick,
    to_dict,
)
from textgen.errors import CheckpointError, ConfigError
from textgen.run_directory import RUNS, RunDirectory
from textgen.text.corpus import Corpus, Split, read_corpus, split
from textgen.text.lanes import Windows, windows
from textgen.text.tokenizer import ByteTokenizer, CharTokenizer
from textgen.text.vocabulary import gathered_labels
from textgen.training.size import size_options

Paths = str | Path | Sequence[str | Path]

# What may differ between a run and its resumption: how long, and what is shown.
MAY_CHANGE_ON_RESUME = {
    *("epochs", "max_minutes", "patience", "save_every", "save_minutes"),
    *("preview", "tensorboard"),
}
# A corpus may have 10,000 labels; the facts name the most frequent ones.
MOST_LABELS = 100


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
    """

    run: RunDirectory
    text: TextConfig
    model: ModelConfig
    train: TrainConfig
    tokenizer: CharTokenizer | ByteTokenizer
    windows: Windows
    val_ids: np.ndarray
    test_ids: np.ndarray
    ids_per_char: tuple[float, float, float]
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    resumed: TrainingState | None = None
    overwrite: bool = False


def default_out(paths: Paths) -> Path:
    """Where a run on these files goes when nothing else is asked for.

    >>> default_out("texts/my_book.txt").as_posix()
    'checkpoints/my_book'
    """
    first = str(paths if isinstance(paths, str | Path) else next(iter(paths), "text"))
    if first == "-":
        return RUNS / "stdin"
    path = Path(first).resolve()
    if set("*?[") & set(path.name):
        path = path.parent
    if path.suffix in (".gz", ".bz2", ".xz"):
        path = path.with_suffix("")
    return RUNS / (path.name if path.is_dir() else path.stem)


def new_task(
    paths: Paths,
    run: RunDirectory,
    size: str,
    options: dict[str, Any],
    *,
    overwrite: bool = False,
) -> Task:
    """Read the text and settle every option of a new run.

    Args:
        options: names and values of fields of the three configurations.

    Raises:
        ConfigError: an option is unknown or makes no sense.
        CheckpointError: `run` is in use and `overwrite` is not set.
        CorpusError: the text cannot be read or is too little.
    """
    _check_options(options)
    text = from_dict(TextConfig, pick(TextConfig, options))
    train = from_dict(TrainConfig, pick(TrainConfig, options))
    chosen = pick(ModelConfig, options)
    # Nonsense is refused before a large corpus is read.
    from_dict(ModelConfig, {"vocab_size": 1, **chosen})
    size_options(size, num_chars=0)
    run.check(overwrite=overwrite)

    corpus = read_corpus(paths, text)
    parts = split(corpus, text, train.seed)
    sized, why = size_options(size, sum(map(len, parts.train)), chosen.keys())
    tokenizer = make_tokenizer(corpus, text)
    model = from_dict(ModelConfig, {**sized, **chosen, "vocab_size": tokenizer.vocab_size})
    notes = (*corpus.notes, why) if sized else corpus.notes
    task = _task(run, text, model, train, tokenizer, corpus, parts, notes)
    return replace(task, overwrite=overwrite)


def resumed_task(paths: Paths, run: RunDirectory, options: dict[str, Any]) -> Task:
    """Read the text again and take up the options of a run that stopped.

    Args:
        options: may repeat what the run was begun with; only how long it goes on and
            what it shows may differ.

    Raises:
        CheckpointError: there is nothing to go on with, or text or options differ.
    """
    _check_options(options)
    if not run.holds_run():
        raise CheckpointError(
            f"{run.path}: there is no run to resume. Leave out --resume to begin one."
        )
    stored = load_checkpoint(run.last)
    state = load_training_state(run.last)
    try:
        text = from_dict(TextConfig, state.values.get("text", {}))
        # Runs from before the option existed were float32.
        stored_train = {"compute_dtype": "float32", **state.values.get("train", {})}
        train = from_dict(TrainConfig, stored_train)
    except ConfigError as error:
        raise CheckpointError(f"{run.last}: damaged training state ({error})") from error
    _check_same(options, {**to_dict(text), **to_dict(stored.model), **to_dict(train)})
    train = replace(train, **{k: options[k] for k in MAY_CHANGE_ON_RESUME & options.keys()})

    corpus = read_corpus(paths, text)
    if corpus.sha256 != stored.facts.get("text", {}).get("sha256"):
        raise CheckpointError(
            f"{run.path}: this run was trained on another text than "
            f"{', '.join(name for name, _ in corpus.sources[:3])}. Resume with the same "
            "text, or choose another --out to begin anew."
        )
    parts = split(corpus, text, train.seed)
    task = _task(
        run, text, stored.model, train, stored.tokenizer, corpus, parts, corpus.notes
    )
    return replace(task, resumed=state)


def make_tokenizer(corpus: Corpus, text: TextConfig) -> CharTokenizer | ByteTokenizer:
    """The vocabulary that a text and its configuration ask for."""
    end_of_document = text.documents != "whole"
    labels = corpus.labels or ()
    if text.tokenizer == "byte":
        return ByteTokenizer(
            normalize=text.normalize,
            end_of_document=end_of_document,
            labels=gathered_labels(labels, text.normalize),
        )
    return CharTokenizer.from_documents(
        corpus.documents,
        min_count=text.min_count,
        normalize=text.normalize,
        end_of_document=end_of_document,
        labels=labels,
    )


def _task(
    run: RunDirectory,
    text: TextConfig,
    model: ModelConfig,
    train: TrainConfig,
    tokenizer: CharTokenizer | ByteTokenizer,
    corpus: Corpus,
    parts: Split,
    notes: tuple[str, ...],
) -> Task:
    encode = tokenizer.encode_documents
    unknown = "token" if tokenizer.unknown_id is not None else "error"
    ids = [
        encode(documents, unknown, labels) if documents else np.empty(0, np.uint8)
        for documents, labels in zip(parts, parts.labels, strict=True)
    ]
    # Too little text is an error now, not after Keras is loaded.
    lanes = windows(ids[0], train.batch_size, train.seq_length)
    train = train.settled(len(lanes))
    per_char = (
        _ids_per_char(tokenizer, ids[0], parts.train),
        _ids_per_char(tokenizer, ids[1], parts.val),
        _ids_per_char(tokenizer, ids[2], parts.test),
    )
    facts = _facts(text, corpus, ids)
    return Task(
        run, text, model, train, tokenizer, lanes, ids[1], ids[2], per_char, facts, notes
    )


def _ids_per_char(
    tokenizer: CharTokenizer | ByteTokenizer, ids: np.ndarray, documents: Sequence[str]
) -> float:
    """Ids that are predicted for each character; the end of a document counts as one.

    A label counts as none: it is predicted, too, so its surprise is part of the score,
    but nobody reads it.
    """
    num_chars = sum(map(len, documents))
    num_ids = len(ids)
    if tokenizer.eod_id is not None:
        num_chars += len(documents)
        num_ids -= 1  # the leading one is read, not predicted
    return num_ids / num_chars if num_chars else 1.0


def _facts(text: TextConfig, corpus: Corpus, ids: Sequence[np.ndarray]) -> dict[str, Any]:
    return {
        **to_dict(text),
        # A corpus may have 100,000 files; the checkpoint names the first few.
        "sources": [name for name, _ in corpus.sources[:10]],
        "num_files": len(corpus.sources),
        "num_documents": corpus.num_documents,
        "num_chars": corpus.num_chars,
        "num_train": len(ids[0]),
        "num_val": len(ids[1]),
        "num_test": len(ids[2]),
        "sha256": corpus.sha256,
        **_label_facts(corpus),
    }


def _label_facts(corpus: Corpus) -> dict[str, Any]:
    """How many labels there are, and how many documents the most frequent ones have."""
    if corpus.labels is None:
        return {}
    counts = Counter(sorted(corpus.labels))
    return {"num_labels": len(counts), "labels": dict(counts.most_common(MOST_LABELS))}


def _check_options(options: Mapping[str, Any]) -> None:
    check_names(options, TextConfig, ModelConfig, TrainConfig)
    if "vocab_size" in options:
        raise ConfigError("vocab_size comes from the text. Leave it out.")


def _check_same(options: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    # `auto` was settled when the run began; timing it again could give another answer.
    options = {k: v for k, v in options.items() if (k, v) != ("compute_dtype", "auto")}
    differ = [
        f"{name}={value!r} (was {stored[name]!r})"
        for name, value in options.items()
        if name not in MAY_CHANGE_ON_RESUME and value != stored[name]
    ]
    if differ:
        raise ConfigError(
            f"a resumed run keeps its options, but these differ: {', '.join(differ)}. "
            "Leave them out, or choose another --out to begin anew."
        )
