"""Charts by matplotlib: SVG in the colours of a page, and PNG in its light colours."""

from __future__ import annotations

import io
import re
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Colours:
    """The colours of a chart: text, lines of the grid, curves, and the ground."""

    ink: str
    grid: str
    series: tuple[str, str, str, str]
    ground: str


# What matplotlib writes and `_themed` replaces by the colours of the page.
INK, GRID, SERIES = "#0a0b0c", "#0a0b0d", ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04")
OF_PAGE = Colours(INK, GRID, SERIES, ground="none")
LIGHT = Colours(
    "#1b1d22", "#d5d8de", ("#1b62c4", "#c2410c", "#15803d", "#8b2fb3"), ground="#ffffff"
)
"""The light colours of `page.css`."""

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "textgen",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}
SIZE = (8.5, 3.2)
"""Of a chart in inches, and of `history.png`, which has 1,275 x 480 pixels."""

CURVES: dict[str, Any] = {"columns": 2, "ratios": (2, 1)}


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def curves(rows: Sequence[Mapping[str, float]]) -> str:
    """Bits per character by epoch, with the best point, and the learning rate."""
    return picture(_curves(rows, OF_PAGE), **CURVES)


def history_png(rows: Sequence[Mapping[str, float]]) -> bytes:
    """The same as a PNG image.

    Args:
        rows: one mapping per evaluation, as in `history.csv`.
    """
    file = io.BytesIO()
    with _figure(_curves(rows, LIGHT), LIGHT, SIZE, **CURVES) as figure:
        figure.savefig(file, format="png", dpi=150)
    return file.getvalue()


def _curves(
    rows: Sequence[Mapping[str, float]], colours: Colours
) -> Callable[[Axes, Axes], None]:
    def draw(bits: Axes, rate: Axes) -> None:
        epochs = [row["epoch"] for row in rows]
        best = min(rows, key=lambda row: row["val_bits_per_char"])
        for column, (name, label) in enumerate(
            (("train", "training"), ("val", "held out"))
        ):
            values = [row[f"{name}_bits_per_char"] for row in rows]
            line = ".--" if name == "train" else ".-"
            bits.plot(epochs, values, line, color=colours.series[column], label=label)
        place = best["epoch"], best["val_bits_per_char"]
        ring: dict[str, Any] = {"fillstyle": "none", "markersize": 9, "color": colours.ink}
        bits.plot(*place, "o", label=f"best: {place[1]:.3f}", **ring)
        bits.set(xlabel="epoch", ylabel="bits per character")
        bits.legend()
        rates = [row["learning_rate"] for row in rows]
        rate.plot(epochs, rates, ".-", color=colours.series[2])
        rate.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))

    return draw


def use_of_gates(
    uses: Mapping[str, Sequence[tuple[int, NDArray[Any], NDArray[Any]]]],
) -> str:
    """A point for each unit: the share of time closed and open, a panel for each gate.

    Args:
        uses: layer, closed and open shares `(units,)`, by gate.
    """

    def draw(*panels: Axes) -> None:
        for axes, (gate, layers) in zip(panels, uses.items(), strict=True):
            for layer, closed, opened in layers:
                style: dict[str, Any] = {
                    "s": 12,
                    "color": SERIES[layer % 4],
                    "marker": "os^D"[layer % 4],
                }
                axes.scatter(closed, opened, alpha=0.6, label=f"layer {layer}", **style)
            axes.set(title=f"{gate} gate", xlabel="closed (below 0.1)")
            axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        panels[0].set_ylabel("open (above 0.9)")
        panels[-1].legend()

    return picture(draw, columns=len(uses))


def half_life(lives: Mapping[int, NDArray[np.float64]]) -> str:
    """How many units remember for how long."""

    def draw(axes: Axes) -> None:
        edges = np.geomspace(0.1, 10_000, 31)
        for layer, values in lives.items():
            shown = np.clip(values, edges[0], edges[-1])
            style: dict[str, Any] = {"color": SERIES[layer % 4], "alpha": 0.6}
            axes.hist(shown, edges.tolist(), label=f"layer {layer}", **style)
        axes.set(xscale="log", xlabel="half-life in characters", ylabel="units")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.legend()

    return picture(draw)


def context(bits: Mapping[int, float]) -> str:
    """Bits per character by the characters after which the state is reset."""

    def draw(axes: Axes) -> None:
        axes.plot(list(bits), list(bits.values()), color=SERIES[0], marker="o")
        axes.set_xscale("log", base=2)
        axes.set_xticks(list(bits), [f"{length:,}" for length in bits], rotation=40)
        axes.minorticks_off()
        axes.set(xlabel="state reset every … characters", ylabel="bits per character")

    return picture(draw)


def influence(bits: NDArray[np.float64]) -> str:
    """How far predictions change after one changed character."""

    def draw(axes: Axes) -> None:
        axes.plot(np.arange(1, len(bits) + 1), np.maximum(bits, 1e-5), color=SERIES[0])
        # Less than this is nothing that anybody could notice.
        axes.set(xscale="log", yscale="log", xlabel="distance in characters")
        axes.set_ylabel("change of the prediction, bits")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()

    return picture(draw)


def characters(places: NDArray[np.float64], names: Sequence[str], shares: Any) -> str:
    """The characters at their places in the two main directions of the embedding."""

    def draw(axes: Axes) -> None:
        # Invisible points, so that the axes fit.
        axes.scatter(places[:, 0], places[:, 1], s=0)
        for (x, y), name in zip(places.tolist(), names, strict=True):
            axes.text(x, y, name, ha="center", va="center", fontsize=11)
        axes.set_xlabel(f"first direction, {shares[0]:.0%} of the variance")
        axes.set_ylabel(f"second direction, {shares[1]:.0%}")
        axes.margins(0.08)

    return picture(draw, height=5.5)


def picture(
    draw: Callable[..., None],
    columns: int = 1,
    ratios: Sequence[float] | None = None,
    height: float = SIZE[1],
) -> str:
    """An SVG element by a function that draws on axes."""
    file = io.StringIO()
    with _figure(draw, OF_PAGE, (SIZE[0], height), columns, ratios) as figure:
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing, transparent=True)
    return _themed(file.getvalue())


@contextmanager
def _figure(
    draw: Callable[..., None],
    colours: Colours,
    size: tuple[float, float],
    columns: int = 1,
    ratios: Sequence[float] | None = None,
) -> Iterator[Figure]:
    """Yield a figure that has been drawn, to be saved in its style."""
    import matplotlib

    # A Figure without pyplot touches no global state and needs no display.
    from matplotlib.figure import Figure

    style: Any = {**STYLE, **_coloured(colours)}
    # Text is text in the file: the reader's fonts have what those here may lack.
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure = Figure(figsize=size, layout="constrained")
        draw(*figure.subplots(1, columns, squeeze=False, width_ratios=ratios)[0])
        yield figure


def _coloured(colours: Colours) -> dict[str, str]:
    """Settings of matplotlib."""
    ink = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")
    ground = ("figure.facecolor", "axes.facecolor")
    return {
        **dict.fromkeys(ink, colours.ink),
        **dict.fromkeys(("axes.edgecolor", "grid.color"), colours.grid),
        **dict.fromkeys(ground, colours.ground),
    }


def _themed(svg: str) -> str:
    """Only the element, with ids of its own, in the colours of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", svg)
    own = f"p{zlib.crc32(svg.encode())}-"
    svg = re.sub(r'(?<= id=")|(?<=href="#)|(?<=url\(#)', own, svg)
    svg = re.sub(r'(?<=<svg )(.*?)width="[^"]*"', r"\1", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'(?<=<svg )(.*?)height="[^"]*"', r"\1", svg, count=1, flags=re.DOTALL)
    names = {INK: "currentColor", GRID: "var(--line)"}
    names |= {colour: f"var(--series-{n})" for n, colour in enumerate(SERIES)}
    for colour, name in names.items():
        svg = svg.replace(colour, name)
    return svg.replace("<svg ", '<svg aria-hidden="true" ', 1)
