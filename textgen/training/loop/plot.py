"""The training curve as a PNG image (extra `plot`)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def history_png(rows: Sequence[Mapping[str, float]]) -> bytes:
    """Plot training and validation scores over epochs, with the best point marked.

    Args:
        rows: one mapping per evaluation, as in `history.csv`.

    Returns:
        a PNG image of 840 x 480 pixels.
    """
    # A Figure without pyplot touches no global state and needs no display.
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
        # Inside the right edge, where the best point of a short run is.
        ha="right",
    )
    axes.set(xlabel="epoch", ylabel="bits per character")
    axes.grid(alpha=0.3)
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
