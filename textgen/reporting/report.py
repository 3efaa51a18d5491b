"""The page of a report: one self-contained HTML file (extra `report`)."""

from __future__ import annotations

import ast
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from textgen.checkpoint.format import Checkpoint
from textgen.checkpoint.runs import run_name
from textgen.generation.scoring.trace import are_labels
from textgen.inspecting.by_hand import ByHand
from textgen.inspecting.gates import KEEPS
from textgen.inspecting.inspection import Inspection
from textgen.inspecting.texts import prompts_of
from textgen.inspecting.units import Ranking
from textgen.model.cells import CELLS
from textgen.reporting import pictures
from textgen.reporting.arrays import LEVELS, PAGE_CHARS, gate_data, text_data, unit_data
from textgen.reporting.facts import training_of, written_by
from textgen.reporting.page import json_for_page, rendered, shown
from textgen.version import __version__
from textgen.wording import count_of

SECTIONS = (
    ("training", "Training"),
    ("surprise", "Surprise"),
    ("cells", "Cells"),
    ("gates", "Gates"),
    ("memory", "Memory"),
    ("characters", "Characters"),
    ("novelty", "Copied or new"),
    ("by-hand", "The cell by hand"),
)
ABOVE_CHANCE = 1.5
"""So many times the control, which is a single draw, is more than chance."""

WRITTEN_CHARS = 3_000
"""Characters that the model writes, to see how much is copied."""

LETTERS = {
    **{"input": "i", "forget": "f", "cell": "g", "output": "o", "hidden": "h"},
    **{"update": "z", "reset": "r", "candidate": "g"},
}
"""Names of gates as in the papers."""


def report_html(found: Inspection, path: Path, *, seed: int = 0) -> str:
    """The page.

    Args:
        found: the numbers.
        path: the checkpoint, whose run holds history and previews.
        seed: of the text that the model writes.
    """
    from markupsafe import Markup

    saved, training = found.saved, training_of(path, found.saved)
    data = {"text": text_data(found), "units": unit_data(found), "gates": gate_data(found)}
    return rendered(
        "report.html",
        name=run_name(path),
        summary=_summary(saved),
        found=found,
        saved=saved,
        reading=found.reading,
        training=training,
        written=written_by(path, saved, WRITTEN_CHARS, seed, prompts_of(found.text)),
        pictures={k: Markup(v) for k, v in _pictures(found, training.rows).items()},
        sections=SECTIONS,
        levels=[f"under {LEVELS[0]}", *(f"from {bits}" for bits in LEVELS)],
        is_chance=is_chance,
        total_bits=found.reading.bits.sum() or 1.0,
        first_page=Markup(_first_page(found)),
        keeper=KEEPS.get(saved.model.cell, ""),
        neighbours=_neighbours(found),
        letters=LETTERS,
        **_hand(found),
        version=__version__,
        data=Markup(json_for_page(data)),
    )


def is_chance(ranking: Ranking) -> bool:
    """Whether a ranking shows no more than chance does, on either half of the text."""
    best = ranking.best[0]
    weaker = min(abs(best.correlation), abs(best.second_half))
    return weaker < ABOVE_CHANCE * max(ranking.control, ranking.control_second_half)


def _summary(saved: Checkpoint) -> str:
    config = saved.model
    return (
        f"{CELLS[config.cell].title}, {count_of(config.num_layers, 'layer')} of "
        f"{count_of(config.units, 'unit')}, "
        f"{count_of(config.num_parameters, 'parameter')}, "
        f"{count_of(config.vocab_size, 'symbol')}"
    )


def _first_page(found: Inspection) -> str:
    """The first page of the coloured text, which the browser shows at once."""
    from markupsafe import escape

    text = found.reading.characters.text[:PAGE_CHARS]
    rows = zip(text, found.reading.bits, found.predicted, strict=False)
    parts = []
    for level, run in groupby(rows, key=lambda row: _level(float(row[1]), bool(row[2]))):
        held = escape(shown("".join(row[0] for row in run)).replace("\n", "↵\n"))
        parts.append(f'<span class="{level}">{held}</span>' if level != "b0" else held)
    return "".join(parts)


def _level(bits: float, is_known: bool) -> str:
    return f"b{sum(bits >= top for top in LEVELS)}" if is_known else "bx"


def _pictures(found: Inspection, rows: Any) -> dict[str, str]:
    made = {"curves": pictures.curves(rows) if rows else ""}
    uses: dict[str, list[Any]] = {}
    for use in found.reading.gates:
        uses.setdefault(use.gate, []).append((use.layer, use.closed, use.open))
    if uses:
        made["gates"] = pictures.use_of_gates(uses)
        made["half_life"] = pictures.half_life(found.half_lives)
    made["context"] = pictures.context(found.context) if found.context else ""
    made["influence"] = pictures.influence(found.influence) if len(found.influence) else ""
    names = [_label(found, int(number)) for number in found.map.ids]
    made["characters"] = pictures.characters(found.map.places, names, found.map.shares)
    return made


def _label(found: Inspection, number: int) -> str:
    """The character itself where it can be seen, else its name."""
    symbol = found.symbol(number)
    if symbol[0] not in "'\"":
        return shown(symbol)
    # As Python writes it; what cannot be seen stays an escape.
    character = str(ast.literal_eval(symbol))
    seen = {" ": "␣", "\n": "↵"}.get(character, character)
    return seen if seen.isprintable() else symbol[1:-1]


def _neighbours(found: Inspection) -> list[tuple[str, list[str]]]:
    return [
        (found.symbol(int(number)), [found.symbol(int(each)) for each in nearest])
        for number, nearest in zip(found.map.ids, found.map.neighbours, strict=True)
    ]


def _hand(found: Inspection) -> dict[str, Any]:
    hand = found.hand
    if hand is None:
        return {"hand": None, "hand_character": "", "hand_before": "", "equations": ""}
    passage, characters = found.reading.passage, found.reading.characters
    # Rows of labels are in the passage, but belong to no character.
    row = np.count_nonzero(~are_labels(passage.codes[: hand.row]))
    end = np.append(characters.owners, len(characters.text))[row]
    before = characters.text[max(0, end - 20) : end]
    character = found.symbol(int(passage.ids[hand.row]))
    facts = {"hand": hand, "hand_character": character, "hand_before": before}
    return {**facts, "equations": _equations(hand)}


def _equations(hand: ByHand) -> str:
    """The states of a unit, with numbers in place of letters."""
    gate = {each.gate: f"{each.value:.4f}" for each in hand.gates}
    old, new = ({k: f"{v:.4f}" for k, v in s.items()} for s in (hand.before, hand.after))
    if hand.cell == "rnn":
        return f"h = tanh({hand.gates[0].total:.4f}) = {new['h']}"
    if hand.cell == "gru":
        z, g = gate["update"], gate["candidate"]
        return f"h = z × h + (1 − z) × g = {z} × {old['h']} + (1 − {z}) × {g} = {new['h']}"
    f, g, o = gate["forget"], gate["cell"], gate["output"]
    i, letter = (gate["input"], "i") if "input" in gate else (f"(1 − {f})", "(1 − f)")
    return (
        f"c = f × c + {letter} × g = {f} × {old['c']} + {i} × {g} = {new['c']}\n"
        f"h = o × tanh(c) = {o} × tanh({new['c']}) = {new['h']}"
    )
