"""`textgen sample`."""

from __future__ import annotations

from typing import Any

import click

from textgen.cli.common import find, write_json, write_text
from textgen.cli.options import NUMBERS, Command, config_options, given
from textgen.config.fields import to_dict
from textgen.config.sampling import SamplingConfig
from textgen.config.text import TextConfig
from textgen.wording import say


@config_options("Sampling")
@click.command(cls=Command)
@click.argument("checkpoints", nargs=-1, metavar="[CHECKPOINT]...")
@click.option("--prompt", default="", help="Text to go on from.")
@click.option(
    "--prompt-file",
    metavar="FILE",
    help="The same from a file, without its last line feed; - for stdin.",
)
@click.option(
    "--prompts",
    "prompts_file",
    metavar="FILE",
    help="Many prompts, one on each line; an empty line is an empty prompt.",
)
@click.option("--encoding", help="Encoding of these files.  [default: utf-8]")
@click.option("--label", help="What the text is to be like, for a model of labelled text.")
@click.option("--seed", type=int, help="Start of the random choices, to repeat a text.")
@click.option(
    "-n",
    "--num-samples",
    type=click.IntRange(min=1),
    default=1,
    help="How many texts for each prompt.",
)
@click.option("--mix", type=NUMBERS, help="Shares of several checkpoints, as 0.7,0.3.")
@click.option("--no-echo", is_flag=True, help="Do not show the prompt.")
@click.option(
    "--unknown",
    type=click.Choice(["skip", "error"]),
    default="skip",
    help="What to do with characters of the prompt the model never saw.  [default: skip]",
)
@click.option(
    "--jsonl",
    is_flag=True,
    help="One JSON object for each text, on a line; 64 texts are written together.",
)
@click.option(
    "--logprobs",
    type=click.IntRange(min=0),
    help="With --jsonl: this many of the likeliest characters at each place, too. All "
    "log-probabilities are in nats, of the model alone, before temperature and filters.",
)
@click.option("--interactive", is_flag=True, help="Type prompts and settings; /help lists.")
def sample(
    checkpoints: tuple[str, ...],
    prompt: str,
    prompt_file: str | None,
    prompts_file: str | None,
    encoding: str | None,
    label: str | None,
    seed: int | None,
    num_samples: int,
    mix: tuple[float, ...] | float | None,
    no_echo: bool,
    unknown: str,
    jsonl: bool,
    logprobs: int | None,
    interactive: bool,
    **options: Any,
) -> None:
    """Write text with CHECKPOINT: a directory, or a name under checkpoints/.

    Without CHECKPOINT the newest one under checkpoints/ is taken. Several write
    together with --mix.

    \b
    Examples:
      textgen sample --prompt "It was " --length 400
      textgen sample my_book --temperature 0.6 --top-p 0.95 --seed 7
      textgen sample names -n 10 --until line
      textgen sample diary --pattern "On [A-Z][a-z]+day, [^.]*[.]" --length 200
      textgen sample reviews --label good --jsonl -n 100 > good.jsonl
      textgen sample poems tales --mix 0.7,0.3
      textgen sample --interactive
      textgen sample --prompt-file opening.txt --no-echo > rest.txt

    Filters work in this order: allow, forbid and pattern; repetition, frequency and
    presence penalty, DRY, no-repeat-ngram; temperature, top-k, top-p, min-p, typical-p.
    """
    _check_usage(click.get_current_context().params)
    settings = SamplingConfig(**given(options))
    generator = _load(checkpoints, mix)
    if interactive:
        from textgen.cli.interactive.conversation import converse

        converse(
            generator, settings, seed=seed, label=label, unknown=unknown, echo=not no_echo
        )
        return
    prompts = _read_prompts(prompt, prompt_file, prompts_file, encoding or "utf-8")
    chosen = {"seed": seed, "unknown": unknown, "label": label, **to_dict(settings)}
    if jsonl:
        for each in generator.samples(
            prompts, num_samples, logprobs=logprobs or 0, **chosen
        ):
            write_json(each.to_dict())
    elif len(prompts) == num_samples == 1:
        write_text(generator.stream(prompts[0], echo=not no_echo, **chosen))
    else:
        # Lines stand under each other; longer texts are kept apart.
        is_line = generator.documents == "lines" or settings.until == "line"
        _write_many(
            generator.samples(prompts, num_samples, **chosen), no_echo, apart=not is_line
        )


def _check_usage(given: dict[str, Any]) -> None:
    named = [name for name in ("prompt", "prompt_file", "prompts_file") if given[name]]
    flags = {"prompts_file": "--prompts", "prompt_file": "--prompt-file"}
    if len(named) > 1:
        shown = " and ".join(flags.get(name, "--prompt") for name in named)
        raise click.UsageError(f"{shown} contradict each other.")
    if given["logprobs"] is not None and not given["jsonl"]:
        raise click.UsageError("--logprobs needs --jsonl.")
    if given["interactive"]:
        for name in (*named, "jsonl"):
            if given[name]:
                flag = flags.get(name, f"--{name}")
                raise click.UsageError(f"{flag} and --interactive contradict each other.")
        if given["num_samples"] > 1:
            raise click.UsageError("-n and --interactive contradict each other.")
    if len(given["checkpoints"]) > 1 and given["mix"] is None:
        raise click.UsageError(
            "several checkpoints write together only with --mix, for example "
            f"--mix {','.join(['1'] * len(given['checkpoints']))}."
        )
    if len(given["checkpoints"]) < 2 and given["mix"] is not None:
        raise click.UsageError("--mix needs at least two checkpoints.")


def _load(checkpoints: tuple[str, ...], mix: tuple[float, ...] | float | None) -> Any:
    from textgen.generation.generator import Generator

    if mix is None:
        return Generator.load(find(*checkpoints))
    shares = mix if isinstance(mix, tuple) else (mix,)
    return Generator.mix([Generator.load(find(name)) for name in checkpoints], shares)


def _read_prompts(
    prompt: str, prompt_file: str | None, prompts_file: str | None, encoding: str
) -> list[str]:
    if not prompt_file and not prompts_file:
        return [prompt]
    from textgen.text.reading.corpus import read_text

    config = TextConfig(encoding=encoding, normalize="none")
    if prompt_file:
        # Editors end every file with a line feed, which would begin a new line.
        return [read_text(prompt_file, config).removesuffix("\n")]
    text = read_text(str(prompts_file), config)
    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        say(f"Warning: {prompts_file} holds no prompt, so nothing is written.")
    return lines


def _write_many(samples: Any, no_echo: bool, *, apart: bool) -> None:
    for number, each in enumerate(samples):
        if number and apart:
            click.echo()
        write_text([each.text if no_echo else each.prompt + each.text])
