"""The `textgen` command: options become one configuration, one call, one answer.

Nothing is computed here. Modules that need NumPy or Keras are imported inside the
command that needs them, so that `--help` answers at once.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from textgen import __version__
from textgen.config import ModelConfig, SamplingConfig, TextConfig, TrainConfig
from textgen.console import say
from textgen.training.size import SIZES

CONFIGS = {
    "Text": TextConfig,
    "Model": ModelConfig,
    "Training": TrainConfig,
    "Sampling": SamplingConfig,
}
CLICK_TYPES: dict[str, Any] = {"int": int, "float": float, "str": str}


class Option(click.Option):
    """A flag made from a field of a configuration; None means: not given."""

    def __init__(self, section: str, spec: dataclasses.Field) -> None:
        self.section = section
        flag = spec.name.replace("_", "-")
        on_off = spec.type == "bool"
        super().__init__(
            [f"--{flag}/--no-{flag}" if on_off else f"--{flag}"],
            default=None,
            type=_click_type(spec),
            help=spec.metadata["help"] + _shown_default(spec),
        )


class Command(click.Command):
    """A command whose help lists its options under the names of their configurations."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for the command's own options, one for each configuration."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                section = getattr(parameter, "section", "Options")
                sections.setdefault(section, []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)


def config_options(*sections: str) -> Callable[[Any], Any]:
    """Give a command one flag for each field of the named configurations."""

    def decorate(command: click.Command) -> click.Command:
        for section in sections:
            for spec in dataclasses.fields(CONFIGS[section]):
                if "help" in spec.metadata:
                    command.params.append(Option(section, spec))
        return command

    return decorate


def _click_type(spec: dataclasses.Field) -> Any:
    if spec.metadata["choices"]:
        return click.Choice(spec.metadata["choices"])
    return CLICK_TYPES.get(str(spec.type).removesuffix(" | None"))


def _shown_default(spec: dataclasses.Field) -> str:
    if spec.name in SIZES["tiny"]:
        return "  [default: by --size]"
    if spec.default is None:
        return ""
    shown = ("yes" if spec.default else "no") if spec.type == "bool" else spec.default
    return f"  [default: {shown}]"


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options a person gave; everything else is the configuration's business."""
    return {name: value for name, value in options.items() if value is not None}


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command explains itself: textgen train --help",
)
@click.version_option(__version__, prog_name="textgen")
def cli() -> None:
    """Character-level text generation with Keras: train on your own text, sample at once.

    \b
    Examples:
      textgen train my_book.txt              train; writes checkpoints/my_book/
      textgen sample --prompt "It was "      write with the newest checkpoint
      textgen score other_book.txt           how well the model predicts a text
      textgen demo                           all of it in two minutes
    """


@config_options("Text", "Model", "Training")
@cli.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
@click.option(
    "--out", metavar="DIR", help="Where the run goes.  [default: checkpoints/FIRST_NAME]"
)
@click.option(
    "--size",
    type=click.Choice(["auto", *SIZES]),
    default="auto",
    help="Layers, units and dropout by the amount of text; their own flags win.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option("--overwrite", is_flag=True, help="Replace the run in --out.")
@click.option(
    "--tune/--no-tune",
    default=True,
    help="Set memory and threads of this process for speed.  [default: yes]",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress, no notes.")
def train(
    paths: tuple[str, ...],
    out: str | None,
    size: str,
    resume: bool,
    overwrite: bool,
    tune: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a model on PATHS: files, directories, .gz/.bz2/.xz, or - for stdin.

    \b
    Examples:
      textgen train my_book.txt
      textgen train poems/ --glob "*.md" --documents files
      textgen train names.txt --documents lines --epochs 30
      textgen train my_book.txt --resume
      textgen train big.txt --size large --max-minutes 60 --eval-every 500

    The run's directory is printed on stdout when training ends.
    """
    from textgen.training.train import train as train_on

    run = train_on(
        paths,
        out,
        size=size,
        resume=resume,
        overwrite=overwrite,
        quiet=quiet,
        tune=tune,
        **_given(options),
    )
    click.echo(run)
    if not quiet:
        say(f'Write with it:  textgen sample {shlex.quote(str(run))} --prompt "..."')


@config_options("Sampling")
@cli.command(cls=Command)
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
    settings = SamplingConfig(**_given(options))
    from textgen.generation.generator import Generator
    from textgen.text.corpus import read_text

    generator = Generator.load(_find(checkpoint))
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
        _write_text(
            pieces, blank_line_after=number + 1 < num_samples and not _is_line(generator)
        )


def _is_line(generator: Any) -> bool:
    return bool(generator.documents == "lines")


def _write_text(pieces: Any, blank_line_after: bool) -> None:
    """Stream a text to stdout; it always ends with a line feed."""
    last = ""
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
        last = piece or last
    sys.stdout.write(("" if last.endswith("\n") else "\n") + "\n" * blank_line_after)
    sys.stdout.flush()


@cli.command()
@click.argument("arguments", nargs=-1, required=True, metavar="[CHECKPOINT] FILE")
@click.option("--encoding", default="utf-8", help="Encoding of FILE.  [default: utf-8]")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def score(arguments: tuple[str, ...], encoding: str, as_json: bool) -> None:
    """Measure how well CHECKPOINT predicts FILE, in bits per character.

    Fewer bits mean that the text surprises the model less. Characters it has never
    seen are counted (num_unknown) and left out, unless the model has a token for them
    (--min-count). Without CHECKPOINT the newest one under checkpoints/ is taken.

    \b
    Examples:
      textgen score other_book.txt
      textgen score my_book chapter.txt --json
    """
    if len(arguments) > 2:
        raise click.UsageError("expected [CHECKPOINT] FILE, found more arguments.")
    *checkpoint, file = arguments
    from textgen.generation.generator import Generator
    from textgen.text.corpus import read_text

    # The model's own normal form comes later, with its tokenizer.
    text = read_text(file, TextConfig(encoding=encoding, normalize="none"))
    result = Generator.load(_find(*checkpoint)).score(text).to_dict()
    if result["num_unknown"]:
        say(
            f"Warning: {result['num_unknown']:,} characters of this text are unknown to "
            "the model; they are left out unless it has a token for them."
        )
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"{result['bits_per_char']:.4f} bits per character ({result['protocol']})")
    click.echo(f"{result['bits_per_byte']:.4f} bits per byte")
    click.echo(f"{result['nats_per_char']:.4f} nats per character")
    click.echo(f"{result['perplexity']:.3f} perplexity per character")
    click.echo(f"{result['num_chars']:,} characters, {result['num_unknown']:,} unknown")


@cli.command()
@click.argument("checkpoint", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def info(checkpoint: str | None, as_json: bool) -> None:
    """Show what CHECKPOINT is: configuration, parameters, text, best score.

    \b
    Examples:
      textgen info
      textgen info my_book --json
    """
    from textgen.checkpoint import load_checkpoint
    from textgen.describe import as_text, describe

    path = _find(checkpoint)
    description = describe(load_checkpoint(path), path)
    click.echo(json.dumps(description) if as_json else as_text(description))


@cli.group()
def corpus() -> None:
    """List and fetch well-known public corpora.

    \b
    Examples:
      textgen corpus list
      textgen corpus fetch tinyshakespeare
      textgen train corpora/tinyshakespeare.txt
    """


@corpus.command("list")
def list_corpora() -> None:
    """Show the corpora that can be fetched by name."""
    from textgen.text.public import PUBLIC_CORPORA

    width = max(len(entry.name) for entry in PUBLIC_CORPORA)
    for entry in PUBLIC_CORPORA:
        size = f"{entry.num_bytes:>13,} bytes" if entry.num_bytes else " " * 19
        check = "sha256" if entry.sha256 else "no sha256 known"
        click.echo(f"{entry.name:{width}} {size}  {entry.description}")
        click.echo(f"{'':{width}} {'':19}  {entry.licence}; {check}")


@corpus.command("fetch")
@click.argument("name")
@click.option("--to", "folder", default="corpora", metavar="DIR", show_default=True)
def fetch_corpus(name: str, folder: str) -> None:
    """Download the corpus NAME, check it, and print where it is."""
    from textgen.text.public import fetch, file_sha256, public_corpus

    path = fetch(name, folder, progress=sys.stderr.isatty())
    if public_corpus(name).sha256 is None:
        say(f"No SHA-256 is known to check it by; this file has {file_sha256(path)}")
    click.echo(path)


@cli.command()
@click.option("--out", default="checkpoints/demo", metavar="DIR", show_default=True)
def demo(out: str) -> None:
    """Train on a small book that comes with the package, and write a page with it.

    The run in --out is replaced each time.
    """
    from textgen.generation.generator import Generator
    from textgen.text.bundled import bundled_corpus
    from textgen.training.train import train as train_on

    book = bundled_corpus("little_harbour.txt")
    say(f"Training on {book.name}, a book of fables written for this package.")
    run = train_on([book], out, overwrite=True, tune=True, **DEMO_OPTIONS)
    say("\nA page by the new model:\n")
    prompt = "THE "
    _write_text(
        Generator.load(run).stream(prompt, length=700, temperature=0.6, seed=1, echo=True),
        blank_line_after=True,
    )
    command = os.environ.get("TEXTGEN_COMMAND", "textgen")
    out = shlex.quote(out)
    say("Go on with:")
    say(f'  {command} sample {out} --prompt "One evening " --temperature 0.6')
    say(f"  {command} info {out}")
    say(f"  {command} train YOUR_TEXT.txt")


# A time, not a number of epochs: the demo takes as long on a slow machine.
DEMO_OPTIONS: dict[str, Any] = {"epochs": 100, "max_minutes": 1.4, "eval_every": 150}


def _find(checkpoint: str | None = None) -> Path:
    """Find a checkpoint; name it on stderr when nobody did."""
    from textgen.run_directory import find_checkpoint

    path = find_checkpoint(checkpoint)
    if checkpoint is None:
        say(f"Using {path}")
    return path
