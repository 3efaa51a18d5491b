"""What the site makes of the pages: links into the repository, help, fields, doctests."""

from __future__ import annotations

import ast
import logging
import posixpath
import re
from collections.abc import Iterator
from typing import Any

import click
import griffe

REPOSITORY = "https://github.com/textgen/textgen/blob/main/"
LINK = re.compile(r"(?<=\]\()(?P<path>(\.\./)+[^)#\s]+)")
# A line break in a Chinese sentence would be shown as a space.
CHINESE = r"[\u3000-\u9fff\uff00-\uffef]"
BETWEEN_CHINESE = re.compile(rf"(?<={CHINESE})\n(?={CHINESE})")
ROW = re.compile(r"^\|.*$", re.MULTILINE)
CODE = re.compile(r"`[^`\n]+`")
COMMANDS = "<!-- the help of every command -->"
DOCTEST = re.compile(r"^>>> (?:.+\n?)+", re.MULTILINE)


def on_startup(**_: Any) -> None:
    """Keep the word list of Chinese, which the search loads, from reporting itself."""
    logging.getLogger("jieba").setLevel(logging.WARNING)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Complete the text of a page before it is rendered."""
    folder = posixpath.dirname(page.file.src_uri)

    def outside(match: re.Match[str]) -> str:
        """The address of a file that is not part of the site."""
        path = posixpath.normpath(posixpath.join("docs", folder, match["path"]))
        return match["path"] if path.startswith("docs/") else REPOSITORY + path

    markdown = BETWEEN_CHINESE.sub("", LINK.sub(outside, markdown))
    markdown = ROW.sub(_unescaped, markdown)
    return markdown.replace(COMMANDS, "\n".join(_all_help()))


def _unescaped(row: re.Match[str]) -> str:
    """A row of a table whose code holds bars: code hosts need escapes there, this not."""
    return CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0])


def _all_help() -> Iterator[str]:
    from textgen.cli import cli

    for words, context in _contexts(cli, "textgen", None):
        yield f"## `{words}`\n\n```text\n{context.get_help()}\n```\n"


def _contexts(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[tuple[str, click.Context]]:
    # As wide as an old terminal, whatever the width of this one.
    settings = {**command.context_settings, "terminal_width": 80}
    context = click.Context(command, parent, info_name=name, **settings)
    yield context.command_path, context
    if isinstance(command, click.Group):
        for child_name, child in command.commands.items():
            yield from _contexts(child, child_name, context)


class Docstrings(griffe.Extension):
    """Shows doctests as code, and the help of a configuration's fields."""

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **_: Any) -> None:
        """Put a fence around every example."""
        if obj.docstring:
            text = obj.docstring.value
            obj.docstring.value = DOCTEST.sub(r"```pycon\n\g<0>\n```", text)

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Document `name: type = option(default, help)`."""
        call = attr.value
        if isinstance(call, griffe.ExprCall) and str(call.function) == "option":
            default, text = call.arguments[:2]
            attr.value, attr.docstring = default, griffe.Docstring(_joined(text))


def _joined(literal: Any) -> str:
    return str(ast.literal_eval(f"({literal})"))
