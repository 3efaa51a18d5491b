"""From paths to an encoded corpus, in three passes over the text.

    files --> fingerprint of their bytes --> in the cache? --> the encoded corpus
                                                | no             ^
                                             scan, vocabulary, encode

Memory is bounded, whatever the size of the corpus: text is read in pieces, and the ids are
written to disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from textgen.config.text import TextConfig
from textgen.disk.atomic import flush_directory
from textgen.errors import CorpusError, TextgenError
from textgen.text.encoded.cache import Cache, cache_errors, mark_used
from textgen.text.encoded.cache_entry import (
    EncodedCorpus,
    corpus_key,
    open_entry,
    read_entry,
    write_entry,
)
from textgen.text.encoded.passes import passes_over
from textgen.text.encoded.scan import CorpusStats
from textgen.text.encoded.splitting import router
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.text.reading.file_stats import read_as_plain_text
from textgen.text.reading.fingerprint import files_digest
from textgen.text.reading.progress import reading_bar
from textgen.text.reading.reader import corpus_sources
from textgen.text.reading.sources import Paths, Source, reading_errors, storable_name
from textgen.wording import few

LEARN = VocabularyRule()


@dataclass(frozen=True)
class PreparedText:
    """A corpus that is ready to be trained on.

    Args:
        corpus: its ids and statistics.
        sources: its files, as they are named now; the cache may know others.
        notes: sentences about the files.
    """

    corpus: EncodedCorpus
    sources: Sequence[Source]
    notes: tuple[str, ...]


def prepare_text(
    paths: Paths,
    text: TextConfig,
    seed: int,
    rule: VocabularyRule = LEARN,
    *,
    instead: Callable[[EncodedCorpus], VocabularyRule | None] = lambda corpus: None,
    check: Callable[[CorpusStats], None] = lambda stats: None,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> PreparedText:
    """Find the files behind paths and encode them; see `prepare_corpus`.

    Args:
        paths: as for `read_corpus`.
        instead: told what `rule` gave; the rule to encode with after all, or None.
    """
    sources, notes = corpus_sources(paths, text)
    cache = cache or Cache()
    with cache.spooled(sources) as files:

        def encoded(rule: VocabularyRule) -> EncodedCorpus:
            return prepare_corpus(
                files,
                text,
                seed,
                rule,
                check=check,
                cache=cache,
                workers=workers,
                progress=progress,
            )

        corpus = encoded(rule)
        if other := instead(corpus):
            corpus = encoded(other)
    of_records = text.documents == "records"
    notes += corpus.stats.files.notes(of_records=of_records)
    notes += () if of_records else read_as_plain_text(sources)
    return PreparedText(corpus, sources, tuple(notes))


def prepare_corpus(
    sources: Sequence[Source],
    text: TextConfig,
    seed: int,
    rule: VocabularyRule = LEARN,
    *,
    check: Callable[[CorpusStats], None] = lambda stats: None,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> EncodedCorpus:
    """Encode files, or take them from the cache if they were encoded before.

    Args:
        sources: files in reading order, as `corpus_sources` gives them; standard input
            must be spooled.
        text: how to read, cut and split them.
        seed: of the random choice of documents that are held out.
        rule: how to make the tokenizer.
        check: called with the statistics before anything is encoded; it may raise.
        cache: where ids are stored; None takes the default place.
        workers: how many processes read the text, as for `passes_over`; what they write
            does not depend on it.
        progress: whether to show progress bars on stderr.

    Raises:
        CorpusError: as for `read_corpus` and `split`; the cache cannot be written; the
            files changed while they were being read; or a worker was killed.
        TokenizerError: no vocabulary can be made, or that of `rule` lacks characters.
    """
    cache = cache or Cache()
    before = _signature(sources)
    with reading_bar(sources, "Reading", wanted=progress) as on_bytes:
        content = files_digest(sources, on_bytes)
    key = corpus_key(content, text, seed, rule)
    place = cache.ready() / key
    with cache.locked(key):
        found = read_entry(place)
        if found is None:
            # `_unchanged` exits first, so that text which has changed is never stored.
            with (
                cache_errors(cache.folder),
                _fresh_entry(place) as fresh,
                _unchanged(sources, before),
            ):
                _encode(sources, text, seed, rule, check, fresh, workers, progress)
            found = open_entry(place, verify=False)
        else:
            check(found.stats)
        mark_used(place)
    return found


def _encode(
    sources: Sequence[Source],
    text: TextConfig,
    seed: int,
    rule: VocabularyRule,
    check: Callable[[CorpusStats], None],
    folder: Path,
    workers: int | None,
    progress: bool,
) -> None:
    with passes_over(sources, text, workers, progress=progress) as passes:
        stats, lengths = passes.scan()
        check(stats)
        route = router(lengths, text.documents, text, seed)
        tokenizer = rule.tokenizer(stats, text)
        parts = passes.encode(route, tokenizer, folder)
    name = storable_name(few([source.shown for source in sources]))
    write_entry(folder, tokenizer, stats, parts, name)


@contextmanager
def _fresh_entry(place: Path) -> Iterator[Path]:
    """A directory to fill, which is moved to `place` if no error occurs."""
    fresh = place.with_name(f"{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    try:
        yield fresh
        # An existing entry is damaged, or it would have been used.
        shutil.rmtree(place, ignore_errors=True)
        os.rename(fresh, place)
        flush_directory(place.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


# --- changes of the files ---


def _signature(sources: Sequence[Source]) -> str:
    """A value that changes when one of the files is written to."""
    digest = hashlib.sha256()
    for source in sources:
        with reading_errors(source):
            found = os.stat(source.path)
        digest.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@contextmanager
def _unchanged(sources: Sequence[Source], before: str) -> Iterator[None]:
    """Refuse files that changed in the meantime, which may also explain an error."""
    try:
        yield
    except TextgenError as error:
        if _signature(sources) == before:
            raise
        raise _changed(sources) from error
    if _signature(sources) != before:
        raise _changed(sources)


def _changed(sources: Sequence[Source]) -> CorpusError:
    return CorpusError(
        f"{few([source.shown for source in sources])}: changed while the text was read. "
        "Start again when nothing writes to it."
    )
