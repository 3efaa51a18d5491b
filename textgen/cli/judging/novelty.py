"""`textgen novelty`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from textgen.cli.common import find_with_text
from textgen.cli.options import given
from textgen.config.fields import from_dict, pick
from textgen.config.text import TextConfig
from textgen.wording import count_of, say

if TYPE_CHECKING:
    from textgen.checking.novelty import Novelty, Overlap

MAX_SHOWN = 200
"""Characters of a long piece that are printed; `--json` prints all."""


@click.command()
@click.argument("arguments", nargs=-1, required=True, metavar="[CHECKPOINT] TEXT")
@click.option(
    "--corpus",
    "paths",
    multiple=True,
    metavar="PATH",
    help="File, directory or pattern to search in; repeatable.  "
    "[default: the text that CHECKPOINT was trained on, "
    "if it is still in the working directory or in that of the run]",
)
@click.option(
    "--pieces",
    default="10,20,40",
    metavar="LENGTHS",
    help="Lengths of the pieces to count, in characters.  [default: 10,20,40]",
)
@click.option(
    "--encoding", metavar="NAME", help="Encoding of the corpus.  [default: as in training]"
)
@click.option(
    "--glob",
    metavar="PATTERN",
    help="Which files of a directory are read.  [default: as in training]",
)
@click.option(
    "--text-encoding",
    default="utf-8",
    metavar="NAME",
    help="Encoding of TEXT.  [default: utf-8]",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def novelty(
    arguments: tuple[str, ...],
    paths: tuple[str, ...],
    pieces: str,
    encoding: str | None,
    glob: str | None,
    text_encoding: str,
    as_json: bool,
) -> None:
    """Measure how much of TEXT is copied verbatim from a corpus.

    TEXT is a file, or - for stdin; of a .csv, .tsv, .jsonl or .ndjson file (such as the
    output of textgen sample --jsonl) the text of each record is used. Prints the longest
    overlap with its positions, and the share of all pieces of 10, 20 and 40 characters
    that occur in the corpus. Text and corpus are brought into the normal form of
    CHECKPOINT, by default the newest one under checkpoints/.

    \b
    Examples:
      textgen sample my_book --length 10000 | textgen novelty my_book -
      textgen novelty my_book page.txt --corpus my_book.txt --pieces 30
      textgen novelty page.txt --corpus poems/ --glob "*.md" --json
    """
    if len(arguments) > 2:
        raise click.UsageError(
            "too many arguments: expected [CHECKPOINT] TEXT. Put --corpus before each path "
            "of a corpus."
        )
    if arguments[-1] == "-" and "-" in paths:
        raise click.UsageError("TEXT and --corpus cannot both be stdin.")
    from textgen.checking.novelty import checked_lengths, read_texts
    from textgen.checking.novelty import novelty as measure
    from textgen.checkpoint.format import load_checkpoint
    from textgen.checkpoint.origin import trained_files

    lengths = checked_lengths(_whole_numbers(pieces))
    path, file = find_with_text(arguments)
    checkpoint = load_checkpoint(path)
    trained_on = checkpoint.facts.get("text", {})
    asked = given({"encoding": encoding, "glob": glob})
    # Text and corpus must be in one normal form; the model only sees this one.
    form = checkpoint.tokenizer.normalize
    stored = from_dict(TextConfig, pick(TextConfig, trained_on))
    config = replace(stored, normalize=form, **asked)
    found = paths or trained_files(path, trained_on, " Name it with --corpus PATH.")
    text = _read(file, TextConfig(encoding=text_encoding, normalize=form))
    texts, sha256 = read_texts(found, config)
    if sha256 != trained_on.get("sha256"):
        say(f"Note: this corpus is not the text that {path} was trained on.")
    result = measure(text, texts, lengths)
    click.echo(json.dumps(result.to_dict()) if as_json else _as_text(result))


def _read(file: str, config: TextConfig) -> str:
    """The text of a file; for a file of records, their texts, joined by line feeds."""
    from textgen.text.reading.corpus import read_text
    from textgen.text.reading.documents import join_pieces
    from textgen.text.reading.reader import CorpusReader
    from textgen.text.reading.records import holds_records
    from textgen.text.reading.sources import single_source

    source = single_source(file)
    if not holds_records(source):
        return read_text(source, config)
    records = CorpusReader([source], replace(config, documents="records"), allow_blank=True)
    return "\n".join(record.text for record in join_pieces(records))


def _whole_numbers(pieces: str) -> list[int]:
    try:
        return [int(length) for length in pieces.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--pieces {pieces} must be whole numbers separated by commas: 10,20,40."
        ) from None


def _as_text(result: Novelty) -> str:
    return "\n".join([*_overlap_lines(result.longest), *_share_lines(result)])


def _overlap_lines(longest: Overlap | None) -> Iterator[str]:
    if longest is None:
        yield "no characters in common"
        return
    length = len(longest.piece)
    yield f"longest overlap: {count_of(length, 'character')}"
    yield f"  text    offset {longest.text_offset:,}, line {longest.text_line:,}"
    yield (
        f"  corpus  offset {longest.corpus_offset:,}, line {longest.corpus_line:,} of "
        f"{longest.corpus_file}"
    )
    # Quoted, so that line feeds and spaces at the ends are visible.
    yield f"  {longest.piece[:MAX_SHOWN]!r}{' ...' * (length > MAX_SHOWN)}"


def _share_lines(result: Novelty) -> Iterator[str]:
    yield (
        "pieces of the text that occur in the corpus (short ones do so by chance, long "
        "ones are copied):"
    )
    width = max(len(f"{length:,}") for length in result.shares)
    for length, share in result.shares.items():
        shown = "-  (the text is shorter)" if share is None else f"{share:.2%}"
        yield f"  of {length:{width},} character{'s' * (length > 1)}: {shown}"
