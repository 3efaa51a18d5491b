"""All numbers about one model and one text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgen.checkpoint.format import Checkpoint
from textgen.generation.network.remembering import network_of
from textgen.inspecting.by_hand import ByHand, by_hand
from textgen.inspecting.characters import CharacterMap, character_map, confusions, frequent
from textgen.inspecting.context import bits_by_context, influence
from textgen.inspecting.gates import half_lives
from textgen.inspecting.reading import Reading, read
from textgen.inspecting.surprise import KindTotal, Place, most_surprising, totals_by_kind
from textgen.inspecting.texts import Text

CONTEXT_CHARS = 8_192
"""Characters of the text that are read again and again with less context."""

MAPPED_CHARACTERS = 120
"""The most frequent characters, which the map of the embedding shows."""


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found.

    Args:
        saved: the model.
        text: what it read.
        reading: what one reading found.
        context: bits per character by the number of characters after which the state is
            reset, on the first `CONTEXT_CHARS` characters.
        influence: see `textgen.inspecting.context.influence`.
        map: of the characters' embedding.
        hand: a unit of the first layer followed through the equations.
    """

    saved: Checkpoint
    text: Text
    reading: Reading
    context: Mapping[int, float]
    influence: NDArray[np.float64]
    map: CharacterMap
    hand: ByHand | None

    @cached_property
    def predicted(self) -> NDArray[np.bool_]:
        """`(num_chars,)`: the characters that the bits are of."""
        return self.reading.characters.counts

    @cached_property
    def kinds(self) -> list[KindTotal]:
        """The surprise by kind of character."""
        return totals_by_kind(
            self.reading.characters.text, self.reading.bits, self.predicted
        )

    @cached_property
    def places(self) -> list[Place]:
        """The most surprising characters."""
        return most_surprising(
            self.reading.characters.text, self.reading.bits, self.predicted
        )

    @cached_property
    def confusions(self) -> list[tuple[str, str, int]]:
        """The predicted symbol that came, the likeliest one, and how often."""
        counted = self.predicted[self.reading.characters.owners]
        guesses = self.reading.guesses[counted, 0]
        found = confusions(self.reading.ids[counted], guesses)
        return [(self.symbol(a), self.symbol(b), count) for a, b, count in found]

    @cached_property
    def accuracy(self) -> float:
        """The share of predicted characters whose every id was the likeliest."""
        characters, wrong = (
            self.reading.characters,
            self.reading.ids != self.reading.guesses[:, 0],
        )
        num_wrong = np.bincount(characters.owners, wrong, minlength=len(characters.text))
        return float((num_wrong == 0)[self.predicted].mean())

    @cached_property
    def half_lives(self) -> Mapping[int, NDArray[np.float64]]:
        """In characters, of each unit, by layer; nothing for an RNN."""
        return half_lives(self.reading.gates, self.saved.model.cell)

    def symbol(self, number: int) -> str:
        """A readable name of an id; of a byte of ASCII its character."""
        is_character = self.saved.tokenizer.kind == "byte" and 32 <= number < 127
        return repr(chr(number)) if is_character else self.saved.tokenizer.symbol(number)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        reading = self.reading
        return {
            "text": {
                "origin": self.text.origin,
                "held_out": self.text.held_out,
                "num_chars": reading.num_predicted,
                "num_unknown": reading.characters.num_unknown,
            },
            "score": {"bits_per_char": reading.bits_per_char, "accuracy": self.accuracy},
            "surprise": {
                "by_kind": [
                    asdict(each) | {"bits_per_char": each.bits_per_char}
                    for each in self.kinds
                ],
                "places": [asdict(each) for each in self.places],
            },
            "units": [asdict(each) for each in reading.rankings],
            "gates": [
                {
                    "layer": use.layer,
                    "gate": use.gate,
                    **{
                        n: float(getattr(use, n).mean()) for n in ("open", "closed", "mean")
                    },
                }
                for use in reading.gates
            ],
            "half_life": {
                str(layer): dict(
                    zip(("q10", "median", "q90"), _quantiles(lives), strict=True)
                )
                for layer, lives in self.half_lives.items()
            },
            "context": {
                "bits_per_char": {str(n): bits for n, bits in self.context.items()},
                "influence_bits": self.influence.tolist(),
            },
            "characters": self._map_dict(),
            "confusions": [
                {"character": a, "taken_for": b, "count": n} for a, b, n in self.confusions
            ],
            "by_hand": None if self.hand is None else asdict(self.hand),
        }

    def _map_dict(self) -> dict[str, Any]:
        rows = zip(self.map.ids, self.map.places, self.map.neighbours, strict=True)
        return {
            "shares": list(self.map.shares),
            "places": [
                {
                    "character": self.symbol(int(id_)),
                    "x": float(place[0]),
                    "y": float(place[1]),
                    "nearest": [self.symbol(int(each)) for each in nearest],
                }
                for id_, place, nearest in rows
            ],
        }

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays for NumPy; `passage.*` holds gates and states of the beginning."""
        reading = self.reading
        first, second = reading.correlations
        units = [(unit.layer, unit.state, unit.number) for unit in reading.units]
        uses = {f"gates.{u.layer}.{u.gate}": u for u in reading.gates}
        return {
            "codes": np.array(list(map(ord, reading.characters.text)), np.uint32),
            "bits": reading.bits,
            "ids": reading.ids,
            "entropy": reading.entropy,
            "guesses": reading.guesses,
            "chances": reading.chances,
            "features": np.array(reading.features, str),
            "units": np.array(units, [("layer", "i4"), ("state", "U1"), ("number", "i4")]),
            "correlations": first,
            "correlations_second_half": second,
            **{
                f"{name}.{part}": getattr(use, part)
                for name, use in uses.items()
                for part in ("open", "closed", "mean")
            },
            **{f"half_life.{layer}": lives for layer, lives in self.half_lives.items()},
            "context.lengths": np.array(list(self.context), np.int64),
            "context.bits_per_char": np.array(list(self.context.values())),
            "influence": self.influence,
            "map.ids": self.map.ids,
            "map.places": self.map.places,
            "passage.ids": reading.passage.ids,
            **{f"passage.{n}": values for n, values in reading.passage.values.items()},
        }


def inspect(
    saved: Checkpoint,
    text: Text,
    *,
    patterns: Iterable[str] = (),
    seed: int = 0,
    on_rows: Callable[[int], object] = lambda rows: None,
) -> Inspection:
    """Read a text with a model and measure what happens inside.

    Args:
        patterns: regular expressions, features of a person's own.
        seed: of the controls.
        on_rows: called with the number of ids of each part that was read.

    Raises:
        ConfigError: a pattern is not a regular expression.
        CorpusError: the model knows no character of the text.
    """
    network = network_of(saved.model, saved.weights, saved.ngrams, copy=True)
    reading = read(
        network, saved.tokenizer, text.pieces, patterns=patterns, seed=seed, on_rows=on_rows
    )
    beginning = text.first(CONTEXT_CHARS).pieces
    return Inspection(
        saved,
        text,
        reading,
        bits_by_context(network, saved.tokenizer, beginning),
        influence(network, reading.ids, seed),
        character_map(saved.weights["embedding"], frequent(reading.ids, MAPPED_CHARACTERS)),
        _hand(saved, reading),
    )


def _hand(saved: Checkpoint, reading: Reading) -> ByHand | None:
    """The unit of the first layer whose h changes most, where it changes most."""
    h = reading.passage.states(0)["h"]
    if len(h) < 2:
        return None
    changes = np.abs(np.diff(h, axis=0))
    row, unit = np.unravel_index(int(changes.argmax()), changes.shape)
    return by_hand(saved.model, saved.weights, reading.passage, int(row) + 1, int(unit))


def _quantiles(values: NDArray[np.float64]) -> list[float | None]:
    # Infinity is no number of JSON.
    found = np.quantile(values, [0.1, 0.5, 0.9], method="nearest").tolist()
    return [each if np.isfinite(each) else None for each in found]
