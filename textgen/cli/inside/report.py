"""`textgen report`."""

from __future__ import annotations

import sys
from typing import Any

import click

from textgen.cli.common import check_output, results_in
from textgen.cli.inside.inspecting import Request, inspecting
from textgen.cli.options import Command


@click.command(cls=Command)
@inspecting
@click.option(
    "-o",
    "--output",
    default="report.html",
    metavar="FILE",
    help="The page; - for stdout.  [default: report.html]",
)
@click.option("--overwrite", is_flag=True, help="Replace the file named by --output.")
def report(output: str, overwrite: bool, **options: Any) -> None:
    """Make a page about what happens inside CHECKPOINT while it reads TEXT.

    One HTML file for a browser, which makes no request to any host: how it was trained, the
    text coloured by surprise, units that follow quotes, lines or words, gates, memory, the
    map of its characters, how much of what it writes is copied, and one unit by hand.
    Without TEXT it reads text that was held out in training, where that can still be found,
    and otherwise text that the model writes. Needs the extra "report".

    \b
    Examples:
      textgen report my_book
      textgen report my_book chapter.txt -o inside.html
      textgen report my_book chapter.txt --feature "\\bnot\\b" -o inside.html
    """
    check_output(output, overwrite=overwrite)
    from textgen.reporting.page import check_installed
    from textgen.reporting.report import report_html

    check_installed()
    request = Request(**options)
    path, found = request.inspect()
    page = report_html(found, path, seed=request.seed)
    with results_in(output):
        sys.stdout.write(page)
