"""The text of a training task: encoded, and described for messages and checkpoints."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from textgen.checking.report import summary
from textgen.checkpoint.format import checkpoint_directory, load_config
from textgen.checkpoint.origin import trained_files
from textgen.checkpoint.runs import RUNS, run_of
from textgen.config.arguments import several_paths
from textgen.config.text import TextConfig
from textgen.disk.names import shareable_name
from textgen.errors import CheckpointError, CorpusError
from textgen.text.encoded.cache import Cache
from textgen.text.encoded.cache_entry import EncodedCorpus
from textgen.text.encoded.prepare import LEARN, PreparedText, prepare_text
from textgen.text.encoded.scan import CorpusStats
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.text.reading.reader import corpus_sources
from textgen.text.reading.sources import STDIN, Paths, storable_name

MAX_LABELS = 100
"""Labels listed in a checkpoint, most frequent first: a corpus may have 10,000."""

MOST_NAMES = 3
"""Files that a command in a message names."""


@dataclass(frozen=True)
class ReadSettings:
    """Settings for reading text that do not affect the trained model.

    Args:
        cache_dir: where encoded text is stored; None selects the default directory.
        workers: how many processes encode it, as for `passes_over`.
        progress: whether long passes over the text show a progress bar on stderr.
    """

    cache_dir: str | Path | None = None
    workers: int | None = None
    progress: bool = False


def encode_text(
    paths: Paths,
    text: TextConfig,
    seed: int,
    settings: ReadSettings,
    rule: VocabularyRule = LEARN,
    *,
    instead: Callable[[EncodedCorpus], VocabularyRule | None] = lambda corpus: None,
    check: Callable[[CorpusStats], None] = lambda stats: None,
) -> PreparedText:
    """Encode the text to train on, or load it from the cache.

    Args:
        seed: of the random choice of held-out documents.
        rule, instead: how to build the vocabulary; as for `prepare_text`.
        check: called with the statistics of the corpus before it is encoded; may raise.

    Returns:
        the text; its notes begin with a summary.

    Raises:
        CorpusError: the text cannot be read, or is too short.
    """
    with runs_explained(paths, text):
        prepared = prepare_text(
            paths,
            text,
            seed,
            rule,
            instead=instead,
            check=check,
            cache=Cache(settings.cache_dir, quiet=not settings.progress),
            workers=settings.workers,
            progress=settings.progress,
        )
    corpus = prepared.corpus
    line = summary(corpus.stats, text, corpus.train.num_chars, _as_typed(paths, text))
    return replace(prepared, notes=(line, *prepared.notes))


@contextmanager
def runs_explained(paths: Paths, text: TextConfig) -> Iterator[None]:
    """Where a text cannot be found since its place is a run, say how to continue that.

    Raises:
        CorpusError: what the body raises, or with a run among the paths, the way to go on.
    """
    try:
        yield
    except CorpusError as error:
        for path in several_paths("paths", paths):
            if (command := _command_to_continue(path)) and not _holds_text(path, text):
                raise CorpusError(
                    f"{path} is a run, not a text. To continue it, name its text: {command}"
                ) from error
        raise


def _holds_text(path: str, text: TextConfig) -> bool:
    try:
        corpus_sources(path, text)
    except CorpusError:
        return False
    return True


def _command_to_continue(path: str) -> str:
    """The command for a run, by its path or name; empty for what cannot be resumed."""
    place, names = Path(path), ["TEXT"]
    # `Path.exists` raises where a directory may not be entered.
    if not os.path.exists(place):
        place = RUNS / path
    if run_of(place).saved_at() is None:
        return ""
    try:
        checkpoint = checkpoint_directory(place)
        trained_on = load_config(checkpoint)[1].get("text", {})
    except CheckpointError:
        return ""
    with suppress(CorpusError):
        found = trained_files(checkpoint, trained_on)
        names = list(found) if 0 < len(found) <= MOST_NAMES else names
    run = str(run_of(place).path)
    return f"textgen train {shlex.join([*names, '--out', run])} --resume"


def _as_typed(paths: Paths, text: TextConfig) -> str:
    """The paths and the text options, as command-line arguments."""
    named = [paths] if isinstance(paths, str | Path) else paths
    names = [str(path) for path in named]
    # Standard input cannot be read again, and many names are too long for one line.
    shown = "PATHS" if STDIN in names or len(names) > MOST_NAMES else shlex.join(names)
    flags = [
        f" --{name.replace('_', '-')} {shlex.quote(str(value))}"
        for name, value in asdict(text).items()
        if value != getattr(TextConfig, name)
    ]
    return shown + "".join(flags)


def text_facts(text: TextConfig, prepared: PreparedText) -> dict[str, Any]:
    """JSON data about a text, as a checkpoint stores them."""
    corpus, stats = prepared.corpus, prepared.corpus.stats
    names = [shareable_name(prepared.sources[n].shown) for n in stats.files.sources]
    return {
        **asdict(text),
        "sources": list(map(storable_name, names)),
        "num_files": stats.files.num_files,
        "num_documents": stats.num_documents,
        "num_chars": stats.num_chars,
        "num_train": corpus.train.num_chars,
        "num_val": corpus.val.num_chars,
        "num_test": corpus.test.num_chars,
        "sha256": stats.sha256,
        **_label_facts(stats),
    }


def _label_facts(stats: CorpusStats) -> dict[str, Any]:
    """The number of labels, and the document counts of the most frequent ones."""
    if stats.labels is None:
        return {}
    counts = Counter(dict(sorted(stats.labels.items())))
    return {"num_labels": len(counts), "labels": dict(counts.most_common(MAX_LABELS))}
