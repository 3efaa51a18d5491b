"""`textgen watch`."""

from __future__ import annotations

import os
import sys
import webbrowser
from threading import Thread

import click

from textgen.cli.options import Command
from textgen.wording import one_line, say


@click.command(cls=Command)
@click.argument("run", required=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8040,
    metavar="N",
    help="Port of the page; 0 takes one that is free.  [default: 8040]",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=True,
    help="Open the page in a browser.  [default: yes]",
)
def watch(run: str | None, port: int, opens: bool) -> None:
    """Show the training of RUN in the browser, as it goes on.

    Curves in bits per character, learning rate, speed, time left, what the model writes,
    and in the end why it stopped; by default of the run that was written last. The page
    follows the files of the run, so that Ctrl-C here ends the page and not the training.
    Only this machine can reach it; over SSH, forward the port. Needs the extra "report".

    \b
    Examples:
      textgen watch
      textgen watch my_book --port 9000
      ssh -L 8040:localhost:8040 HOST textgen watch my_book --no-open
    """
    from textgen.checkpoint.runs import find_run
    from textgen.reporting.page import asset, check_installed
    from textgen.reporting.serving import PageServer
    from textgen.reporting.watching import Watch

    check_installed()
    found = find_run(run)
    script = asset("theme.js") + asset("watch.js")
    with PageServer(Watch(found).page, script, port) as server:
        say(
            f"Watching {one_line(str(found.path))}. Ctrl-C ends the page, not the training."
        )
        click.echo(server.url)
        if opens and _has_screen():
            # A thread, as some browsers keep the process that opens them waiting.
            Thread(target=webbrowser.open, args=[server.url], daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("The page has ended.")


def _has_screen() -> bool:
    """Whether a browser with windows can open: others would take over this terminal."""
    named = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, named))
