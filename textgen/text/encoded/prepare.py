"""From the files that a person names to an encoded corpus, in passes over the text.

    files --> fingerprint of their bytes --> in the cache? --> the encoded corpus
                                                | no             ^
                                             scan, vocabulary, encode

Memory stays bounded whatever the size of the corpus: text passes through in pieces, and
ids lie on the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np

from textgen.config.fields import to_dict
from textgen.config.text import TextConfig
from textgen.disk.atomic import flush_directory
from textgen.errors import CorpusError, TextgenError
from textgen.text.encoded.cache import Cache, cache_errors, mark_used
from textgen.text.encoded.entry import (
    FORMAT_VERSION,
    EncodedCorpus,
    PartWriter,
    part_path,
    read_entry,
    write_entry,
)
from textgen.text.encoded.scan import CorpusFacts, Scan, scan
from textgen.text.encoded.splitting import PARTS, part_ends, parts_of
from textgen.text.encoded.vocabulary_rule import VocabularyRule
from textgen.text.reading.documents import Piece, batches
from textgen.text.reading.fingerprint import files_digest
from textgen.text.reading.progress import reading_bar
from textgen.text.reading.reader import CorpusReader
from textgen.text.reading.sources import Source, reading_errors, storable_name
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import few

LEARN = VocabularyRule()


def prepare_corpus(
    sources: Sequence[Source],
    text: TextConfig,
    seed: int,
    rule: VocabularyRule = LEARN,
    *,
    check: Callable[[CorpusFacts], None] = lambda facts: None,
    cache: Cache | None = None,
    progress: bool = False,
) -> EncodedCorpus:
    """Encode files, or take from the cache what was encoded before.

    Args:
        sources: files in reading order, as `corpus_sources` gives them; standard input
            must be spooled.
        text: how they are read, cut and split.
        seed: draws the documents that are held back.
        rule: what becomes the vocabulary.
        check: is shown what was read before anything is encoded, and may raise.
        cache: where ids are kept; None takes the usual place.
        progress: whether long passes show a bar on stderr.

    Raises:
        CorpusError: as for `read_corpus` and `split`; the cache cannot be written; or
            the files changed while they were read.
        TokenizerError: no vocabulary can be made, or `rule`'s lacks characters.
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
            # From the last to the first: what changed meanwhile must not be kept.
            with (
                cache_errors(cache.folder),
                _fresh_entry(place) as fresh,
                _unchanged(sources, before),
            ):
                _encode(sources, text, seed, rule, check, fresh, progress)
            found = read_entry(place)
        if found is None:
            raise CorpusError(
                f"{place}: what was just written there reads otherwise. Check the disk, or "
                "choose another place with --cache-dir."
            )
        mark_used(place)
    check(found.facts)
    return found


def corpus_key(content: str, text: TextConfig, seed: int, rule: VocabularyRule) -> str:
    """What an encoded corpus depends on, as 64 hexadecimal digits.

    Args:
        content: the fingerprint of the files' bytes.
        seed: enters where documents are drawn.
    """
    # Which files `glob` found is in `content`.
    options = {name: value for name, value in to_dict(text).items() if name != "glob"}
    data = {
        "version": FORMAT_VERSION,
        # The normal form of a character that was assigned since may be another.
        "unicode": unicodedata.unidata_version,
        "content": content,
        "text": options,
        "seed": None if text.documents == "whole" else seed,
        "rule": rule.to_dict(),
    }
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _encode(
    sources: Sequence[Source],
    text: TextConfig,
    seed: int,
    rule: VocabularyRule,
    check: Callable[[CorpusFacts], None],
    folder: Path,
    progress: bool,
) -> None:
    with reading_bar(sources, "Counting", wanted=progress) as on_bytes:
        reader = CorpusReader(sources, text, on_bytes)
        found = scan(reader)
    check(found.facts)
    route = _route(found, text, seed)
    tokenizer = rule.tokenizer(found.facts, text)
    # What is in its normal form already need not be looked at again.
    again = replace(text, normalize="none") if reader.is_normal else text
    with reading_bar(sources, "Encoding", wanted=progress) as on_bytes:
        routed = route(CorpusReader(sources, again, on_bytes))
        parts = _write_parts(routed, folder, tokenizer)
    name = storable_name(few([source.shown for source in sources]))
    write_entry(folder, tokenizer, found.facts, parts, name)


@contextmanager
def _fresh_entry(place: Path) -> Iterator[Path]:
    """A directory to fill, which takes its place when all has gone well."""
    fresh = place.with_name(f"{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    try:
        yield fresh
        # What was there is damaged, or it would have been taken.
        shutil.rmtree(place, ignore_errors=True)
        os.rename(fresh, place)
        flush_directory(place.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


# --- which text goes where ---


Routed: TypeAlias = Iterator[tuple[int, list[Piece]]]
"""Pieces of documents, each few of them with the number of their part."""


def _route(found: Scan, text: TextConfig, seed: int) -> Callable[[Iterable[Piece]], Routed]:
    """What sends each piece of a corpus to its part.

    Raises:
        CorpusError: too little text for every part to have some.
    """
    if text.documents == "whole":
        return partial(_cut_at, part_ends(found.facts.num_chars, text))
    part_of_block = parts_of(found.block_lengths, text.documents, text, seed)
    return partial(_by_document, part_of_block, found.block_size)


def _cut_at(ends: Sequence[int], pieces: Iterable[Piece]) -> Routed:
    """Cut one whole text where its parts end.

    >>> [(part, piece.text) for part, (piece,) in _cut_at((1, 3, 3), [Piece("abc")])]
    [(0, 'a'), (1, 'bc'), (0, ''), (1, '')]
    """
    bounds = list(enumerate(pairwise((0, *ends))))
    position = 0
    for piece in pieces:
        for part, (start, end) in bounds:
            text = piece.text[max(0, start - position) : max(0, end - position)]
            if text:
                yield part, [Piece(text)]
        position += len(piece.text)
    for part, (start, end) in bounds:
        if start < end:
            yield part, [Piece("", ends=True)]


def _by_document(
    part_of_block: np.ndarray, block_size: int, pieces: Iterable[Piece]
) -> Routed:
    num_ended = 0
    for batch in batches(pieces):
        ends = np.array([piece.ends for piece in batch])
        numbers = num_ended + np.cumsum(ends) - ends
        part_of_piece = part_of_block[numbers // block_size]
        for part in range(len(PARTS)):
            yield part, [batch[n] for n in np.flatnonzero(part_of_piece == part)]
        num_ended += int(ends.sum())


def _write_parts(routed: Routed, folder: Path, tokenizer: Tokenizer) -> list[PartWriter]:
    unknown = "error" if tokenizer.unknown_id is None else "token"
    with ExitStack() as stack:
        files = [stack.enter_context(open(part_path(folder, p), "wb")) for p in PARTS]
        parts = [PartWriter(file, tokenizer.encoder(unknown)) for file in files]
        for number, pieces in routed:
            parts[number].add(pieces)
        for part in parts:
            part.finish()
    return parts


# --- watching over it ---


def _signature(sources: Sequence[Source]) -> str:
    """What changes when somebody writes to one of the files."""
    digest = hashlib.sha256()
    for source in sources:
        with reading_errors(source):
            found = os.stat(source.path)
        digest.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@contextmanager
def _unchanged(sources: Sequence[Source], before: str) -> Iterator[None]:
    """Refuse files that changed since; they may be the reason for whatever went wrong."""
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
