"""`textgen cache list|clear`."""

from __future__ import annotations

import time

import click

from textgen.wording import count_of, say

FOLDER = click.option(
    "--cache-dir",
    metavar="DIR",
    help="Cache directory.  [default: TEXTGEN_CACHE_DIR, or the user's cache]",
)
NO_PLACE = (
    ": this user has no home directory for a cache. Name a place with --cache-dir or "
    "TEXTGEN_CACHE_DIR."
)


@click.group()
def cache() -> None:
    """List or clear the texts that `textgen train` has encoded.

    A text is encoded once, so that further training on it starts immediately. The cache
    is in --cache-dir, else in the directory named by the environment variable
    TEXTGEN_CACHE_DIR, else in the user's cache directory (on Linux ~/.cache/textgen);
    list shows which. Clearing it is safe: entries are rebuilt when needed.

    The cache holds neither runs nor downloads: runs are in checkpoints/, or where --out
    said; fetched corpora in corpora/; and the history of textgen sample --interactive in
    the user's data directory (on Linux ~/.local/share/textgen).

    \b
    Examples:
      textgen cache list
      textgen cache clear
      textgen train big.txt --cache-dir /scratch/textgen
    """


@cache.command("list")
@FOLDER
def list_entries(cache_dir: str | None) -> None:
    """List the entries: size, time of last use, and content."""
    from textgen.text.encoded.cache import Cache
    from textgen.text.encoded.cache_entry import describe_entry

    if _has_no_place(cache_dir):
        say(f"0 encoded texts, 0 bytes{NO_PLACE}")
        return
    found = Cache(cache_dir)
    entries = found.entries()
    for entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used_at))
        what = describe_entry(entry.path)
        click.echo(f"{entry.path.name[:12]}  {entry.num_bytes:>15,} bytes  {used}  {what}")
    total = sum(entry.num_bytes for entry in entries)
    say(f"{count_of(len(entries), 'encoded text')}, {total:,} bytes, in {found.folder}")


@cache.command("clear")
@FOLDER
def clear_entries(cache_dir: str | None) -> None:
    """Delete all entries, except those being written."""
    from textgen.text.encoded.cache import Cache

    if _has_no_place(cache_dir):
        say(f"0 bytes freed{NO_PLACE}")
        return
    found = Cache(cache_dir)
    num_bytes = found.clear()
    say(f"{num_bytes:,} bytes freed in {found.folder}")


def _has_no_place(cache_dir: str | None) -> bool:
    from textgen.text.encoded.cache import default_cache

    return cache_dir is None and default_cache() is None
