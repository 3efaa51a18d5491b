"""`textgen sample`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textgen.cli.common import (
    check_output,
    find,
    is_checkpoint,
    note_ranges,
    results_in,
    write_json,
    write_text,
)
from textgen.cli.options import (
    NUMBER,
    WEIGHTS,
    Command,
    config_options,
    given,
    memory_option,
)
from textgen.config.fields import pick
from textgen.config.sampling import SamplingConfig
from textgen.config.text import TextConfig
from textgen.errors import CheckpointError
from textgen.wording import say, shown

if TYPE_CHECKING:
    from textgen.generation.decoding.sample import Sample
    from textgen.generation.generator import Generator
    from textgen.text.tokenizers.serialization import Tokenizer


@dataclass(frozen=True)
class _Request:
    """The command line, apart from the sampling settings."""

    checkpoints: tuple[str, ...]
    prompt: str
    prompt_file: str | None
    prompts_file: str | None
    encoding: str | None
    label: str | None
    seed: int | None
    num_samples: int
    mix: tuple[float, ...] | float | None
    memory: bool | None
    memory_learns: bool
    no_echo: bool
    unknown: str
    jsonl: bool
    logprobs: int | None
    output: str | None
    overwrite: bool
    interactive: bool


@config_options("Sampling")
@click.command(cls=Command)
@click.argument("checkpoints", nargs=-1, metavar="[CHECKPOINT]...")
@click.option("--prompt", default="", help="The text to continue.")
@click.option(
    "--prompt-file",
    metavar="FILE",
    help="Read the prompt from a file, without its last line feed; - for stdin.",
)
@click.option(
    "--prompts",
    "prompts_file",
    metavar="FILE",
    help="Many prompts, one per line; an empty line is an empty prompt.",
)
@click.option(
    "--encoding", metavar="NAME", help="Encoding of the prompt file.  [default: utf-8]"
)
@click.option("--label", help="A label of the training text, for a model of labelled text.")
@click.option(
    "--seed",
    type=int,
    help="Random seed; the same command with the same seed repeats its texts.",
)
@click.option(
    "-n",
    "--num-samples",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    help="Number of texts for each prompt.  [default: 1]",
)
@click.option(
    "--mix", type=WEIGHTS, help="Weights of several checkpoints, for example 0.7,0.3."
)
@memory_option
@click.option(
    "--memory-learns",
    is_flag=True,
    help="Let the n-gram memory also learn from the prompt and from the text it writes.",
)
@click.option("--no-echo", is_flag=True, help="Do not show the prompt.")
@click.option(
    "--unknown",
    type=click.Choice(["skip", "error"]),
    default="skip",
    help="What to do with prompt characters the model has never seen.  [default: skip]",
)
@click.option(
    "--jsonl",
    is_flag=True,
    help="Print one line of JSON per text; 64 texts are generated at a time.",
)
@click.option(
    "--logprobs",
    type=click.IntRange(min=0),
    metavar="K",
    help="With --jsonl: also this many of the most likely characters at each position. "
    "Log-probabilities are in nats, of the model alone, before temperature and filters.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the text to FILE, which appears when all of it is generated.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file named by --output.")
@click.option(
    "--interactive",
    is_flag=True,
    help="Type prompts and change settings; /help lists the commands.",
)
def sample(**options: Any) -> None:
    """Generate text with CHECKPOINT, a directory or a name under checkpoints/.

    Without CHECKPOINT, the newest one under checkpoints/ is used. With --mix, the
    probabilities of several are averaged. A model of records with prompt and completion
    writes a completion of --prompt, up to its end.

    \b
    Examples:
      textgen sample english --prompt "The rain "
      textgen sample --prompt "It was " --length 400
      textgen sample my_book --temperature 0.9 --top-p 0.95 --seed 7
      textgen sample names -n 10 --until line
      textgen sample diary --pattern "On [A-Z][a-z]+day, [^.]*[.]" --length 200
      textgen sample reviews --label good --jsonl -n 100 --output good.jsonl
      textgen sample numbers --prompt 4711 --temperature 0 --no-echo
      textgen sample poems tales --mix 0.7,0.3
      textgen sample --interactive
      textgen sample --prompt-file opening.txt --no-echo > rest.txt

    Filters are applied in this order: allow, forbid and pattern; repetition, frequency and
    presence penalty, DRY, no-repeat-ngram; temperature, top-k, top-p, min-p, typical-p.
    """
    request = _Request(**pick(_Request, options))
    _check_usage(request)
    settings = SamplingConfig(**pick(SamplingConfig, given(options)))
    for name in ("allow", "forbid"):
        note_ranges(name, getattr(settings, name))
    generator = _load(request)
    if request.interactive:
        _converse(generator, settings, request)
    else:
        with results_in(request.output):
            _write(generator, settings, request)


def _check_usage(request: _Request) -> None:
    sources = {
        "--prompt": request.prompt,
        "--prompt-file": request.prompt_file,
        "--prompts": request.prompts_file,
    }
    named = [flag for flag, value in sources.items() if value]
    if len(named) > 1:
        raise click.UsageError(f"{named[0]} and {named[1]} cannot be used together.")
    if request.logprobs is not None and not request.jsonl:
        raise click.UsageError("--logprobs needs --jsonl.")
    if request.interactive:
        others = {
            "--jsonl": request.jsonl,
            "-n": request.num_samples > 1,
            "--output": request.output is not None,
        }
        for flag in (*named, *(flag for flag, is_given in others.items() if is_given)):
            raise click.UsageError(f"{flag} and --interactive cannot be used together.")
    if request.overwrite and request.output is None:
        raise click.UsageError("--overwrite needs --output.")
    check_output(request.output, overwrite=request.overwrite)
    _check_no_prompt(request.checkpoints)
    num_checkpoints = len(request.checkpoints)
    for name in request.checkpoints:
        if num_checkpoints > 1 and NUMBER.fullmatch(name) and not is_checkpoint(name):
            raise click.UsageError(
                f"there is no checkpoint {name}. If it is the value of an option, write "
                f"the option before it, as in --temperature {name}."
            )
    if num_checkpoints > 1 and request.mix is None:
        raise click.UsageError(
            "several checkpoints need --mix, for example "
            f"--mix {','.join(['1'] * num_checkpoints)}."
        )
    if num_checkpoints < 2 and request.mix is not None:
        raise click.UsageError("--mix needs at least two checkpoints.")


def _check_no_prompt(checkpoints: tuple[str, ...]) -> None:
    """Refuse what a person wants to be continued in the place of a checkpoint."""
    for name in checkpoints:
        is_file = name == "-" or os.path.isfile(name)
        if (is_file or " " in name) and not is_checkpoint(name):
            flag = "--prompt-file" if is_file else "--prompt"
            raise click.UsageError(
                f"{name} is not a checkpoint. To continue it as a text: textgen sample "
                f"{flag} {shlex.quote(name)}"
            )


def _load(request: _Request) -> Generator:
    from textgen.checkpoint.format import load_checkpoint
    from textgen.generation.generator import Generator

    loaded = [
        Generator.from_checkpoint(
            load_checkpoint(_found(name)),
            memory=request.memory,
            memory_learns=request.memory_learns,
        )
        for name in request.checkpoints or (None,)
    ]
    if request.mix is None:
        return loaded[0]
    shares = request.mix if isinstance(request.mix, tuple) else (request.mix,)
    return Generator.mix(loaded, shares)


def _found(name: str | None) -> Path:
    try:
        return find(name)
    except CheckpointError as error:
        if name is None or os.path.exists(name) or os.sep in name:
            raise
        end = "" if str(error).endswith((".", "?")) else "."
        # It may be the text that a person wants to be continued.
        raise CheckpointError(
            f"{error}{end} {shown(name)} is taken as the name of a run; to "
            f"continue it as a text: textgen sample --prompt {shlex.quote(name)}"
        ) from None


def _converse(generator: Generator, settings: SamplingConfig, request: _Request) -> None:
    from textgen.cli.interactive.conversation import converse

    converse(
        generator,
        settings,
        seed=request.seed,
        label=request.label,
        unknown=request.unknown,
        echo=not request.no_echo,
    )


def _write(generator: Generator, settings: SamplingConfig, request: _Request) -> None:
    prompts = _read_prompts(request)
    options: dict[str, Any] = {
        "seed": request.seed,
        "unknown": request.unknown,
        "label": request.label,
        "sampling": settings,
    }
    if not request.jsonl and len(prompts) == request.num_samples == 1:
        write_text(generator.stream(prompts[0], echo=not request.no_echo, **options))
        return
    logprobs = (request.logprobs or 0) if request.jsonl else None
    samples = generator.samples(prompts, request.num_samples, logprobs=logprobs, **options)
    if request.jsonl:
        for each in samples:
            write_json(each.to_dict())
        return
    # Lines follow each other directly; longer texts are set apart by an empty line.
    is_line = generator.documents == "lines" or settings.until == "line"
    _write_many(samples, generator.tokenizer, request.no_echo, apart=not is_line)


def _read_prompts(request: _Request) -> list[str]:
    if not request.prompt_file and not request.prompts_file:
        return [request.prompt]
    from textgen.text.reading.corpus import read_text

    config = TextConfig(encoding=request.encoding or "utf-8", normalize="none")
    if request.prompt_file:
        # Editors end every file with a line feed, which would begin a new line.
        return [read_text(request.prompt_file, config).removesuffix("\n")]
    text = read_text(str(request.prompts_file), config)
    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        say(f"Warning: {request.prompts_file} has no prompts, so nothing is written.")
    return lines


def _write_many(
    samples: Iterable[Sample], tokenizer: Tokenizer, no_echo: bool, *, apart: bool
) -> None:
    from textgen.generation.decoding.completing import shown_prompt

    for number, each in enumerate(samples):
        if number and apart:
            click.echo()
        prompt = "" if no_echo else shown_prompt(tokenizer, each.prompt)
        write_text([prompt + each.text])
