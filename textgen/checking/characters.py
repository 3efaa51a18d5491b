"""What can be told from how often each character occurs, and from nothing else.

`counts` is always `(0x110000,)`: for every code point, how often it stands in the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

import numpy as np

from textgen.checking.finding import Finding, Place
from textgen.config.text import TextConfig
from textgen.wording import count_of, percent

RARE = 5
"""A character seen less often than this has taught a model next to nothing."""
REPLACEMENT = 0xFFFD
HALVES = np.arange(0xD800, 0xE000)
"""Surrogates: two of them are a character in UTF-16; alone none of them is one."""
_C1 = range(0x80, 0xA0)
# A tab and a line feed belong to text; the Unicode Standard's category Cc has no others
# than these and the ones here.
CONTROLS = np.array([*(c for c in range(0x20) if c not in (9, 10)), 0x7F, *_C1])
_SOFT_HYPHEN, _MARK = 0xAD, 0xFEFF
_JOINERS = (0x200C, 0x200D)
_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ZERO_WIDTH = (0x200B, 0x2060, 0x180E)
INVISIBLE = np.array([_SOFT_HYPHEN, _MARK, *_JOINERS, *_BIDI, *_ZERO_WIDTH])
_MIN_COUNTS = (2, 5, 10)
_MOST_SHOWN = 8
_MOST_RARE = 5
# Python's `unicodedata` names no control characters; these are the ones people meet.
_NAMES = {
    0x00: "NUL",
    0x07: "BELL",
    0x08: "BACKSPACE",
    0x09: "TAB",
    0x0A: "LINE FEED",
    0x0B: "VERTICAL TAB",
    0x0C: "FORM FEED",
    0x1A: "SUBSTITUTE",
    0x1B: "ESCAPE",
    0x7F: "DELETE",
    0x85: "NEXT LINE",
}


def named(code: int) -> str:
    """A character's code point and name, and the character itself where it shows.

    >>> named(0xE9), named(0x0C)
    ("'é' U+00E9 LATIN SMALL LETTER E WITH ACUTE", 'U+000C FORM FEED')
    """
    character = chr(code)
    name = unicodedata.name(character, _NAMES.get(code, ""))
    if name.startswith(("CJK UNIFIED", "CJK COMPAT", "HANGUL SYLL")):
        name = ""  # It only repeats code point or sound.
    # A mark shows on a circle, not on the quote before it.
    circle = "\u25cc" * unicodedata.category(character).startswith("M")
    is_shown = character.isprintable() and code != REPLACEMENT
    shown = f"'{circle}{character}' " if is_shown else ""
    return f"{shown}U+{code:04X} {name}".rstrip()


def total(counts: np.ndarray, codes: np.ndarray) -> int:
    """How often the characters of `codes` occur together."""
    return int(counts[codes].sum())


def rare_codes(counts: np.ndarray, less_than: int = RARE) -> np.ndarray:
    """The characters that occur, but less often than `less_than` times.

    >>> counts = np.zeros(0x110000, np.int64)
    >>> counts[[97, 98]] = 100, 2
    >>> rare_codes(counts).tolist()
    [98]
    """
    return np.flatnonzero((counts > 0) & (counts < less_than))


def half_findings(
    counts: np.ndarray, places: Mapping[int, Place], config: TextConfig
) -> Iterator[Finding]:
    """Findings about surrogates, which no tokenizer takes but as unknown characters."""
    found = HALVES[counts[HALVES] > 0]
    if not len(found):
        return
    # What is folded is in no vocabulary.
    is_folded = config.tokenizer == "char" and counts[found].max() < config.min_count
    yield Finding(
        "warning" if is_folded else "error",
        "half characters",
        _counted(counts, found, places, "half character")
        + ". Each is a lone surrogate, which no text can hold.",
        f"If the encoding is {config.encoding}, leave them out of the text; else name the "
        "right one with --encoding.",
        _data(counts, found, places),
    )


def character_findings(
    counts: np.ndarray, places: Mapping[int, Place], encoding: str = "utf-8"
) -> Iterator[Finding]:
    """Findings about control characters, U+FFFD and what cannot be seen.

    Args:
        places: where each of these characters stands first, as far as that is known.
        encoding: as which the text was read.
    """
    yield from _about_controls(counts, places, encoding)
    yield from _about_replacements(counts, places)
    yield from _about_invisible(counts, places)


def _about_controls(
    counts: np.ndarray, places: Mapping[int, Place], encoding: str
) -> Iterator[Finding]:
    found = CONTROLS[counts[CONTROLS] > 0]
    if not len(found):
        return
    num_c1 = total(counts, np.array(_C1))
    advice = (
        "Where they mean nothing, delete them: "
        "tr -d '\\000-\\010\\013\\014\\016-\\037\\177' < FILE > CLEAN."
    )
    if num_c1 == total(counts, found):
        advice = "Delete them, unless they have a meaning here."
    # Windows' curly quotes and dashes are control characters in what others call Latin-1.
    if num_c1 and encoding.lower().replace("_", "-") in ("latin-1", "latin1", "iso-8859-1"):
        advice = "In cp1252 most of U+0080 to U+009F are quotes and dashes: try --encoding "
        advice += "cp1252."
    yield Finding(
        "warning",
        "control characters",
        _counted(counts, found, places, "control character") + ".",
        advice,
        _data(counts, found, places),
    )


def _about_replacements(
    counts: np.ndarray, places: Mapping[int, Place]
) -> Iterator[Finding]:
    number = int(counts[REPLACEMENT])
    if number:
        where = f" (the first in {places[REPLACEMENT]})" if REPLACEMENT in places else ""
        yield Finding(
            "warning",
            "lost characters",
            f"{number:,} times U+FFFD{where}, the sign for a character that was lost when "
            "the text was converted.",
            "Take the text again from its source, in its right encoding; what is lost "
            "cannot be guessed.",
            _data(counts, np.array([REPLACEMENT]), places),
        )


def _about_invisible(counts: np.ndarray, places: Mapping[int, Place]) -> Iterator[Finding]:
    found = INVISIBLE[counts[INVISIBLE] > 0]
    if not len(found):
        return
    reasons = []
    if total(counts, np.array(_JOINERS)):
        reasons.append("Joiners belong to Persian, Indic scripts and emoji.")
    if total(counts, np.array(_BIDI)):
        reasons.append("Direction marks belong to right-to-left text.")
    if total(counts, np.array([_SOFT_HYPHEN, _MARK, *_ZERO_WIDTH])):
        reasons.append("Soft hyphens, zero-width spaces and marks are mostly left-overs.")
    yield Finding(
        "remark",
        "invisible characters",
        _counted(counts, found, places, "invisible character") + ".",
        f"{' '.join(reasons)} The model learns to write them, too.",
        _data(counts, found, places),
    )


def _counted(
    counts: np.ndarray, codes: np.ndarray, places: Mapping[int, Place], noun: str
) -> str:
    """How many there are; the most frequent ones by name, count and first place."""
    by_count = sorted(codes.tolist(), key=lambda code: -int(counts[code]))
    shown = []
    for code in by_count[:_MOST_SHOWN]:
        where = f", first in {places[code]}" if code in places else ""
        shown.append(f"{named(code)} ({int(counts[code]):,}{where})")
    more = len(by_count) - len(shown)
    listed = ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
    return f"{count_of(total(counts, codes), noun)}: {listed}"


def _data(
    counts: np.ndarray, codes: np.ndarray, places: Mapping[int, Place]
) -> dict[str, object]:
    return {
        "count": total(counts, codes),
        "characters": [
            {
                "code_point": f"U+{code:04X}",
                "name": named(code).partition(f"U+{code:04X}")[2].strip(),
                "count": int(counts[code]),
                **({"first": places[code]._asdict()} if code in places else {}),
            }
            for code in codes.tolist()
        ],
    }


# --- rare characters ---


def rarity_findings(counts: np.ndarray, config: TextConfig) -> Iterator[Finding]:
    """What of the vocabulary is too rare to be learned, and what would fold it."""
    if config.tokenizer == "byte":
        return
    if config.min_count > 1:
        yield from _about_folding(counts, config.min_count)
        return
    rare = rare_codes(counts)
    if not len(rare):
        return
    by_count = sorted(rare.tolist(), key=lambda code: int(counts[code]))
    shown = ", ".join(f"{named(c)} ({int(counts[c])})" for c in by_count[:_MOST_RARE])
    more = len(rare) - _MOST_RARE
    listed = shown + (f" and {more:,} more" if more > 0 else "")
    num_kinds = int(np.count_nonzero(counts))
    yield Finding(
        "remark",
        "rare characters",
        f"{len(rare):,} of {count_of(num_kinds, 'different character')} "
        f"{'is' if len(rare) == 1 else 'are'} seen fewer than {RARE} times, too seldom to "
        f"learn: {listed}.",
        _folding_advice(counts, num_kinds),
        {**_data(counts, rare, {}), "min_count": _folded(counts)},
    )


def _folding_advice(counts: np.ndarray, num_kinds: int) -> str:
    num_chars = int(counts.sum())
    said: list[str] = []
    before = 0
    for row in _folded(counts):
        if before < row["characters"] < num_kinds:
            before = row["characters"]
            said.append(
                f"--min-count {row['min_count']} folds {before:,} "
                f"({percent(row['count'], num_chars)} of the text)"
            )
    if not said:
        return ""
    return (
        "Where they do not matter, fold them into one unknown token: "
        f"{', '.join(said)}; --tokenizer byte knows every character."
    )


def _folded(counts: np.ndarray) -> list[dict[str, int]]:
    """What each of some values of `min_count` folds."""
    rows = []
    for min_count in _MIN_COUNTS:
        codes = rare_codes(counts, min_count)
        rows.append(
            {
                "min_count": min_count,
                "characters": len(codes),
                "count": total(counts, codes),
            }
        )
    return rows


def _about_folding(counts: np.ndarray, min_count: int) -> Iterator[Finding]:
    folded = rare_codes(counts, min_count)
    num_kinds, num_chars = int(np.count_nonzero(counts)), int(counts.sum())
    if num_kinds and len(folded) == num_kinds:
        yield Finding(
            "error",
            "rare characters",
            f"--min-count {min_count} leaves no character: the most frequent one occurs "
            f"{int(counts.max()):,} times.",
            "Lower --min-count.",
        )
    elif len(folded):
        share = total(counts, folded) / num_chars
        yield Finding(
            "warning" if share > 0.01 else "remark",
            "rare characters",
            f"--min-count {min_count} makes {len(folded):,} of "
            f"{count_of(num_kinds, 'different character')} one unknown token, "
            f"{percent(total(counts, folded), num_chars)} of the text.",
            "That is much: lower --min-count, or use --tokenizer byte."
            if share > 0.01
            else "",
            {**_data(counts, folded, {}), "share": share},
        )


# --- normal forms ---


def form_findings(raw: np.ndarray, nfc: np.ndarray, form: str) -> Iterator[Finding]:
    """Characters that stand in the text in two spellings, and what would join them.

    Args:
        raw: counts of the text as it is.
        nfc: counts of the same text in the normal form NFC.
        form: the normal form that is asked for.
    """
    changed = int(np.maximum(raw - nfc, 0).sum())
    beyond = compatibility_count(raw)
    data = {"changed_by_nfc": changed, "changed_by_nfkc": changed + beyond}
    if changed:
        yield _about_spellings(raw, nfc, form, data)
    if beyond and form != "nfkc":
        yield Finding(
            "remark",
            "compatibility forms",
            f"{_number_of(beyond)} another spelling of a plainer one: "
            f"{_top(raw, np.array(_incompatible(raw)))}.",
            "--normalize nfkc would make them plain; leave it out where the difference "
            "matters.",
            data,
        )


def _number_of(number: int) -> str:
    return f"{count_of(number, 'character')} {'is' if number == 1 else 'are'}"


def _top(counts: np.ndarray, codes: np.ndarray, most: int = 4) -> str:
    """The most frequent of some characters, each with its count."""
    by_count = sorted(codes.tolist(), key=lambda code: -int(counts[code]))
    more = len(by_count) - most
    shown = ", ".join(f"{named(code)} ({int(counts[code]):,})" for code in by_count[:most])
    return shown + (f" and {count_of(more, 'other')}" if more > 0 else "")


def _about_spellings(
    raw: np.ndarray, nfc: np.ndarray, form: str, data: dict[str, int]
) -> Finding:
    lost, gained = np.maximum(raw - nfc, 0), np.maximum(nfc - raw, 0)
    what = (
        f"{_number_of(data['changed_by_nfc'])} not in the normal form NFC: "
        f"{_top(lost, np.flatnonzero(lost))}."
    )
    # Composed of others, and there before NFC composed more of them.
    mixed = [
        code
        for code in np.flatnonzero((gained > 0) & (raw > 0)).tolist()
        if unicodedata.decomposition(chr(code)) or 0xAC00 <= code < 0xD7A4
    ]
    if mixed:
        shown = ", ".join(
            f"{named(code)} ({int(raw[code]):,} of {int(nfc[code]):,} are NFC)"
            for code in sorted(mixed, key=lambda code: -int(gained[code]))[:3]
        )
        more = f" and {count_of(len(mixed) - 3, 'other')}" if len(mixed) > 3 else ""
        what += f" Both spellings stand side by side of {shown}{more}."
    return Finding(
        "warning" if form == "none" else "remark",
        "mixed normal forms" if mixed else "normal form",
        what,
        "To a model what looks alike is different then: use --normalize nfc."
        if form == "none"
        else f"Nothing to do: --normalize {form} makes one spelling of them.",
        {**data, "num_mixed": len(mixed)},
    )


def compatibility_count(raw: np.ndarray) -> int:
    """How many characters NFKC changes that NFC leaves."""
    return sum(int(raw[code]) for code in _incompatible(raw))


def _incompatible(raw: np.ndarray) -> list[int]:
    codes = np.flatnonzero(raw[0x80:]) + 0x80
    return [
        code
        for code in codes.tolist()
        if not 0xD800 <= code < 0xE000
        and unicodedata.normalize("NFKC", chr(code))
        != unicodedata.normalize("NFC", chr(code))
    ]
