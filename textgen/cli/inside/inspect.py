"""`textgen inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from textgen.cli.common import check_output, write_json, write_text
from textgen.cli.inside.inspecting import Request, inspecting
from textgen.cli.options import Command
from textgen.disk.names import real_path
from textgen.wording import count_of, one_line, say, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textgen.inspecting.inspection import Inspection
    from textgen.inspecting.units import Follower


@click.command(cls=Command)
@inspecting
@click.option("--json", "as_json", is_flag=True, help="Print every number as JSON.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write arrays for NumPy: an .npz file for numpy.load.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file named by --output.")
def inspect(as_json: bool, output: str | None, overwrite: bool, **options: Any) -> None:
    """Show in numbers what happens inside CHECKPOINT while it reads TEXT.

    What surprises it, by kind of character; which unit follows quotes, brackets, the
    position in a line, ..., with a control that shows what chance gives; how long units
    remember; how much context is used. Without TEXT it reads text that was held out in
    training, where that can still be found, and otherwise text that the model writes.
    textgen report makes a page of the same numbers.

    \b
    Examples:
      textgen inspect my_book
      textgen inspect my_book chapter.txt --json
      textgen inspect my_book chapter.txt -o inside.npz
      textgen inspect my_book chapter.txt --feature "\\bnot\\b"
    """
    if overwrite and output is None:
        raise click.UsageError("--overwrite needs --output.")
    if output == "-":
        raise click.UsageError("--output needs a file: arrays are not for a terminal.")
    check_output(output, overwrite=overwrite)
    _, found = Request(**options).inspect()
    if output is not None:
        _write_arrays(output, found)
    if as_json:
        write_json(found.to_dict())
    elif output is None:
        write_text(f"{line}\n" for line in _lines(found))


def _write_arrays(output: str, found: Inspection) -> None:
    import numpy as np

    from textgen.disk.atomic import new_file

    advice = "Free some space or choose another --output."
    with new_file(real_path(output), advice) as file:
        np.savez(file, **found.to_arrays())  # type: ignore[arg-type]
    say(f"Wrote {one_line(output)}")


def _lines(found: Inspection) -> Iterator[str]:
    reading = found.reading
    chars = count_of(reading.num_predicted, "character")
    yield f"{chars}: {one_line(found.text.origin)}"
    yield f"{reading.bits_per_char:.4f} bits per character"
    yield ""
    yield f"{'surprise':28}{'characters':>12}{'bits each':>11}{'share':>8}"
    total = reading.bits.sum() or 1
    for each in found.kinds:
        yield (
            f"{each.kind:28}{each.num_chars:>12,}{each.bits_per_char:>11.2f}"
            f"{each.bits / total:>8.0%}"
        )
    yield ""
    yield "units that follow a feature    correlation, on second half; by chance"
    for ranking in reading.rankings:
        best = ranking.best[0]
        yield (
            f"{one_line(ranking.feature):28}{_unit(best):>14}{best.correlation:>7.2f}"
            f"{best.second_half:>7.2f}{ranking.control:>7.2f}"
        )
    yield ""
    yield f"{'gates':28}{'open':>8}{'closed':>8}{'mean':>8}"
    for use in reading.gates:
        means = (use.open.mean(), use.closed.mean())
        shares = "".join(f"{mean:>8.0%}" for mean in means)
        yield f"layer {use.layer} {use.gate:20}{shares}{use.mean.mean():>8.2f}"
    for layer, half in found.to_dict()["half_life"].items():
        values = ", ".join("for ever" if v is None else f"{v:.1f}" for v in half.values())
        yield f"layer {layer} half-life in characters, 10%, 50%, 90% of units: {values}"
    if found.context:
        yield ""
        kept = ", ".join(f"{n:,}: {bits:.3f}" for n, bits in found.context.items())
        yield f"bits per character, with the state reset every N characters: {kept}"
    yield ""
    yield "taken for another most often: " + ", ".join(
        f"{a} for {b} ({count:,})" for a, b, count in found.confusions[:8]
    )
    yield "most surprising: " + ", ".join(
        f"{shown(p.character)} in line {p.line:,} ({p.bits:.1f} bits)"
        for p in found.places[:5]
    )


def _unit(follower: Follower) -> str:
    unit = follower.unit
    return f"{unit.state}{unit.number} layer {unit.layer}"
