"""`textgen score`."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from textgen.cli.common import find_with_text, fit_to_show, write_text
from textgen.cli.judging.per_char import coloured, colours_wanted, json_lines, legend
from textgen.cli.options import Command, backend_option, memory_option
from textgen.config.text import TextConfig
from textgen.training.backend.choice import AUTO
from textgen.wording import count_of, say

if TYPE_CHECKING:
    from textgen.checkpoint.format import Checkpoint
    from textgen.generation.scoring.score import Score
    from textgen.text.reading.documents import Piece
    from textgen.text.reading.sources import Source

FIGURES = {"bits_per_char": 4, "bits_per_byte": 4, "nats_per_char": 4, "perplexity": 3}
"""The figures of a score that are shown, and their decimals."""

READ_BYTES = 1 << 14
"""Bytes of the file that are read at once: few enough for a smooth progress bar."""


@click.command(cls=Command)
@click.argument("arguments", nargs=-1, required=True, metavar="[CHECKPOINT] FILE")
@click.option(
    "--window",
    type=click.IntRange(min=1),
    metavar="N",
    help="Restart the model every N characters, with one character of context, as a "
    "transformer with a context of N is evaluated. Much faster.  [default: never]",
)
@click.option(
    "--per-char",
    is_flag=True,
    help='The bits of each character as JSON lines, {"char": "a", "bits": 1.5}; on a '
    "terminal the text coloured by them (not with --json or NO_COLOR).",
)
@click.option(
    "--dynamic",
    is_flag=True,
    help="Also let the model learn from the text while it reads, and show both scores. "
    "Needs Keras; does not change the checkpoint.",
)
@click.option(
    "--label",
    metavar="NAME",
    help="Label read before every document, for a model of labelled records.  "
    "[default: the labels in FILE]",
)
@click.option(
    "--encoding",
    default="utf-8",
    metavar="NAME",
    help="Encoding of FILE.  [default: utf-8]",
)
@memory_option
@backend_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def score(
    arguments: tuple[str, ...],
    window: int | None,
    per_char: bool,
    dynamic: bool,
    backend: str,
    label: str | None,
    encoding: str,
    memory: bool | None,
    as_json: bool,
) -> None:
    """Measure how well CHECKPOINT predicts FILE, in bits per character.

    Fewer bits mean that the text surprises the model less. FILE may be of any size, be
    compressed (.gz, .bz2, .xz), or - for stdin. Characters the model has never seen are
    counted (num_unknown) and left out, unless the model has a token for them
    (--min-count). A model of records reads .csv, .tsv, .jsonl and .ndjson files, and JSON
    lines from stdin, as records; their labels and prompts are read but not counted. Without
    CHECKPOINT the newest one under checkpoints/ is used.

    \b
    Examples:
      textgen score other_book.txt
      textgen score my_book chapter.txt --json
      textgen score big.txt.gz --window 512
      textgen score poem.txt --per-char
      textgen score poem.txt --per-char | jq -c 'select(.bits > 8)'
      textgen score letters.txt --label sad
      textgen score numbers held_out_pairs.csv
      textgen score chapter.txt --dynamic
    """
    if len(arguments) > 2:
        raise click.UsageError("too many arguments: expected [CHECKPOINT] FILE.")
    if dynamic and (window or per_char):
        other = "--window" if window else "--per-char"
        raise click.UsageError(
            f"--dynamic and {other} cannot be used together: a model that learns while it "
            "reads gives one score for the whole text."
        )
    if backend != AUTO and not dynamic:
        raise click.UsageError("--backend is only for --dynamic: scoring needs no Keras.")
    # An unknown encoding is refused before anything is loaded.
    TextConfig(encoding=encoding)
    from textgen.checkpoint.format import load_checkpoint
    from textgen.checkpoint.ngram_file import ngrams_to_use
    from textgen.text.reading.sources import single_source

    path, file = find_with_text(arguments)
    saved = load_checkpoint(path)
    saved = replace(saved, ngrams=ngrams_to_use(saved.ngrams, memory))
    text = _Text(saved, single_source(file), encoding, label)
    if dynamic:
        _show_dynamic(text, as_json, backend)
    elif per_char:
        _show_characters(text, window, as_json)
    else:
        _show_score(text, window, as_json)
    if text.was_trained_on():
        say(
            "Note: the model was trained on this text. For its score on held-out text: "
            f"textgen info {shlex.quote(str(path))}"
        )


@dataclass(frozen=True)
class _Text:
    """The text to score, and the model."""

    saved: Checkpoint
    source: Source
    encoding: str
    label: str | None
    held: tuple[Piece, ...] | None = None

    def pieces(self, on_bytes: Callable[[int], object] | None = None) -> Iterator[Piece]:
        """The documents of the file, a piece at a time."""
        if self.held is not None:
            return iter(self.held)
        from textgen.text.reading.reader import CorpusReader

        # The normal form is that of the model's tokenizer, and applied later.
        config = TextConfig(
            encoding=self.encoding, normalize="none", documents=self._kind()
        )
        reader = CorpusReader(
            [self.source], config, on_bytes, allow_blank=True, piece_bytes=READ_BYTES
        )
        return iter(reader)

    def was_trained_on(self) -> bool:
        """Whether the documents are those that the model was trained on, all of them."""
        trained_on = self.saved.facts.get("text", {}).get("sha256")
        # A pipe cannot be read again.
        if not trained_on or self.source.is_stdin or not os.path.isfile(self.source.path):
            return False
        from textgen.text.encoded.scan import scan
        from textgen.text.reading.reader import CorpusReader

        normalize = self.saved.tokenizer.normalize
        config = TextConfig(
            encoding=self.encoding, normalize=normalize, documents=self._kind()
        )
        reader = CorpusReader([self.source], config, allow_blank=True)
        return scan(reader)[0].sha256 == trained_on

    def readable_again(self) -> _Text:
        """The same text, held in memory if it comes from standard input."""
        return replace(self, held=tuple(self.pieces())) if self.source.is_stdin else self

    def _kind(self) -> str:
        from textgen.text.reading.records import kind_to_read

        kind = str(self.saved.facts.get("text", {}).get("documents", "whole"))
        return kind_to_read(self.source, kind)


def _show_score(text: _Text, window: int | None, as_json: bool) -> None:
    result, *parts = _static_scores(text, window)
    _warn_of_unknown(result, text.saved)
    alone = [part.bits_per_char for part in parts]
    if as_json:
        names = ("network_bits_per_char", "ngrams_bits_per_char")
        click.echo(json.dumps(result.to_dict() | dict(zip(names, alone, strict=False))))
        return
    click.echo(_in_short(result, text.saved))
    click.echo(f"{result.bits_per_byte:.4f} bits per byte")
    click.echo(f"{result.nats_per_char:.4f} nats per character")
    click.echo(
        f"{result.perplexity:.3f} perplexity per character (as uncertain as between "
        "that many equally likely characters)"
    )
    click.echo(f"{result.num_chars:,} characters, {result.num_unknown:,} unknown")
    if alone:
        click.echo(
            f"without the n-gram memory {alone[0]:.4f} bits per character, with it alone "
            f"{alone[1]:.4f}"
        )


def _static_scores(
    text: _Text, window: int | None = None, *, copy: bool = False
) -> list[Score]:
    """Score without learning; without a `copy` the weights are modified."""
    from textgen.generation.network.remembering import network_of
    from textgen.generation.scoring.score import score_parts
    from textgen.text.reading.progress import reading_bar

    saved, label = text.saved, text.label
    network = network_of(saved.model, saved.weights, saved.ngrams, copy=copy)
    with reading_bar([text.source]) as on_bytes:
        pieces = text.pieces(on_bytes)
        return score_parts(network, saved.tokenizer, pieces, window=window, label=label)


def _show_characters(text: _Text, window: int | None, as_json: bool) -> None:
    from textgen.generation.network.remembering import network_of
    from textgen.generation.scoring.score import ScoreAccumulator, surprises
    from textgen.text.reading.progress import reading_bar

    saved, total = text.saved, ScoreAccumulator()
    network = network_of(saved.model, saved.weights, saved.ngrams)
    in_colour = colours_wanted() and not as_json
    if in_colour:
        say(legend(coloured=sys.stderr.isatty()), styled=True)
    # A progress bar would break up text on a terminal.
    with reading_bar([text.source], wanted=not sys.stdout.isatty()) as on_bytes:
        found = surprises(
            network,
            saved.tokenizer,
            text.pieces(on_bytes),
            window=window,
            label=text.label,
            total=total,
        )
        if in_colour:
            write_text(coloured(found), styled=True)
        else:
            sys.stdout.writelines(map(fit_to_show, json_lines(found)))
    sys.stdout.flush()
    result = total.score(window=window)
    _warn_of_unknown(result, saved)
    say(_in_short(result, saved))


def _show_dynamic(text: _Text, as_json: bool, backend: str) -> None:
    from textgen.training.backend.choice import choose_backend
    from textgen.training.backend.noise import as_command
    from textgen.training.loop.signals import keras_loading

    with as_command(), keras_loading():
        for note in choose_backend(backend, text.saved.model):
            say(note)
        from textgen.training.dynamic import dynamic_score

    text = text.readable_again()
    # A copy, since dynamic evaluation starts from the same weights.
    static = _static_scores(text, copy=True)[0]
    _warn_of_unknown(static, text.saved)
    dynamic = dynamic_score(text.saved, text.pieces(), label=text.label, progress=True)
    if as_json:
        both = {"static": static.to_dict(), "dynamic": dynamic.to_dict()}
        click.echo(json.dumps(both))
        return
    click.echo(f"{'':20}{'static':>10}{'dynamic':>10}")
    for name, digits in FIGURES.items():
        values = (getattr(result, name) for result in (static, dynamic))
        shown = "".join(f"{value:>10.{digits}f}" for value in values)
        click.echo(f"{name.replace('_', ' ').replace('char', 'character'):20}{shown}")
    gain = static.bits_per_char - dynamic.bits_per_char
    # With a vocabulary of one character there is no surprise.
    share = 100 * gain / static.bits_per_char if static.bits_per_char else 0.0
    click.echo(f"gain: {gain:.4f} bits per character ({share:.1f}%)")
    click.echo(f"{static.num_chars:,} characters, {static.num_unknown:,} unknown")


def _warn_of_unknown(result: Score, saved: Checkpoint) -> None:
    if result.num_unknown:
        has_token = saved.tokenizer.unknown_id is not None
        what = "scored as its unknown token" if has_token else "left out of the score"
        say(
            f"Warning: the model does not know {count_of(result.num_unknown, 'character')} "
            f"of this text: {what}."
        )


def _in_short(result: Score, saved: Checkpoint) -> str:
    counted = " of the completions" if saved.tokenizer.separator else ""
    read = "the model reads on from beginning to end"
    if result.window:
        read = f"a cold start every {result.window:,} characters"
    return (
        f"{result.bits_per_char:.4f} bits per character{counted}, lower is better "
        f"({result.protocol}: {read})"
    )
