"""Findings about characters, derived from nothing but how often each occurs.

`counts` is always `(0x110000,)`: the occurrences of every code point.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator, Mapping

import numpy as np

from textgen.checking.finding import Finding, Place
from textgen.config.text import TextConfig
from textgen.wording import count_of, percent

RARE = 5
"""A model learns next to nothing about a character that occurs less often than this."""
REPLACEMENT = 0xFFFD
SURROGATES = np.arange(0xD800, 0xE000)
_C1 = np.arange(0x80, 0xA0)
# The Unicode category Cc without tab and line feed, which belong in a text.
CONTROLS = np.array([*(c for c in range(0x20) if c not in (9, 10)), 0x7F, *_C1])
_JOINERS = np.array([0x200C, 0x200D])
_DIRECTIONS = np.array(
    [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
# Soft hyphen, byte order mark, and characters without width.
_LEFTOVERS = np.array([0xAD, 0xFEFF, 0x200B, 0x2060, 0x180E])
INVISIBLE = np.concatenate([_JOINERS, _DIRECTIONS, _LEFTOVERS])
_MIN_COUNTS = (2, 5, 10)
_MAX_SHOWN = 8
# `unicodedata` looks control characters up by these aliases, but never returns them.
_ALIASES = (
    "NUL,ALERT,BACKSPACE,TAB,LINE FEED,VERTICAL TABULATION,FORM FEED,SUBSTITUTE,ESCAPE,"
    "DELETE,NEXT LINE"
)
_NAMES = {ord(unicodedata.lookup(alias)): alias for alias in _ALIASES.split(",")}
_NO_PLACES: Mapping[int, Place] = {}


def named(code: int) -> str:
    """A character's code point and name, after the character itself if it is visible.

    >>> named(0xE9), named(0x0C)
    ("'é' U+00E9 LATIN SMALL LETTER E WITH ACUTE", 'U+000C FORM FEED')
    """
    character = chr(code)
    # A combining mark is shown on a circle, not on the quote before it.
    circle = "\u25cc" * unicodedata.category(character).startswith("M")
    is_shown = character.isprintable() and code != REPLACEMENT
    shown = f"'{circle}{character}' " if is_shown else ""
    return f"{shown}U+{code:04X} {_name(code)}".rstrip()


def _name(code: int) -> str:
    return unicodedata.name(chr(code), _NAMES.get(code, ""))


def total(counts: np.ndarray, codes: np.ndarray) -> int:
    """The occurrences of all characters of `codes`."""
    return int(counts[codes].sum())


def rare_codes(counts: np.ndarray, less_than: int = RARE) -> np.ndarray:
    """The characters that occur, but less often than `less_than` times.

    >>> counts = np.zeros(0x110000, np.int64)
    >>> counts[[97, 98]] = 100, 2
    >>> rare_codes(counts).tolist()
    [98]
    """
    return np.flatnonzero((counts > 0) & (counts < less_than))


def _present(counts: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Those of some characters that occur, the most frequent first."""
    present = codes[counts[codes] > 0]
    return present[np.argsort(-counts[present], kind="stable")]


def _listed(
    counts: np.ndarray,
    codes: np.ndarray,
    places: Mapping[int, Place] = _NO_PLACES,
    most: int = _MAX_SHOWN,
) -> str:
    """The first characters of `codes`, each with its count and first place."""
    shown = []
    for code in codes[:most].tolist():
        where = f", first in {places[code]}" if code in places else ""
        shown.append(f"{named(code)} ({int(counts[code]):,}{where})")
    more = f" and {len(codes) - most:,} more" if len(codes) > most else ""
    return ", ".join(shown) + more


def _data(
    counts: np.ndarray, codes: np.ndarray, places: Mapping[int, Place] = _NO_PLACES
) -> dict[str, object]:
    characters = [
        {
            "code_point": f"U+{code:04X}",
            "name": _name(code),
            "count": int(counts[code]),
            **({"first": places[code]._asdict()} if code in places else {}),
        }
        for code in sorted(codes.tolist())
    ]
    return {"count": total(counts, codes), "characters": characters}


# --- suspicious characters ---


def surrogate_findings(
    counts: np.ndarray, places: Mapping[int, Place], config: TextConfig
) -> Iterator[Finding]:
    """Lone surrogates: halves of characters, which no tokenizer can encode."""
    found = _present(counts, SURROGATES)
    if not len(found):
        return
    # Rare ones become the unknown token.
    is_folded = config.tokenizer == "char" and counts[found].max() < config.min_count
    number = count_of(total(counts, found), "lone surrogate")
    yield Finding(
        "warning" if is_folded else "error",
        "lone surrogates",
        f"{number}, half of a character each: {_listed(counts, found, places)}.",
        f"If the encoding is {config.encoding}, remove them from the text; otherwise pass "
        "the right one with --encoding.",
        _data(counts, found, places),
    )


def character_findings(
    counts: np.ndarray, places: Mapping[int, Place], encoding: str
) -> Iterator[Finding]:
    """Control characters, U+FFFD and invisible characters.

    Args:
        places: where each of these characters occurs first, if known.
        encoding: the one that the text was decoded with.
    """
    yield from _about_controls(counts, places, encoding)
    if number := int(counts[REPLACEMENT]):
        yield Finding(
            "warning",
            "lost characters",
            f"{count_of(number, 'replacement character')} U+FFFD (the first in "
            f"{places[REPLACEMENT]}), each for a character lost in an earlier conversion.",
            "Get the original text again, in the correct encoding: the lost characters "
            "cannot be restored.",
            _data(counts, np.array([REPLACEMENT]), places),
        )
    found = _present(counts, INVISIBLE)
    if len(found):
        number = total(counts, found)
        yield Finding(
            "remark",
            "invisible characters",
            f"{count_of(number, 'invisible character')}: {_listed(counts, found, places)}.",
            _advice_on_invisible(counts),
            _data(counts, found, places),
        )


def _about_controls(
    counts: np.ndarray, places: Mapping[int, Place], encoding: str
) -> Iterator[Finding]:
    found = _present(counts, CONTROLS)
    if not len(found):
        return
    number, num_c1 = total(counts, found), total(counts, _C1)
    if num_c1 and codecs.lookup(encoding).name == "iso8859-1":
        # Windows' quotes and dashes, decoded as Latin-1.
        advice = (
            "In cp1252, most of U+0080 to U+009F are quotes and dashes: try --encoding "
            "cp1252."
        )
    else:
        # `tr` deletes single bytes, so not those from U+0080.
        command = ": tr -d '\\000-\\010\\013\\014\\016-\\037\\177' < FILE > CLEAN"
        advice = "Delete them unless they have a meaning here"
        advice += f"{command if num_c1 < number else ''}."
    yield Finding(
        "warning",
        "control characters",
        f"{count_of(number, 'control character')}: {_listed(counts, found, places)}.",
        advice,
        _data(counts, found, places),
    )


def _advice_on_invisible(counts: np.ndarray) -> str:
    reasons = []
    if total(counts, _JOINERS):
        reasons.append("Joiners belong to Persian, Indic scripts and emoji.")
    if total(counts, _DIRECTIONS):
        reasons.append("Direction marks belong to right-to-left text.")
    if total(counts, _LEFTOVERS):
        reasons.append("Soft hyphens, zero-width spaces and marks are mostly leftovers.")
    return f"{' '.join(reasons)} The model learns to generate them."


# --- rare characters ---


def rarity_findings(counts: np.ndarray, config: TextConfig) -> Iterator[Finding]:
    """Characters that are too rare to learn, and the effect of `min_count` on them."""
    num_kinds = int(np.count_nonzero(counts))
    rare = rare_codes(counts, config.min_count if config.min_count > 1 else RARE)
    if config.tokenizer == "byte" or not len(rare):
        return
    if config.min_count > 1:
        yield _about_folding(counts, rare, num_kinds, config.min_count)
        return
    rare = rare[np.argsort(counts[rare], kind="stable")]
    yield Finding(
        "remark",
        "rare characters",
        f"{len(rare):,} of {count_of(num_kinds, 'different character')} "
        f"{'is' if len(rare) == 1 else 'are'} seen fewer than {RARE} times, too rarely to "
        f"learn: {_listed(counts, rare, most=5)}.",
        _folding_advice(counts, num_kinds),
        _data(counts, rare),
    )


def _folding_advice(counts: np.ndarray, num_kinds: int) -> str:
    options: list[str] = []
    before = 0
    for min_count in _MIN_COUNTS:
        codes = rare_codes(counts, min_count)
        if before < len(codes) < num_kinds:
            before = len(codes)
            share = percent(total(counts, codes), int(counts.sum()))
            options.append(
                f"--min-count {min_count} folds {before:,} ({share} of the text)"
            )
    if not options:
        return ""
    return (
        "If they do not matter, fold them into one unknown token: "
        f"{', '.join(options)}; --tokenizer byte can encode every character."
    )


def _about_folding(
    counts: np.ndarray, folded: np.ndarray, num_kinds: int, min_count: int
) -> Finding:
    if len(folded) == num_kinds:
        return Finding(
            "error",
            "rare characters",
            f"--min-count {min_count} leaves no character: the most frequent one occurs "
            f"{int(counts.max()):,} times.",
            "Lower --min-count.",
        )
    number, num_chars = total(counts, folded), int(counts.sum())
    is_much = number > 0.01 * num_chars
    return Finding(
        "warning" if is_much else "remark",
        "rare characters",
        f"--min-count {min_count} makes {len(folded):,} of "
        f"{count_of(num_kinds, 'different character')} one unknown token, "
        f"{percent(number, num_chars)} of the text.",
        "That is a lot: lower --min-count, or use --tokenizer byte." * is_much,
        _data(counts, folded),
    )


# --- normal forms ---


def form_findings(raw: np.ndarray, nfc: np.ndarray, form: str) -> Iterator[Finding]:
    """Characters that are not in the normal form NFC, and those spelled in two ways.

    Args:
        raw: counts of the text as it is.
        nfc: counts of the same text in NFC.
        form: the normal form that is asked for.
    """
    lost, gained = np.maximum(raw - nfc, 0), np.maximum(nfc - raw, 0)
    number = int(lost.sum())
    if not number:
        return
    listed = _listed(lost, _present(lost, np.flatnonzero(lost)), most=4)
    are = "is" if number == 1 else "are"
    what = f"{count_of(number, 'character')} {are} not in the normal form NFC: {listed}."
    both = _present(gained, np.flatnonzero((gained > 0) & (raw > 0))).tolist()
    mixed = [code for code in both if _is_composed(code)]
    if mixed:
        shown = ", ".join(
            f"{named(code)} ({int(raw[code]):,} of {int(nfc[code]):,} are NFC)"
            for code in mixed[:3]
        )
        more = f" and {count_of(len(mixed) - 3, 'other')}" if len(mixed) > 3 else ""
        what += f" These have two spellings in the text: {shown}{more}."
    yield Finding(
        "warning" if form == "none" else "remark",
        "mixed normal forms" if mixed else "normal form",
        what,
        "Characters that look alike are different to a model: use --normalize nfc."
        if form == "none"
        else f"Nothing to do: --normalize {form} gives them one spelling.",
        {"count": number},
    )


def _is_composed(code: int) -> bool:
    # Hangul syllables are composed by a rule, which is not in the table.
    return bool(unicodedata.decomposition(chr(code))) or 0xAC00 <= code < 0xD7A4
