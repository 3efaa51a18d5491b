"""`textgen corpus list|fetch`."""

from __future__ import annotations

import sys

import click

from textgen.console import say


@click.group()
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
