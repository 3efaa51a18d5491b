"""Which text a model is shown reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from textgen.checkpoint.format import Checkpoint
from textgen.checkpoint.origin import shareable_reason, trained_files
from textgen.config.fields import from_dict, pick
from textgen.config.text import TextConfig
from textgen.disk.names import shareable_name
from textgen.errors import CorpusError, TextgenError
from textgen.generation.decoding.sample import Sample
from textgen.generation.generator import Generator
from textgen.text.encoded.scan import scan
from textgen.text.encoded.splitting import split
from textgen.text.reading.corpus import Corpus, read_corpus
from textgen.text.reading.documents import Piece, join_pieces
from textgen.text.reading.reader import CorpusReader, corpus_sources
from textgen.text.reading.records import kind_to_read
from textgen.text.reading.sources import single_source
from textgen.text.unicode.code_points import SEPARATOR

HELD_OUT_CHARS = 20_000
"""Characters of held-out text that are read."""

WRITTEN_CHARS = 4_000
"""Characters that a model writes if there is no other text."""

MOST_TEXTS = 200
"""Texts that a model of many documents writes at most."""


@dataclass(frozen=True)
class Text:
    """A text to read.

    Args:
        origin: where it comes from, in words.
        pieces: whole documents.
        held_out: whether the model has not been trained on it, as far as is known; None
            if nothing is known.
    """

    origin: str
    pieces: tuple[Piece, ...]
    held_out: bool | None = None

    @property
    def num_chars(self) -> int:
        """Of all documents, without what marks their ends."""
        return sum(len(piece.text) for piece in self.pieces)

    def first(self, num_chars: int) -> Text:
        """The documents that fit; of the first one at least what fits.

        A document that is cut has no end. A prompt is never cut, and counts.

        >>> pieces = tuple(Piece(text, ends=True) for text in ("abc", "defg", "h"))
        >>> [piece.text for piece in Text("a test", pieces).first(5).pieces]
        ['abc']
        >>> Text("a test", pieces).first(2).pieces
        (Piece(text='ab', ends=False, label=None),)
        """
        return replace(self, pieces=tuple(_first(self.pieces, num_chars)))


def _first(pieces: Iterable[Piece], num_chars: int) -> Iterator[Piece]:
    for number, piece in enumerate(pieces):
        if number and len(piece.text) > num_chars:
            return
        # A prompt alone has nothing to predict: one character of its completion is kept.
        kept = max(num_chars, piece.text.find(SEPARATOR) + 2)
        is_whole = len(piece.text) <= kept
        yield piece._replace(text=piece.text[:kept], ends=piece.ends and is_whole)
        num_chars -= len(piece.text)


def file_text(file: str, saved: Checkpoint, encoding: str = "utf-8") -> Text:
    """The documents of a file, cut as the training text was.

    Raises:
        CorpusError: it cannot be read.
    """
    source = single_source(file)
    kind = kind_to_read(source, str(saved.facts.get("text", {}).get("documents", "whole")))
    config = TextConfig(encoding=encoding, normalize="none", documents=kind)
    reader = CorpusReader([source], config, allow_blank=True)
    name = "standard input" if source.is_stdin else shareable_name(file)
    return Text(name, tuple(join_pieces(reader)))


def default_text(path: Path, saved: Checkpoint, seed: int = 0) -> Text:
    """Held-out text of the corpus where it can still be read, else text the model writes.

    Args:
        path: of the checkpoint.
        seed: of the text that is written.

    Raises:
        CorpusError: a model of completions, which writes only after prompts.
    """
    try:
        return held_out_text(path, saved).first(HELD_OUT_CHARS)
    except TextgenError as error:
        why = shareable_reason(error, path)
    if saved.tokenizer.separator:
        raise CorpusError(
            f"this model completes prompts, and its held-out records cannot be read: {why} "
            "Name records with 'prompt' and 'completion' as TEXT."
        )
    facts = saved.facts.get("text", {})
    generator = Generator(
        saved.model,
        saved.weights,
        saved.tokenizer,
        str(facts.get("documents", "whole")),
        ngrams=saved.ngrams,
    )
    pieces = [
        Piece(each.text, each.finish_reason == "document", each.label)
        for each in written_text(generator, WRITTEN_CHARS, seed)
    ]
    origin = f"written by the model, since its held-out text cannot be read: {why}"
    return Text(origin, tuple(pieces))


def written_text(
    generator: Generator, num_chars: int, seed: int, prompts: Sequence[str] = ()
) -> list[Sample]:
    """Texts that a model writes, of so many characters together; at most `MOST_TEXTS`.

    A model of many documents ends each by itself; one of completions needs `prompts`.
    """
    found: list[Sample] = []
    length = max(num_chars, 1)
    most = 1 if generator.tokenizer.eod_id is None else MOST_TEXTS
    given = list(islice(cycle(prompts or [""]), most))
    for sample in generator.samples(given, length=length, seed=seed):
        found.append(sample)
        length -= len(sample.text)
        if length <= 0:
            break
    return found


def prompts_of(text: Text) -> list[str]:
    """The prompts of a text of records; empty if it has none."""
    parts = (piece.text.partition(SEPARATOR) for piece in text.pieces)
    return [prompt for prompt, separator, _ in parts if separator and prompt]


def held_out_text(path: Path, saved: Checkpoint) -> Text:
    """The text that a checkpoint was validated on.

    Raises:
        CorpusError: its files cannot be found, or have changed; or nothing was held out.
    """
    corpus = corpus_of(path, saved)
    config = trained_config(saved)
    seed = saved.facts.get("train", {}).get("seed", 0)
    parts = split(corpus, config, seed)
    if not any(parts.val):
        raise CorpusError(f"{path}: no text was held out in training.")
    labels = parts.val_labels or [None] * len(parts.val)
    pieces = [
        Piece(*row) for row in zip(parts.val, [True] * len(labels), labels, strict=True)
    ]
    names = ", ".join(map(shareable_name, _sources(saved)[:3]))
    return Text(f"held-out text of {names}", tuple(pieces), held_out=True)


def corpus_of(path: Path, saved: Checkpoint) -> Corpus:
    """The text that a checkpoint was trained on, with what was held out.

    Raises:
        CorpusError: its files cannot be found, or have changed since.
    """
    facts = saved.facts.get("text", {})
    paths, config = trained_files(path, facts), trained_config(saved)
    if not paths:
        raise CorpusError(f"{path}: it does not say which text it was trained on.")
    sources, _ = corpus_sources(paths, config)
    if scan(CorpusReader(sources, config))[0].sha256 != facts.get("sha256"):
        raise CorpusError(f"{path}: the text it was trained on has changed since.")
    return read_corpus(paths, config)


def trained_config(saved: Checkpoint) -> TextConfig:
    """How the text was read in training."""
    facts: dict[str, Any] = dict(saved.facts.get("text", {}))
    config: TextConfig = from_dict(TextConfig, pick(TextConfig, facts))
    return config


def _sources(saved: Checkpoint) -> Sequence[str]:
    return list(map(str, saved.facts.get("text", {}).get("sources", [])))
