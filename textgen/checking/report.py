"""The corpus doctor: what is wrong with a text before it is trained on, and what to do.

`examine` reads everything once and says all there is to say; `summary` says in one line
what can be told from counts that training has made anyway. Both look for the same signs
(`symptoms.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checking.amount import (
    LITTLE_CHARS,
    Parts,
    model_findings,
    shape_findings,
    size_findings,
    sizes_of_parts,
    sizes_of_whole,
)
from textgen.checking.characters import (
    CONTROLS,
    RARE,
    REPLACEMENT,
    character_findings,
    form_findings,
    half_findings,
    rare_codes,
    rarity_findings,
    total,
)
from textgen.checking.files import MOST_FAULTS, file_findings
from textgen.checking.finding import SEVERITIES, Finding
from textgen.checking.places import mended
from textgen.checking.survey import Survey, survey
from textgen.config.model import ModelConfig
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import CorpusError
from textgen.text.encoded.scan import CorpusStats
from textgen.text.reading.decoding import HAD_CR
from textgen.text.reading.sources import Source
from textgen.wording import count_of, few, one_line, percent

DEFAULTS = TextConfig()
_FEW = 5
# Model and usual model for so many characters to train on and so large a vocabulary.
ChooseModel = Callable[[int, int], tuple[ModelConfig, ModelConfig]]


@dataclass(frozen=True)
class Report:
    """What the doctor found.

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
        """Whether `textgen train` would take this text with the same options."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data for JSON."""
        findings = [finding.to_dict() for finding in self.findings]
        return {**self.facts, "can_train": self.can_train, "findings": findings}

    def as_text(self) -> str:
        """The report as a page for a person: a paragraph for each finding.

        Nothing in it can control a terminal, whatever files are called.
        """
        lines = [self.headline, *map(str, self.findings)]
        severities = {finding.severity for finding in self.findings}
        if not self.can_train:
            lines.append("textgen train would refuse this text.")
        elif "warning" in severities:
            lines.append("It can be trained on as it is, but would be better mended.")
        else:
            lines.append("Nothing to mend: it can be trained on.")
        return "\n\n".join(map(one_line, lines))


def examine(
    paths: str | Path | Iterable[str | Path],
    config: TextConfig = DEFAULTS,
    train: TrainConfig | None = None,
    choose_model: ChooseModel | None = None,
    *,
    on_start: Callable[[list[Source]], object] | None = None,
    on_bytes: Callable[[int], object] | None = None,
) -> Report:
    """Read a corpus of any size, in pieces, and say what is wrong with it.

    Args:
        paths: as for `read_corpus`.
        config: how the text would be read.
        train: how it would be trained on; `batch_size`, `seq_length` and `seed` matter.
        choose_model: the model that would be trained and the usual one, for characters
            to train on and vocabulary size; None leaves models out.
        on_start: is told the names of the files before the first is read.
        on_bytes: is told after each reading how many bytes it brought.

    Raises:
        CorpusError: nothing at all is named; what is wrong with files is a finding.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "menu.txt")
    ...     _ = path.write_bytes(b"Un caf\\xe9 noir.\\n" * 9)
    ...     report = examine(path)
    >>> report.can_train, report.findings[0].advice
    (False, 'Add --encoding cp1252.')
    """
    found = survey(paths, config, on_start=on_start, on_bytes=on_bytes)
    findings = [*file_findings(found)]
    if found.read:
        findings += [*_about_characters(found), *_about_repeats(found)]
    parts: Parts | None = None
    try:
        parts = _parts(found, (train or TrainConfig()).seed)
    except CorpusError as error:
        findings.append(Finding("error", "little text", str(error)))
    if parts is not None:
        findings += size_findings(found, parts, train or TrainConfig())
        findings += shape_findings(found)
        if choose_model is not None:
            models = choose_model(parts.train, vocab_size_of(found))
            findings += model_findings(parts.train, *models)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    headline = _headline(
        found.counts, found.documents.count, len(found.read), config, found.num_chars
    )
    if found.num_cut:
        headline += f", and what {count_of(found.num_cut, 'file')} had before an error"
    elif not found.read:
        headline = "No text could be read"
    return Report(_facts(found, parts), tuple(findings), f"{headline}.")


def summary(
    stats: CorpusStats,
    config: TextConfig,
    num_train_chars: int,
    shown_paths: str = "PATH",
) -> str:
    """Describe a text in one line, from statistics that training computes anyway.

    Args:
        num_train_chars: characters that are not held back.
        shown_paths: how the command names the text.

    >>> from textgen.text.reading.file_stats import FileStats
    >>> counts = np.bincount([97, 98] * 9000 + [99], minlength=0x110000)
    >>> stats = CorpusStats(18_001, 1, counts, None, FileStats(num_files=1), sha256="")
    >>> print(summary(stats, TextConfig(), num_train_chars=16_200))
    Text: 18,001 characters, 3 different (1 seen fewer than 5 times), 1 file; nothing to
    mend.
    """
    headline = _headline(
        stats.counts, stats.num_documents, stats.files.num_files, config, stats.num_chars
    )
    worries = list(_worries(stats.counts, stats.files.changes, num_train_chars))
    if not worries:
        return f"Text: {headline}; nothing to mend."
    return (
        f"Text: {headline}; {', '.join(worries)}: textgen corpus check {shown_paths} says "
        "more."
    )


def _worries(
    counts: np.ndarray, quirks: Counter[str], num_train_chars: int
) -> Iterator[str]:
    if number := total(counts, CONTROLS):
        yield count_of(number, "control character")
    if number := int(counts[REPLACEMENT]):
        yield f"{number:,} U+FFFD"
    if quirks[HAD_CR]:
        yield f"lone CR line endings in {count_of(quirks[HAD_CR], 'file')}"
    if num_train_chars < LITTLE_CHARS:
        yield "very little text"


def _headline(
    counts: np.ndarray,
    num_documents: int,
    num_files: int,
    config: TextConfig,
    num_chars: int,
) -> str:
    kinds = f"{int(np.count_nonzero(counts)):,} different"
    if config.tokenizer == "char":
        least = config.min_count if config.min_count > 1 else RARE
        if num_rare := len(rare_codes(counts, least)):
            kinds += f" ({num_rare:,} seen fewer than {least:,} times)"
    files = count_of(num_files, "file")
    if config.documents != "whole":
        files = f"{count_of(num_documents, 'document')} in {files}"
    return f"{count_of(num_chars, 'character')}, {kinds}, {files}"


def vocab_size_of(found: Survey) -> int:
    """How many ids the tokenizer of this text has; labels are left out."""
    has_ends = int(found.config.documents != "whole")
    if found.config.tokenizer == "byte":
        return 256 + has_ends
    num_kinds = int(np.count_nonzero(found.counts))
    folded = len(rare_codes(found.counts, found.config.min_count))
    return max(1, num_kinds - folded + bool(folded) + has_ends)


def _parts(found: Survey, seed: int) -> Parts | None:
    if not found.num_chars or not found.read:
        if found.faults:
            return None
        raise CorpusError(
            f"{few([source.shown for source in found.read])}: no text, or nothing but "
            "blanks. Name a file with text in it."
        )
    if found.config.documents == "whole":
        return sizes_of_whole(found.num_chars, found.config)
    return sizes_of_parts(found.lengths, found.config, seed)


def _facts(found: Survey, parts: Parts | None) -> dict[str, Any]:
    parts = parts or Parts(0, 0, 0)
    return {
        "files": [source.name for source in found.names[:MOST_FAULTS]],
        "num_files": len(found.read),
        "num_refused": len(found.faults),
        "num_documents": found.documents.count,
        "num_chars": found.num_chars,
        "num_different": int(np.count_nonzero(found.counts)),
        "num_train": parts.train,
        "num_val": parts.val,
        "num_test": parts.test,
        "longest_line": found.text.longest_line,
        "line_endings": dict(found.endings),
    }


# --- characters and documents ---


def _about_characters(found: Survey) -> Iterator[Finding]:
    yield from _about_mojibake(found)
    # One advice about the encoding is enough.
    encoding = "utf-8" if found.text.mojibake else found.config.encoding
    yield from half_findings(found.counts, found.text.places, found.config)
    yield from character_findings(found.text.raw, found.text.places, encoding)
    yield from form_findings(found.text.raw, found.text.nfc, found.config.normalize)
    yield from rarity_findings(found.counts, found.config)


def _about_mojibake(found: Survey) -> Iterator[Finding]:
    number = sum(found.text.mojibake.values())
    if not number:
        return
    shown = ", ".join(
        f"{text!r} for {mended(text)!r}" for text, _ in found.text.mojibake.most_common(3)
    )
    is_utf8 = found.config.encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    yield Finding(
        # A text about encodings has a few on purpose.
        "warning" if number >= _FEW else "remark",
        "wrong encoding",
        f"{number:,} times a character seems to be read in a wrong encoding, such as "
        f"{shown} (the first in {found.text.mojibake_place}).",
        "The text was damaged before it came here; the program ftfy mends such text: "
        "ftfy FILE -o CLEAN."
        if is_utf8
        else f"The file seems to be UTF-8: leave out --encoding {found.config.encoding}.",
        {"count": number},
    )


def _about_repeats(found: Survey) -> Iterator[Finding]:
    kind = found.config.documents
    texts = found.text.files if kind == "whole" else found.documents
    repeats = texts.found()
    if repeats is not None:
        noun = "file" if kind in ("whole", "files") else "document"
        share = repeats.num_chars / max(1, texts.num_chars)
        of_text = percent(repeats.num_chars, texts.num_chars)
        first, second = _places(found, repeats.first), _places(found, repeats.second)
        compared = (
            f" of the first {repeats.num_compared:,}"
            if repeats.num_compared < texts.count
            else ""
        )
        are = "is" if repeats.num_repeats == 1 else "are"
        yield Finding(
            "warning" if share >= 0.01 else "remark",
            "repeated documents",
            f"{repeats.num_repeats:,} of {count_of(texts.count, noun)}{compared} {are} "
            f"equal to an earlier one, {of_text} of the text: {second} repeats {first}. "
            "What is learned in one and asked in the other makes the score look too good.",
            _repeats_advice(kind),
            {
                "count": repeats.num_repeats,
                "share": share,
                "example": [first, second],
                "chance_of_error": repeats.num_compared**2 / 2**65,
            },
        )


def _places(found: Survey, number: int) -> str:
    if found.config.documents == "whole":
        return found.filled[number].shown
    return found.place_of_document(number)


def _repeats_advice(kind: str) -> str:
    if kind == "lines":
        return "Keep one of each: awk '!seen[$0]++' FILE > CLEAN."
    if kind == "paragraphs":
        return (
            'Keep one of each: awk \'BEGIN {RS = ""; ORS = "\\n\\n"} !seen[$0]++\' FILE > '
            "CLEAN."
        )
    return "Keep one of each."
