"""`textgen serve`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from textgen.cli.common import find
from textgen.cli.options import Command, config_options, given, memory_option
from textgen.config.fields import from_dict
from textgen.config.serving import ServingConfig
from textgen.wording import few, one_line, say


@config_options("Serving")
@click.command(cls=Command)
@click.argument("checkpoints", nargs=-1, metavar="[CHECKPOINT]...")
@memory_option
@click.option(
    "--api-key",
    envvar="TEXTGEN_API_KEY",
    metavar="KEY",
    help="Answer only to who has this key; better in TEXTGEN_API_KEY than here, where "
    "others see it in the list of processes.",
)
@click.option(
    "--api-key-file", metavar="FILE", help="The same with the keys in a file, one a line."
)
def serve(
    checkpoints: tuple[str, ...],
    memory: bool | None,
    api_key: str | None,
    api_key_file: str | None,
    **options: Any,
) -> None:
    """Let other programs use CHECKPOINT, by the interface of the OpenAI API.

    POST /v1/completions writes text, whole or as a stream of events; /v1/models lists the
    models. Ctrl-C or SIGTERM ends the server, when the requests that have begun are
    answered. Needs the extra "serve".

    \b
    Examples:
      textgen serve my_book
      textgen serve my_book poems --port 9000
      curl http://localhost:8000/v1/completions -H "Content-Type: application/json"
        -d '{"model": "my_book", "prompt": "It was ", "max_tokens": 200}'
    """
    from textgen.serving.guards import read_keys
    from textgen.serving.server import check_installed
    from textgen.serving.server import serve as run

    check_installed()
    config = from_dict(ServingConfig, given(options))
    keys = [api_key] if api_key else []
    if api_key_file is not None:
        keys += read_keys(api_key_file)
    names = checkpoints or (None,)
    paths = [find(name) for name in names]
    given_names = [name or str(path) for name, path in zip(names, paths, strict=True)]

    def on_start(url: str, ids: Sequence[str]) -> None:
        say(f"Serving {few(ids, most=10)}. Ctrl-C ends the server.")
        if not keys and not _is_local(config.host):
            say(
                f"Warning: everybody who can reach {one_line(config.host)} can use this "
                "server. Give it a key with --api-key-file."
            )
        click.echo(url)

    with suppress(KeyboardInterrupt):
        run(paths, given_names, config, keys, memory, on_start)
    say("The server has ended.")


def _is_local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in ("localhost", "::1") or host.startswith("127.")
