"""The training curve as a picture (extra `plot`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw_history(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw training and validation scores over the epochs, with the best point marked.

    Args:
        rows: one mapping an evaluation, as in `history.csv`.
        path: the PNG file to write; replaced in one go.
    """
    # A Figure of its own touches no global state and needs no display.
    from matplotlib.figure import Figure

    epochs = [row["epoch"] for row in rows]
    best = min(rows, key=lambda row: row["val_bits_per_char"])
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, label in (("train", "training"), ("val", "validation")):
        values = [row[f"{name}_bits_per_char"] for row in rows]
        axes.plot(epochs, values, marker=".", label=label)
    axes.plot(
        best["epoch"], best["val_bits_per_char"], "o", color="black", fillstyle="none"
    )
    axes.annotate(
        f"best: {best['val_bits_per_char']:.3f}",
        (best["epoch"], best["val_bits_per_char"]),
        textcoords="offset points",
        xytext=(0, 10),
        # Never over the right edge, where the best of a short run lies.
        ha="right",
    )
    axes.set(xlabel="epoch", ylabel="bits per character")
    axes.grid(alpha=0.3)
    axes.legend()
    fresh = path.with_name(f".{path.name}.new")
    figure.savefig(fresh, format="png", dpi=120)
    fresh.replace(path)
