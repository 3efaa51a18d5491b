"""Flags generated from the fields of the configurations."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Any

import click

from textgen.cli.common import is_checkpoint
from textgen.config.fields import ELSEWHERE, IMPOSSIBLE
from textgen.config.flags import marked_as_flags
from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig
from textgen.config.serving import ServingConfig
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.training.backend.choice import AUTO, BACKENDS

CONFIGS = {
    "Text": TextConfig,
    "Model": ModelConfig,
    "Training": TrainConfig,
    "Sampling": SamplingConfig,
    "Serving": ServingConfig,
}


backend_option = click.option(
    "--backend",
    type=click.Choice([AUTO, *BACKENDS]),
    default=AUTO,
    help="Keras backend; auto takes the one that KERAS_BACKEND or keras.json names, else "
    "the fastest that is installed.  [default: auto]",
)


init_from_option = click.option(
    "--init-from",
    metavar="CHECKPOINT",
    default="auto",
    help="Fine-tune: start from the weights of a checkpoint, run or base model, and add "
    "the new characters of this text to its vocabulary. auto takes the base model english "
    "for a text that is like English books; none begins from nothing.  [default: auto]",
)


def process_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags of commands that train: cache, process, backend and what is printed."""
    flags = (
        click.option(
            "--cache-dir",
            metavar="DIR",
            help="Cache of encoded text.  [default: TEXTGEN_CACHE_DIR, or the user's "
            "cache]",
        ),
        click.option(
            "--workers",
            type=int,
            metavar="N",
            help="Processes that encode the text, once; the result is the same.  "
            "[default: all cores, up to 16, from 100 MB on; otherwise 1]",
        ),
        click.option(
            "--tune/--no-tune",
            default=True,
            help="Tune memory and threads of this process for speed.  [default: yes]",
        ),
        backend_option,
        click.option(
            "-q", "--quiet", is_flag=True, help="Print neither progress nor notes."
        ),
    )
    # Shown in this order: click lists what is added last first.
    for flag in reversed(flags):
        command = flag(command)
    return command


memory_option = click.option(
    "--memory/--no-memory",
    default=None,
    help="Use the n-gram memory beside the network.  [default: if CHECKPOINT has one]",
)


NUMBER = re.compile(r"\d*[.,]?\d+")


class Number(click.types.FloatParamType):
    """A number; a decimal comma is refused with the number that it means."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read `0.8`."""
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d*,\d+", value):
            self.fail(
                f"{value!r} has a decimal comma. Write {value.replace(',', '.')}.",
                param,
                ctx,
            )
        return float(super().convert(value, param, ctx))


class Numbers(click.ParamType):
    """A number, or several separated by commas, which become a tuple.

    Args:
        whole: whether several whole numbers are accepted. Where they are unlikely,
            `0,7` is a decimal comma.
    """

    name = "numbers"

    def __init__(self, *, whole: bool) -> None:
        self._allows_whole = whole

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | tuple[float, ...]:
        """Read `0.8` or `1.0,0.5`."""
        if not isinstance(value, str):
            return value
        try:
            first, *others = [float(part) for part in value.split(",")]
        except ValueError:
            self.fail(
                f"{value!r} is neither a number nor a list such as 1.0,0.5.", param, ctx
            )
        if others and not self._allows_whole and re.fullmatch(r"[\d\s,]*", value):
            self.fail(
                f"{value!r} may be a decimal comma. Write {value.replace(',', '.', 1)} for "
                "one number, or several with points: 1.0,0.5.",
                param,
                ctx,
            )
        return (first, *others) if others else first


WEIGHTS = Numbers(whole=True)
CLICK_TYPES: dict[str, Any] = {
    "int": int,
    "float": Number(),
    "str": str,
    "tuple[str, ...]": str,
    "float | tuple[float, ...]": Numbers(whole=False),
}


class Option(click.Option):
    """A flag generated from a field of a configuration; None if it is not given."""

    def __init__(self, section: str, spec: dataclasses.Field) -> None:
        self.section = section
        flag = spec.name.replace("_", "-")
        on_off = spec.type == "bool"
        super().__init__(
            [f"--{flag}/--no-{flag}" if on_off else f"--{flag}"],
            default=None,
            multiple=str(spec.type).startswith("tuple"),
            type=_click_type(spec),
            help=spec.metadata["help"] + _shown_default(spec),
        )


class Command(click.Command):
    """A command whose help groups options by configuration."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; help with options that do not exist or take no value."""
        for flag, value in pairwise(args):
            if NUMBER.fullmatch(value) and (forms := self._on_off(ctx, flag)):
                self._refuse_number(flag, value, forms)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name.strip("-").replace("-", "_")
            flag = "--" + ELSEWHERE.get(name, name).replace("_", "-")
            if name in IMPOSSIBLE:
                hint = marked_as_flags(IMPOSSIBLE[name])
            elif any(flag in parameter.opts for parameter in self.get_params(ctx)):
                hint = f"Did you mean {flag!r}?"
            else:
                raise
            message = f"No such option {error.option_name!r}. {hint}"
            raise click.NoSuchOption(error.option_name, message, ctx=ctx) from None
        except click.BadOptionUsage as error:
            if forms := self._on_off(ctx, error.option_name):
                message = f"{error.message} Write {' or '.join(forms)}."
                raise click.BadOptionUsage(error.option_name, message, ctx=ctx) from None
            raise

    def _on_off(self, ctx: click.Context, flag: str) -> list[str]:
        """Both forms of a flag such as `--memory`; nothing for any other option."""
        for each in self.get_params(ctx):
            if each.secondary_opts and flag in (*each.opts, *each.secondary_opts):
                return [*each.opts, *each.secondary_opts]
        return []

    def _refuse_number(self, flag: str, value: str, forms: Sequence[str]) -> None:
        """Refuse the value of a flag that has none, unless it may be an argument."""
        if not os.path.exists(value) and not is_checkpoint(value):
            raise click.UsageError(
                f"{flag} takes no number here. Leave {value} out, and write "
                f"{' or '.join(forms)}."
            )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for the command's own options and one per configuration."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            # Some versions of click have a record, without help, of each argument.
            if record is not None and isinstance(parameter, click.Option):
                section = getattr(parameter, "section", "Options")
                sections.setdefault(section, []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)


def config_options(*sections: str, without: Collection[str] = ()) -> Callable[[Any], Any]:
    """Add a flag to a command for each field of the named configurations.

    Args:
        without: names of fields that get none.
    """

    def decorate(command: click.Command) -> click.Command:
        for section in sections:
            for spec in dataclasses.fields(CONFIGS[section]):
                if "help" in spec.metadata and spec.name not in without:
                    command.params.append(Option(section, spec))
        return command

    return decorate


def _click_type(spec: dataclasses.Field) -> Any:
    if spec.metadata["choices"]:
        return click.Choice(spec.metadata["choices"])
    return CLICK_TYPES.get(str(spec.type).removesuffix(" | None"))


def _shown_default(spec: dataclasses.Field) -> str:
    if flag_default := spec.metadata["flag_default"]:
        return f"  [default: {flag_default}]"
    if spec.default is None or spec.default == ():
        return ""
    if spec.type == "str" and "\n" in str(spec.default):
        return f"  [default: {spec.default!r}]"
    shown = ("yes" if spec.default else "no") if spec.type == "bool" else spec.default
    return f"  [default: {shown}]"


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that the user gave, without those left to their defaults."""
    # A repeatable flag that is not given is an empty tuple.
    return {name: value for name, value in options.items() if value not in (None, ())}
