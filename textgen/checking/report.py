"""The corpus check: what is wrong with a text before it is trained on, and what to do.

`examine` reads a corpus once and reports everything; `summary` says in one line what the
counts that training makes anyway can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textgen.checking.amount import (
    Parts,
    model_findings,
    size_findings,
    sizes_of,
)
from textgen.checking.characters import (
    CONTROLS,
    RARE,
    REPLACEMENT,
    character_findings,
    form_findings,
    rare_codes,
    rarity_findings,
    surrogate_findings,
    total,
)
from textgen.checking.documents import (
    is_list,
    label_findings,
    line_findings,
    list_findings,
    repeat_findings,
    shape_findings,
)
from textgen.checking.files import file_findings, mojibake_findings
from textgen.checking.finding import SEVERITIES, Finding
from textgen.checking.survey import Survey, survey
from textgen.config.fields import from_dict, pick
from textgen.config.flags import as_flags, marked_as_flags
from textgen.config.model import ModelConfig
from textgen.config.sizes import LITTLE_CHARS, size_options
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import CorpusError, TokenizerError
from textgen.text.encoded.scan import CorpusStats
from textgen.text.encoded.vocabulary_rule import has_completions, learned
from textgen.text.reading.decoding import HAD_CR
from textgen.text.reading.sources import Paths
from textgen.text.unicode.code_points import SEPARATOR
from textgen.wording import count_of, few, one_line

TEXT = TextConfig()
_NO_OPTIONS: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Report:
    """The result of a corpus check.

    Args:
        facts: sizes of the text, as data for JSON.
        findings: errors first, then warnings, then remarks.
        headline: the sizes in one sentence.
    """

    facts: Mapping[str, Any]
    findings: tuple[Finding, ...]
    headline: str

    @property
    def can_train(self) -> bool:
        """Whether `textgen train` would accept this text with the same options."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data for JSON."""
        findings = [finding.to_dict() for finding in self.findings]
        return {**self.facts, "can_train": self.can_train, "findings": findings}

    def as_text(self) -> str:
        """The report for a terminal, one paragraph per finding.

        Nothing in it can control the terminal, whatever the names of the files are.
        """
        if not self.can_train:
            verdict = "textgen train would refuse this text."
        elif any(finding.severity == "warning" for finding in self.findings):
            verdict = "Trainable as it is, but better with the advice above."
        else:
            verdict = "Nothing to fix: ready for training."
        paragraphs = [self.headline, *map(str, self.findings), verdict]
        return "\n\n".join(map(one_line, paragraphs))


def examine(
    paths: Paths,
    text: TextConfig = TEXT,
    size: str = "auto",
    options: Mapping[str, Any] = _NO_OPTIONS,
    *,
    progress: bool = False,
) -> Report:
    """Read a corpus of any size, in pieces, and report what is wrong with it.

    Args:
        paths: as for `read_corpus`.
        text: how it would be read.
        size: of the model; `auto` or a name in `SIZES`.
        options: fields of `ModelConfig` and `TrainConfig` that override the defaults for
            this size and amount of text.
        progress: whether to show a progress bar on stderr.

    Raises:
        CorpusError: no path at all is named; faults of files are findings.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "menu.txt")
    ...     _ = path.write_bytes(b"Un caf\\xe9 noir.\\n" * 9)
    ...     report = examine(path)
    >>> report.can_train, report.findings[0].advice
    (False, 'Add --encoding cp1252.')
    """
    found = survey(paths, text, progress=progress)
    findings, parts = list(_about_text(found)), None
    try:
        parts = _parts(found, options.get("seed", TrainConfig.seed))
    except CorpusError as error:
        findings.append(Finding("error", "little text", marked_as_flags(str(error))))
    if parts is not None:
        usual, _ = size_options(size, parts.train, options)
        train = pick(TrainConfig, {**usual, **options})
        findings += size_findings(found, parts, from_dict(TrainConfig, train))
        findings += shape_findings(found)
        has_error = any(finding.severity == "error" for finding in findings)
        about_model = _about_model(found, parts, size, pick(ModelConfig, options))
        # Most errors also make the vocabulary fail; one is enough.
        findings += [f for f in about_model if f.severity != "error" or not has_error]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Report(_facts(found, parts), tuple(findings), _headline_of(found))


def _about_text(found: Survey) -> Iterator[Finding]:
    yield from file_findings(found)
    if not found.read:
        return
    counts, text = _of_text(found.stats, found.config).counts, found.text
    yield from mojibake_findings(found)
    yield from surrogate_findings(counts, text.places, found.config)
    # One piece of advice about the encoding is enough.
    encoding = "utf-8" if text.num_mojibake else found.config.encoding
    yield from character_findings(text.raw, text.places, encoding)
    yield from form_findings(text.raw, text.nfc, found.config.normalize)
    yield from rarity_findings(counts, found.config)
    yield from repeat_findings(found)
    yield from line_findings(found)
    yield from label_findings(found)
    yield from list_findings(found)


def _parts(found: Survey, seed: int) -> Parts | None:
    if not found.stats.num_chars or not found.read:
        if found.faults:
            return None
        raise CorpusError(
            f"{few([source.shown for source in found.read])}: no text, or nothing but "
            "whitespace. Name a file with text in it."
        )
    return sizes_of(found.lengths, found.config, seed)


def _about_model(
    found: Survey, parts: Parts, size: str, options: Mapping[str, Any]
) -> Iterator[Finding]:
    try:
        vocab_size = learned(found.stats, found.config).vocab_size
    except TokenizerError as error:
        yield Finding("error", "vocabulary", as_flags(str(error)))
        return
    usual, sized = (
        pick(ModelConfig, size_options(name, parts.train)[0]) for name in ("auto", size)
    )
    yield from model_findings(
        parts.train,
        from_dict(ModelConfig, {**sized, **options, "vocab_size": vocab_size}),
        from_dict(ModelConfig, {**usual, "vocab_size": vocab_size}),
    )


def _facts(found: Survey, parts: Parts | None) -> dict[str, Any]:
    stats, parts = _of_text(found.stats, found.config), parts or Parts(0, 0, 0)
    return {
        "files": [source.name for source in found.sources],
        "num_files": len(found.read),
        "num_refused": len(found.faults),
        "num_read_up_to_a_fault": found.num_cut,
        "num_documents": stats.num_documents,
        "num_chars": stats.num_chars,
        "num_different": int(np.count_nonzero(stats.counts)),
        "num_rare": _num_rare(stats, found.config),
        "num_train": parts.train,
        "num_val": parts.val,
        "num_test": parts.test,
        "longest_line": found.text.longest_line,
        "line_endings": dict(found.line_endings),
    }


def _headline_of(found: Survey) -> str:
    if not found.read and not found.num_cut:
        return "No text could be read."
    headline = _headline(found.stats, len(found.read), found.config)
    cut = f", and {count_of(found.num_cut, 'file')} up to a fault" if found.num_cut else ""
    return f"{headline}{cut}."


def _headline(stats: CorpusStats, num_files: int, text: TextConfig) -> str:
    stats = _of_text(stats, text)
    kinds = f"{int(np.count_nonzero(stats.counts)):,} different"
    if num_rare := _num_rare(stats, text):
        kinds += f" ({num_rare:,} seen fewer than {_rare_below(text):,} times)"
    files = count_of(num_files, "file")
    if text.documents != "whole":
        files = f"{count_of(stats.num_documents, 'document')} in {files}"
    return f"{count_of(stats.num_chars, 'character')}, {kinds}, {files}"


def _of_text(stats: CorpusStats, text: TextConfig) -> CorpusStats:
    """Without what separates prompts from completions, which is no character of theirs."""
    if not has_completions(stats, text):
        return stats
    counts = stats.counts.copy()
    counts[ord(SEPARATOR)] = 0
    num_chars = stats.num_chars - int(stats.counts[ord(SEPARATOR)])
    return replace(stats, num_chars=num_chars, counts=counts)


def _num_rare(stats: CorpusStats, text: TextConfig) -> int:
    """How many characters are rare; bytes never are."""
    if text.tokenizer != "char":
        return 0
    return len(rare_codes(stats.counts, _rare_below(text)))


def _rare_below(text: TextConfig) -> int:
    return text.min_count if text.min_count > 1 else RARE


# --- in one line ---


def summary(
    stats: CorpusStats,
    config: TextConfig,
    num_train_chars: int,
    shown_paths: str = "PATH",
) -> str:
    """Describe a text in one line, from statistics that training computes anyway.

    Args:
        config: how it was read.
        num_train_chars: characters that are not held out.
        shown_paths: the text, as the user named it, quoted for a shell.

    >>> from textgen.text.reading.file_stats import FileStats
    >>> counts = np.bincount([97, 98] * 9000 + [99], minlength=0x110000)
    >>> stats = CorpusStats(18_001, 1, counts, None, FileStats(num_files=1), sha256="")
    >>> print(summary(stats, TextConfig(), num_train_chars=46_200))
    Text: 18,001 characters, 3 different (1 seen fewer than 5 times), 1 file; nothing to
    fix.
    """
    headline = _headline(stats, stats.files.num_files, config)
    problems = ", ".join(_problems(stats, config, num_train_chars))
    if not problems:
        return f"Text: {headline}; nothing to fix."
    return f"Text: {headline}; {problems}. Details: textgen corpus check {shown_paths}"


def _problems(
    stats: CorpusStats, config: TextConfig, num_train_chars: int
) -> Iterator[str]:
    counts, changes = stats.counts, stats.files.changes
    if number := total(counts, CONTROLS):
        yield count_of(number, "control character")
    if number := int(counts[REPLACEMENT]):
        yield f"{number:,} U+FFFD"
    if changes[HAD_CR]:
        yield f"lone CR line endings in {count_of(changes[HAD_CR], 'file')}"
    if num_train_chars < LITTLE_CHARS:
        yield "little text"
    if is_list(stats, config):
        yield "perhaps a list"
