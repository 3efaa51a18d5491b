"""One reading of a text by a network, in parts, from which all numbers follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgen.errors import CorpusError
from textgen.generation.network.layers.base import Floats
from textgen.generation.sampling.filters import log_softmax
from textgen.generation.scoring.protocols import Model
from textgen.generation.scoring.segments import FIRST_LABEL, segments
from textgen.generation.scoring.trace import (
    Trace,
    are_labels,
    character_of,
    joined,
    trace_chunks,
)
from textgen.inspecting.context import LEAST
from textgen.inspecting.features import features_of
from textgen.inspecting.gates import GateUse, GateUses
from textgen.inspecting.units import Array, Followers, Ranking, Unit
from textgen.model.cells import CELLS
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.serialization import Tokenizer

NUM_GUESSES = 5
"""Likeliest next characters that are kept at each place."""

PASSAGE_VALUES = 1_500_000
"""Values of units in the passage whose gates and states are kept."""


@dataclass(frozen=True)
class Characters:
    """A text as its model sees it, in normal form, without labels.

    Args:
        text: `num_chars` characters; a newline for the end of a document.
        widths: `(num_chars,)` ids of each; 0 for one that was left out.
        counts: `(num_chars,)` whether it was predicted; not what was left out, and not
            prompts.
        num_unknown: characters that the model has never seen, left out or not.
        labels: the label at each character; empty for a model without labels.
    """

    text: str
    widths: NDArray[np.int64]
    counts: NDArray[np.bool_]
    num_unknown: int
    labels: tuple[str, ...]

    @property
    def owners(self) -> NDArray[np.int64]:
        """`(num_rows,)`: the character of each id."""
        return np.repeat(np.arange(len(self.text)), self.widths)


@dataclass(frozen=True)
class Reading:
    """What one reading found; rows are ids, without those of labels.

    Args:
        bits: `(num_chars,)` the surprise of each character; 0 if it was left out.
        ids: `(num_rows,)`.
        guesses: `(num_rows, NUM_GUESSES)` the ids that were likeliest, likeliest first.
        chances: `(num_rows, NUM_GUESSES)` their probabilities.
        entropy: `(num_rows,)` of the prediction, in bits.
        rankings: units by features.
        correlations: `(num_units, num_features)` on both halves of the text.
        units: what the rows of `correlations` are.
        features: names of the columns of `correlations`.
        gates: their use.
        passage: gates and states of the first rows, those of labels included.
    """

    characters: Characters
    bits: NDArray[np.float64]
    ids: NDArray[np.int64]
    guesses: NDArray[np.int64]
    chances: Floats
    entropy: Floats
    rankings: list[Ranking]
    correlations: tuple[Array, Array]
    units: list[Unit]
    features: list[str]
    gates: list[GateUse]
    passage: Trace

    @property
    def num_predicted(self) -> int:
        """Characters that the bits are of."""
        return int(np.count_nonzero(self.characters.counts))

    @property
    def bits_per_char(self) -> float:
        """The mean, as `textgen score` gives it."""
        return float(self.bits.sum() / self.num_predicted)


def characters_of(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> Characters:
    """Bring documents into the form in which the model sees them.

    Raises:
        CorpusError: no character is known.

    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> characters_of(CharTokenizer("ab"), [Piece("a?b", ends=True)]).widths.tolist()
    [1, 0, 1]
    """
    parts = list(segments(tokenizer, pieces))
    codes = np.concatenate([part.codes for part in parts]) if parts else np.zeros(0, int)
    is_label = are_labels(codes)
    labels: list[str] = []
    if tokenizer.labels:
        numbers = np.where(is_label, codes - FIRST_LABEL, -1)
        starts = np.maximum.accumulate(np.where(is_label, np.arange(len(codes)), 0))
        labels = [tokenizer.labels[n] for n in numbers[starts][~is_label].tolist()]
    widths = np.concatenate([part.widths for part in parts]) if parts else codes
    codes, widths = codes[~is_label], widths[~is_label]
    counts = (widths > 0) & (codes < FIRST_LABEL)
    if not counts.any():
        raise CorpusError(
            "there is nothing to inspect: the text is empty, or the model has never seen "
            "any of its characters. Choose a text in the script it was trained on."
        )
    text = "".join(map(character_of, codes.tolist()))
    unknown = sum(int(np.count_nonzero(part.unknown)) for part in parts)
    return Characters(text, widths.astype(np.int64), counts, unknown, tuple(labels))


def read(
    network: Model,
    tokenizer: Tokenizer,
    pieces: Sequence[Piece],
    *,
    patterns: Iterable[str] = (),
    seed: int = 0,
    on_rows: Callable[[int], object] = lambda rows: None,
) -> Reading:
    """Read a text once, and keep what the numbers need.

    States and gates are not kept but for a passage; what is kept of each id takes about
    100 bytes, and some more for each feature.

    Args:
        pieces: complete documents.
        patterns: regular expressions, features of a person's own.
        seed: of the control.
        on_rows: called with the number of rows of each part that was read.

    Raises:
        ConfigError: a pattern is not a regular expression; a mixture of models.
        CorpusError: no character is known.
    """
    characters = characters_of(tokenizer, pieces)
    owners = characters.owners
    features = features_of(characters.text, characters.labels, patterns)
    by_row = {name: values[owners] for name, values in features.items()}
    units, gates = _units(network), GateUses()
    followers = Followers(units, by_row, seed)
    found, passage, room = _Found(), [], PASSAGE_VALUES // len(units)
    for part in trace_chunks(network, tokenizer, pieces):
        counted = ~are_labels(part.codes)
        found.add(part, counted)
        gates.add(part)
        followers.add(_states(part)[counted])
        if room > 0:
            passage.append(part)
            room -= len(part.ids)
        on_rows(len(part.ids))
    bits = np.bincount(owners, found.joined("bits"), minlength=len(characters.text))
    return Reading(
        characters,
        bits.astype(np.float64),
        found.joined("ids"),
        found.joined("guesses"),
        found.joined("chances"),
        found.joined("entropy"),
        followers.rankings(),
        followers.correlations(),
        units,
        followers.names,
        gates.result(),
        joined(passage),
    )


class _Found:
    """What is kept of each row."""

    def __init__(self) -> None:
        self._parts: dict[str, list[NDArray[Any]]] = {}

    def add(self, part: Trace, counted: NDArray[np.bool_]) -> None:
        logits = part.logits[counted]
        most = min(NUM_GUESSES, logits.shape[1])
        guesses = np.argpartition(-logits, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(logits, guesses, axis=1), kind="stable")
        guesses = np.take_along_axis(guesses, order, axis=1)
        logs = np.maximum(log_softmax(logits.astype(np.float64)), LEAST)
        probs = np.exp(logs)
        rows = {
            "bits": part.bits[counted],
            "ids": part.ids[counted],
            "guesses": guesses,
            "chances": np.take_along_axis(probs, guesses, axis=1).astype(np.float32),
            "entropy": (-(probs * logs).sum(axis=1) / np.log(2)).astype(np.float32),
        }
        for name, values in rows.items():
            self._parts.setdefault(name, []).append(values)

    def joined(self, name: str) -> NDArray[Any]:
        return np.concatenate(self._parts[name])


def _units(network: Model) -> list[Unit]:
    """Every number of `_states`, in order."""
    config = network.config
    return [
        Unit(layer, state, number)
        for layer in range(config.num_layers)
        for state in CELLS[config.cell].states
        for number in range(config.units)
    ]


def _states(part: Trace) -> Floats:
    """`(time, num_units)`: the states of all layers."""
    arrays = [a for n in range(part.num_layers) for a in part.states(n).values()]
    return np.concatenate(arrays, axis=1)
