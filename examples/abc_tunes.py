"""The tunes of music.py: reading ABC, checking its bars, and a pattern of right bars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from fractions import Fraction
from io import StringIO
from pathlib import Path

import numpy as np

import textgen
from textgen.errors import CorpusError

try:
    from music21 import abcFormat, stream
except ImportError as error:
    raise SystemExit(
        "Error: this needs music21. Install it: pip install music21"
    ) from error

NOTE = r"[_^=]?[A-Ga-g][,']?"
PIECES = {
    1: [NOTE],
    2: [f"{NOTE}2", rf"\(3{NOTE}{NOTE}{NOTE}"],
    3: [f"{NOTE}3"],
    4: [f"{NOTE}4"],
}
"""Notes and triplets by how many unit notes they last."""
HEADER = {
    "X:1": r"X:\s*\d+",
    "M:6/8": r"M:\s*(C\|?|[1-9]\d*/[1-9]\d*)",
    "L:1/8": r"L:\s*[1-9]\d*/[1-9]\d*",
    "K:G": r"K:\s*[A-G].*",
}
"""The lines that a tune needs, each by an example."""
BARLINE = re.compile(r"\[[12]|:?\|+[\]:12]?|::")


@dataclass(frozen=True)
class Played:
    """What a tune sounds like.

    Args:
        notes: `(num_notes, 3)`: onset and length in quarter notes, and MIDI pitch.
        bars: `(num_bars, 2)`: onset in quarter notes, and whether its length is right.
    """

    notes: np.ndarray
    bars: np.ndarray

    @property
    def is_right(self) -> bool:
        """Whether it has at least a line of four bars, and all are right."""
        return len(self.bars) >= 4 and bool(self.bars[:, 1].all())


def read_tunes(path: Path) -> list[str]:
    """Tunes without their titles and numbers: the lines M, L and K, then the notes.

    Raises:
        CorpusError: a tune is no ABC; names it and says what it lacks.
    """
    (text,) = textgen.read_corpus(path).documents
    blocks = re.split(r"^(?=X:)", text, flags=re.MULTILINE)
    return [
        _stripped(f"{path}: tune {number}", block)
        for number, block in enumerate(filter(str.strip, blocks), start=1)
    ]


def _stripped(name: str, block: str) -> str:
    lines = [line.rstrip("!\\").strip() for line in block.strip().split("\n")]
    header = [
        next((line for line in lines if re.fullmatch(form, line)), None)
        for form in HEADER.values()
    ]
    notes = [line for line in lines if line and not re.match(r"[A-Za-z]:[^|]|%", line)]
    if None in header:
        lack = f"no line such as {list(HEADER)[header.index(None)]}"
    elif not BARLINE.search("".join(notes)):
        lack = "no bar line"
    else:
        return "\n".join([*header[1:], *notes])
    raise CorpusError(
        f"{name} ({lines[0][:20]!r}) is no ABC: it has {lack}. A tune begins with the "
        f"lines {', '.join(HEADER)}, and then come notes, such as GAB d2B|."
    )


def played(tune: str) -> Played:
    """Let music21 read a tune; no notes and no bars if it cannot.

    A bar is right if its notes add up to the metre. The first and the last bar of a part,
    at a repeat or double bar line, may be shorter, since a part may begin with an upbeat.
    """
    try:
        tokens = tokens_of(tune).tokens
        notes = [
            (float(sound.offset), float(sound.quarterLength), pitch.midi)
            for sound in score_of(tune).flatten().notes
            for pitch in sound.pitches
        ]
        bars = _bars(tokens)
    # Of what a model may write, music21 raises its own kinds of error and Python's.
    except Exception:
        return Played(np.empty((0, 3)), np.empty((0, 2)))
    return Played(np.reshape(notes, (-1, 3)), np.reshape(bars, (-1, 2)))


def _bars(tokens: Sequence[abcFormat.ABCToken]) -> list[tuple[float, bool]]:
    """The onset of each bar, and whether its length is right.

    They are counted here, because music21 cuts a bar that is too long in two.
    """
    # Lengths, whole lengths, and whether a part begins before or ends after each bar.
    lengths, wholes, ends = [0.0], [0.0], [True]
    for token in tokens:
        if isinstance(token, abcFormat.ABCMetadata) and token.isMeter():
            wholes[-1] = token.getTimeSignatureObject().barDuration.quarterLength
        elif isinstance(token, abcFormat.ABCNote) and not token.inGrace:
            tuplet = token.activeTuplet
            share = tuplet.tupletMultiplier() if tuplet else 1
            lengths[-1] += float(token.quarterLength * share)
        elif isinstance(token, abcFormat.ABCBar):
            if lengths[-1]:
                lengths.append(0.0)
                wholes.append(wholes[-1])
                ends.append(False)
            ends[-1] |= not token.isRegular()
    if lengths[-1]:
        ends.append(True)
    count = len(ends) - 1
    ends[-1] = True
    onsets = np.cumsum([0.0, *lengths])
    return [
        (
            onsets[bar],
            abs(lengths[bar] - wholes[bar]) < 1e-6
            or (lengths[bar] < wholes[bar] and (ends[bar] or ends[bar + 1])),
        )
        for bar in range(count)
    ]


def tokens_of(tune: str) -> abcFormat.ABCHandler:
    """The symbols of a tune.

    Raises:
        Exception: of any kind, where there is something that music21 cannot read.
    """
    handler = abcFormat.ABCHandler()
    # It warns of what is an error here.
    with redirect_stderr(StringIO()):
        handler.process(f"X:1\n{tune}\n")
    for token in handler.tokens:
        # Otherwise music21 takes whatever it does not know for a C.
        if isinstance(token, abcFormat.ABCNote) and not re.search("[A-Ga-gxz]", token.src):
            raise ValueError(f"{token.src!r} is no note")
    return handler


def score_of(tune: str) -> stream.Score:
    """The tune for playing; as `tokens_of`."""
    return abcFormat.translate.abcToStreamScore(tokens_of(tune))


def bars_of(tune: str) -> list[str]:
    """The bars as they are written, without spaces.

    >>> bars_of("M:C\\nL:1/8\\nK:D\\nd2fd A4|e2 e2 c4:|")
    ['d2fdA4', 'e2e2c4']
    """
    notes = tune.split("\n", 3)[-1]
    bars = (re.sub(r"\s", "", bar) for bar in BARLINE.split(notes))
    return [bar for bar in bars if bar]


def pattern_of(head: str) -> str:
    r"""A pattern of a key and two parts of eight right bars, for the metre of a head.

    Raises:
        CorpusError: unit notes do not fill a bar.

    >>> pattern = pattern_of("M:2/4\nL:1/8\n")
    >>> line = "d2fd|(3ABcd2|d4|A3F"
    >>> bool(re.fullmatch(pattern, f"K:D\n{line}|\n{line}:|\n{line}|\n{line}:|"))
    True
    >>> bool(re.fullmatch(pattern, f"K:D\n{line}|\n{line}:|\n{line}|\n{line}B:|"))
    False
    """
    metre, unit = (line[2:].strip() for line in head.split("\n")[:2])
    length = Fraction({"C": "4/4", "C|": "2/2"}.get(metre, metre)) / Fraction(unit)
    units = int(length)
    if units != length:
        raise CorpusError(
            f"a bar of {metre} does not hold a whole number of notes of {unit}. Use tunes "
            "whose most frequent metre does, such as 6/8 with L:1/8."
        )
    sizes = (3,) if metre in ("6/8", "9/8", "12/8") else (4, 2, 1)
    group = next((size for size in sizes if units % size == 0), 1)
    bar = f"({_group(group)}){{{units // group}}}"
    line = rf"{bar}(\|{bar}){{3}}"
    part = rf"{line}\|\n{line}:\|"
    return rf"K: ?[A-G][#b]?( [A-Z][a-z]+)?\n{part}\n{part}"


def _group(units: int) -> str:
    """Any notes that last so many units."""
    if units == 0:
        return " ?"
    ways = (
        f"({'|'.join(pieces)}){_group(units - length)}"
        for length, pieces in PIECES.items()
        if length <= units
    )
    return f"({'|'.join(ways)})"
