"""`textgen sample`."""

from __future__ import annotations

import dataclasses
import secrets
from typing import Any

import click

from textgen.cli.common import find, write_text
from textgen.cli.options import Command, config_options, given
from textgen.config import SamplingConfig, TextConfig


@config_options("Sampling")
@click.command(cls=Command)
@click.argument("checkpoint", required=False)
@click.option("--prompt", default="", help="Text to go on from.")
@click.option("--prompt-file", metavar="FILE", help="The same from a file; - for stdin.")
@click.option("--encoding", help="Encoding of the prompt's file.  [default: utf-8]")
@click.option("--seed", type=int, help="Start of the random choices, to repeat a text.")
@click.option("--stop", multiple=True, help="End before this text; may be given again.")
@click.option(
    "-n", "--num-samples", type=click.IntRange(min=1), default=1, help="How many texts."
)
@click.option("--no-echo", is_flag=True, help="Do not show the prompt.")
@click.option(
    "--unknown",
    type=click.Choice(["skip", "error"]),
    default="skip",
    help="What to do with characters of the prompt the model never saw.  [default: skip]",
)
def sample(
    checkpoint: str | None,
    prompt: str,
    prompt_file: str | None,
    encoding: str | None,
    seed: int | None,
    stop: tuple[str, ...],
    num_samples: int,
    no_echo: bool,
    unknown: str,
    **options: Any,
) -> None:
    """Write text with CHECKPOINT: a directory, or a name under checkpoints/.

    Without CHECKPOINT the newest one under checkpoints/ is taken.

    \b
    Examples:
      textgen sample --prompt "It was " --length 400
      textgen sample my_book --temperature 0.6 --top-p 0.95 --seed 7
      textgen sample names -n 10
      textgen sample --prompt-file opening.txt --no-echo > rest.txt
    """
    if prompt and prompt_file:
        raise click.UsageError("--prompt and --prompt-file contradict each other.")
    settings = SamplingConfig(**given(options))
    from textgen.generation.generator import Generator
    from textgen.text.corpus import read_text

    generator = Generator.load(find(checkpoint))
    if prompt_file:
        text = TextConfig(encoding=encoding or "utf-8", normalize="none")
        prompt = read_text(prompt_file, text)
    start = secrets.randbits(32) if seed is None else seed
    for number in range(num_samples):
        pieces = generator.stream(
            prompt,
            seed=start + number,
            stop=stop,
            echo=not no_echo,
            unknown=unknown,
            **dataclasses.asdict(settings),
        )
        write_text(
            pieces, blank_line_after=number + 1 < num_samples and not _is_line(generator)
        )


def _is_line(generator: Any) -> bool:
    return bool(generator.documents == "lines")
