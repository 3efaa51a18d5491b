"""The arrays that the page of a report holds, as compact as they may be."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgen.generation.scoring.trace import are_labels
from textgen.inspecting.gates import SIGMOID_GATES
from textgen.inspecting.inspection import Inspection
from textgen.text.unicode.code_points import surrogates

PAGE_CHARS = 2_000
"""Characters of the text that are shown at once."""

NUM_SHOWN = 3
"""Likeliest next characters that are shown."""

UNIT_VALUES, GATE_VALUES, LEAST_CHARS = 1_500_000, 600_000, 120
"""Values of all units and gates in the page; and characters, however many units."""

LEVELS = (1, 2, 4, 6, 8)
"""Bits at which the colour changes."""

LEFT_OUT = 255
"""In place of the bits of a character that the model does not know."""


def packed(values: NDArray[Any], dtype: str) -> str:
    """Base64 of an array, little-endian, for a typed array of JavaScript.

    >>> packed(np.array([1, 256]), "<u2")
    'AQAAAQ=='
    """
    return base64.b64encode(values.astype(dtype).tobytes()).decode()


def text_data(found: Inspection) -> dict[str, Any]:
    """The text in pages, and for each character its bits and what was expected.

    Bits and entropy are in sixteenths, chances in 255ths. Bits of 254 stand for more, too.
    """
    reading = found.reading
    text, known = reading.characters.text, found.predicted
    clean = text.translate({ord(each): 0xFFFD for each in surrogates(text)})
    starts = np.cumsum(reading.characters.widths) - reading.characters.widths
    rows = np.minimum(starts, len(reading.ids) - 1)
    bits = np.where(known, np.minimum(np.rint(reading.bits * 16), LEFT_OUT - 1), LEFT_OUT)
    guesses, chances = reading.guesses[rows, :NUM_SHOWN], reading.chances[rows, :NUM_SHOWN]
    # Numbers among those that occur: of a large vocabulary most never do.
    kinds, numbers = np.unique(guesses, return_inverse=True)
    small = len(kinds) <= 2**16
    return {
        "pages": [clean[n : n + PAGE_CHARS] for n in range(0, len(clean), PAGE_CHARS)],
        "pageChars": PAGE_CHARS,
        "numGuesses": guesses.shape[1],
        "bits": packed(bits, "u1"),
        "levels": [bits * 16 for bits in LEVELS],
        "mostBits": LEFT_OUT - 1,
        "leftOut": LEFT_OUT,
        "guesses": packed(numbers, "<u2" if small else "<u4"),
        "guessBytes": 2 if small else 4,
        "chances": packed(np.rint(chances * 255), "u1"),
        "entropy": packed(np.minimum(np.rint(reading.entropy[rows] * 16), 255), "u1"),
        "symbols": [found.symbol(number) for number in kinds.tolist()],
    }


def unit_data(found: Inspection) -> dict[str, Any]:
    """The value of each unit after each character of the beginning of the text."""
    values = {
        f"layer {layer} {name}": array
        for layer in range(found.saved.model.num_layers)
        for name, array in found.reading.passage.states(layer).items()
    }
    return _passage(found, values, UNIT_VALUES)


def gate_data(found: Inspection) -> dict[str, Any]:
    """The value of each gate, from 0 to 1, after each character of the beginning."""
    values = {
        f"layer {layer} {name}": array
        for layer in range(found.saved.model.num_layers)
        for name, array in found.reading.passage.gates(layer).items()
        if name in SIGMOID_GATES
    }
    return _passage(found, values, GATE_VALUES)


def _passage(
    found: Inspection, values: dict[str, NDArray[np.float32]], most: int
) -> dict[str, Any]:
    """Each array as signed bytes, unit by unit, with the largest size of each unit."""
    rows = _last_rows(found)
    units = found.saved.model.units
    rows = rows[: max(LEAST_CHARS, most // max(len(values) * units, 1))]
    groups = []
    for name, array in values.items():
        own = array[rows].T
        scales = np.maximum(np.abs(own).max(axis=1, initial=0), 1e-6)
        scales = np.where(scales <= 1, 1, scales)
        groups.append(
            {
                "name": name,
                "values": packed(np.rint(own / scales[:, np.newaxis] * 127), "i1"),
                "scales": [round(float(scale), 4) for scale in scales],
            }
        )
    return {"numChars": len(rows), "numUnits": units, "groups": groups}


def _last_rows(found: Inspection) -> NDArray[np.int64]:
    """The row of the passage after each character, as far as the passage goes."""
    # Rows of labels are in the passage, but not among the characters.
    rows = np.flatnonzero(~are_labels(found.reading.passage.codes))
    ends = np.cumsum(found.reading.characters.widths) - 1
    # A character that was left out has the states of the one before it.
    ends = np.maximum(ends[ends < len(rows)], 0)
    found_rows: NDArray[np.int64] = rows[ends]
    return found_rows
