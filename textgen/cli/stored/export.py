"""`textgen export`."""

from __future__ import annotations

import click

from textgen.cli.common import check_output, find
from textgen.cli.options import Command
from textgen.wording import one_line, say, size_of


@click.command(cls=Command)
@click.argument("checkpoint", required=False)
@click.option(
    "--format",
    type=click.Choice(("textgen", "html", "onnx", "keras")),
    default="textgen",
    help="textgen: the checkpoint as one file; html: a page that writes in any browser; "
    'onnx (extra "onnx") and keras: the network for other programs.  [default: textgen]',
)
@click.option(
    "--weights",
    type=click.Choice(("float32", "float16", "int8")),
    help="Numbers to store the weights in: html has all three, onnx float32 and int8.  "
    "[default: float16 for html, else float32]",
)
@click.option("--int8", is_flag=True, help="The same as --weights int8.")
@click.option(
    "--memory/--no-memory",
    default=None,
    help="Take the n-gram memory along, from which most of the training text can be read.  "
    "[default: if CHECKPOINT has one and the format can hold it]",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The file.  [default: the name of the run, here]",
)
@click.option("--overwrite", is_flag=True, help="Replace the file named by --output.")
def export(
    checkpoint: str | None,
    format: str,
    weights: str | None,
    int8: bool,
    memory: bool | None,
    output: str | None,
    overwrite: bool,
) -> None:
    """Write CHECKPOINT as one file that others can use.

    A file of the format textgen holds the whole checkpoint, and every command takes it in
    place of a directory. One of the format html is a page with the model inside it: it
    opens from the disk, needs no server and no network, and writes in the browser. An onnx
    file takes ids and states and gives logits and states; a keras file opens with
    keras.models.load_model after import textgen. Each carries a model card, which
    textgen info --card prints; what a file lacks is said, with what that costs.

    \b
    Examples:
      textgen export my_book
      textgen export my_book -o for_you.safetensors
      textgen sample for_you.safetensors --prompt "It was "
      textgen export my_book --format html
      textgen export my_book --format html --int8 -o small.html
      textgen export my_book --format onnx
    """
    if int8 and weights not in (None, "int8"):
        raise click.UsageError(f"--int8 and --weights {weights} differ. Give one of them.")
    from textgen.exporting.export import export as write
    from textgen.exporting.export import output_file
    from textgen.training.backend.noise import as_command

    path = find(checkpoint)
    place = output_file(path, output, format)
    check_output(str(place), overwrite=overwrite)
    numbers = "int8" if int8 else weights
    with as_command():
        done = write(
            path, place, format=format, weights=numbers, memory=memory, overwrite=overwrite
        )
    for note in done.notes:
        say(one_line(note))
    say(f"Wrote {one_line(str(place))} ({size_of(place.stat().st_size)})")
