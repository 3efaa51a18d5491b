"""From a person's words to a training task: options, text and vocabulary, made ready.

Nothing here needs Keras, so every mistake a person can make is found before the
framework is loaded.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint import TrainingState, load_checkpoint, load_training_state
from textgen.config import (
    MOST,
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
from textgen.text.cache import Cache
from textgen.text.corpus import corpus_globs
from textgen.text.doctor import summary
from textgen.text.encoded import EncodedCorpus, Part
from textgen.text.files import (
    STDIN,
    find_files,
    shown_name,
    storable_name,
    without_repeats,
)
from textgen.text.growing import VocabularyRule
from textgen.text.lanes import Windows, windows
from textgen.text.notes import read_as_plain_text
from textgen.text.preparing import prepare_corpus
from textgen.text.scan import CorpusFacts
from textgen.text.tokenizer import Tokenizer
from textgen.training.fine_tuning import Start, load_start
from textgen.training.size import size_options

Paths = str | Path | Sequence[str | Path]

# What may differ between a run and its resumption: how long, and what is shown.
MAY_CHANGE_ON_RESUME = {
    *("epochs", "max_minutes", "patience", "save_every", "save_minutes"),
    *("preview", "tensorboard"),
}
# What runs did that were begun before these options existed.
BEFORE = {"compute_dtype": "float32", "eval_chars": MOST}
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
    _check_options(options)
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
    prepared = _prepare(paths, text, train.seed, [rule], reading)
    tokenizer = prepared.corpus.tokenizer
    if start is None:
        num_chars = prepared.corpus.train.num_chars
        sized, why = size_options(size, num_chars, chosen.keys())
        chosen = {**sized, **chosen, "vocab_size": tokenizer.vocab_size}
        task = _task(run, text, from_dict(ModelConfig, chosen), train, prepared)
        notes = (*task.notes, why) if sized else task.notes
        return replace(task, notes=notes, overwrite=overwrite)
    model = replace(start.model, **chosen, vocab_size=tokenizer.vocab_size)
    task = _task(run, text, model, train, prepared)
    return replace(
        task,
        notes=(*task.notes, start.note(tokenizer)),
        facts={**task.facts, INIT_FROM: storable_name(str(start.path))},
        overwrite=overwrite,
        start=start,
    )


def resumed_task(
    paths: Paths, run: RunDirectory, options: dict[str, Any], reading: Reading = READING
) -> Task:
    """Read the text again and take up the options of a run that stopped.

    Args:
        options: may repeat what the run was begun with; only how long it goes on and
            what it shows may differ.

    Raises:
        CheckpointError: there is nothing to go on with, or the text differs; it says in
            what.
        ConfigError: options differ; it names all of them.
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
        train = from_dict(TrainConfig, {**BEFORE, **state.values.get("train", {})})
    except ConfigError as error:
        raise CheckpointError(f"{run.last}: damaged training state ({error})") from error
    _check_same(options, {**to_dict(text), **to_dict(stored.model), **to_dict(train)})
    train = replace(train, **{k: options[k] for k in MAY_CHANGE_ON_RESUME & options.keys()})

    before = stored.facts.get("text", {})
    check = partial(_check_same_text, run, before)
    rules = [VocabularyRule(stored.tokenizer)]
    if INIT_FROM not in before:
        # A vocabulary that was learned from this text alone is in the cache as such.
        rules.insert(0, VocabularyRule())
    prepared = _prepare(paths, text, train.seed, rules, reading, check)
    task = _task(run, text, stored.model, train, prepared)
    kept = {INIT_FROM: before[INIT_FROM]} if INIT_FROM in before else {}
    return replace(task, resumed=state, facts={**task.facts, **kept})


@dataclass(frozen=True)
class _Prepared:
    """The encoded text, the names of its files, and sentences about them."""

    corpus: EncodedCorpus
    names: Sequence[str]
    notes: tuple[str, ...]


def _prepare(
    paths: Paths,
    text: TextConfig,
    seed: int,
    rules: Sequence[VocabularyRule],
    reading: Reading,
    check: Callable[[CorpusFacts], None] = lambda facts: None,
) -> _Prepared:
    """Encode a text by the first of some rules that gives the last one's vocabulary."""
    names, notes = without_repeats(find_files(paths, corpus_globs(text)))
    cache = Cache(reading.cache_dir)
    options: dict[str, Any] = {"check": check, "progress": reading.progress}
    with cache.spooled(names) as files:
        for rule in rules:
            corpus = prepare_corpus(files, text, seed, rule, cache=cache, **options)
            if rule == rules[-1] or corpus.tokenizer == rules[-1].base:
                break
    facts = corpus.facts
    line = summary(
        facts.counts,
        num_documents=facts.num_documents,
        num_files=facts.tally.num_files,
        quirks=facts.tally.quirks,
        config=text,
        num_train_chars=corpus.train.num_chars,
        shown_paths=_shown(paths, text),
    )
    notes.append(line)
    of_records = text.documents == "records"
    notes += corpus.facts.tally.sentences(of_records=of_records)
    notes += () if of_records else read_as_plain_text(names)
    return _Prepared(corpus, names, tuple(notes))


def _shown(paths: Paths, text: TextConfig) -> str:
    """What a person named, as it is typed, with what was said of reading it."""
    named = [paths] if isinstance(paths, str | Path) else paths
    names = [str(path) for path in named]
    # Standard input has gone by, and many names are too long for one line.
    shown = "PATHS" if STDIN in names or len(names) > 3 else shlex.join(names)
    flags = [
        f" --{name.replace('_', '-')} {shlex.quote(str(value))}"
        for name, value in to_dict(text).items()
        if value != getattr(TextConfig, name)
    ]
    return shown + "".join(flags)


def _task(
    run: RunDirectory,
    text: TextConfig,
    model: ModelConfig,
    train: TrainConfig,
    prepared: _Prepared,
) -> Task:
    corpus = prepared.corpus
    # Too little text is an error now, not after Keras is loaded.
    lanes = windows(corpus.train.ids, train.batch_size, train.seq_length)
    parts = (corpus.train, corpus.val, corpus.test)
    train_rate, val_rate, test_rate = (_ids_per_char(corpus.tokenizer, p) for p in parts)
    return Task(
        run,
        text,
        model,
        train.settled(len(lanes)),
        corpus.tokenizer,
        lanes,
        corpus.val.ids,
        corpus.test.ids,
        (train_rate, val_rate, test_rate),
        _facts(text, corpus, prepared.names),
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


def _facts(text: TextConfig, corpus: EncodedCorpus, names: Sequence[str]) -> dict[str, Any]:
    """What the checkpoint keeps of the text.

    Args:
        names: of the files as they are called now; the cache may know them otherwise.
    """
    facts = corpus.facts
    return {
        **to_dict(text),
        # A corpus may have 100,000 files; the checkpoint names the first few.
        "sources": [
            storable_name(shown_name(names[number])) for number in facts.tally.sources
        ],
        "num_files": facts.tally.num_files,
        "num_documents": facts.num_documents,
        "num_chars": facts.num_chars,
        "num_train": len(corpus.train.ids),
        "num_val": len(corpus.val.ids),
        "num_test": len(corpus.test.ids),
        "sha256": facts.sha256,
        **_label_facts(facts),
    }


def _label_facts(facts: CorpusFacts) -> dict[str, Any]:
    """How many labels there are, and how many documents the most frequent ones have."""
    if facts.labels is None:
        return {}
    counts = Counter(dict(sorted(facts.labels.items())))
    return {"num_labels": len(counts), "labels": dict(counts.most_common(MOST_LABELS))}


def _check_same_text(
    run: RunDirectory, before: Mapping[str, Any], now: CorpusFacts
) -> None:
    """Refuse to resume on another text, and say in what it differs.

    Args:
        before: what the checkpoint says of its text.
    """
    if now.sha256 == before.get("sha256"):
        return
    numbers = {
        "characters": (now.num_chars, before.get("num_chars")),
        "documents": (now.num_documents, before.get("num_documents")),
        "files": (now.tally.num_files, before.get("num_files")),
    }
    differ = [
        f"{new:,} {what} (was {old:,})"
        for what, (new, old) in numbers.items()
        if isinstance(old, int) and new != old
    ]
    shown = ", ".join(differ) or "as many characters, but not the same ones"
    raise CheckpointError(
        f"{run.path}: this run was trained on another text: {shown}. Resume with the same "
        "text; or learn on from its weights with --init-from and another --out."
    )


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
