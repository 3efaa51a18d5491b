"""The documentation holds: links lead somewhere, flags exist, examples run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import click
import pytest

import textgen
from tests.cli.helpers import untrained
from tests.site.examples import run_examples
from tests.site.pages import (
    BLOCK,
    ROOT,
    anchors,
    blocks,
    every_guide,
    every_page,
    links,
    prose_of,
    text_of,
)
from textgen.cli import cli
from textgen.text.tokenizers.char import CharTokenizer

API = ROOT / "docs" / "api.md"
FLAG = re.compile(r"--[a-z][a-z0-9-]*")
STORY = "It was a dark night. One day the ab cat sat on another text.\n"


# --- links ---


@every_page
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) <= 60


@every_page
def test_no_block_of_code_is_inside_a_list_where_no_test_sees_it(page: Path) -> None:
    assert re.findall(r"^ *~~~.*|^ +```.*", text_of(page), re.MULTILINE) == []


KINDS = ("sh", "python", "python {.served}", "pycon", "pycon {.keras}", "text")
"""Kinds of code blocks: tests run all but `text`, what a program reads or prints."""


@every_page
def test_every_block_of_code_is_of_a_kind_that_tests_run(page: Path) -> None:
    kinds = [match["kind"] for match in BLOCK.finditer(text_of(page))]
    others = [kind for kind in kinds if kind not in KINDS]
    if page.name == "CONTRIBUTING.md":
        # What is quoted from a file is compared with it.
        others = [kind for kind in others if not kind.startswith("python textgen/")]
    # The first command needs a GPU.
    by_hand = ["sh {.by-hand}"] if page.name.startswith("gpu.") else []
    assert others == by_hand


@every_page
def test_every_path_of_the_repository_exists(page: Path) -> None:
    quoted = re.findall(r"`([a-z_]+/[^`\s]*)`", prose_of(page))
    ours = {
        p for p in quoted if p.split("/")[0] in ("textgen", "tests", "benchmarks", "docs")
    }
    assert {p for p in ours if not (ROOT / p).exists() and "NAME" not in p} == set()


def test_every_stop_of_the_journeys_exists() -> None:
    page = text_of(ROOT / "docs" / "architecture.md")
    stops = re.findall(r"`([a-z_/]+\.py):([\w.]+)`", page)
    assert len(stops) > 25
    missing = []
    for path, name in stops:
        module = import_module(".".join(["textgen", *Path(path).with_suffix("").parts]))
        try:
            attrgetter(name)(module)
        except AttributeError:
            missing.append(f"{path}:{name}")
    assert missing == []


def test_code_that_is_quoted_from_a_file_stands_there() -> None:
    quoted = [
        (match["kind"].split()[1], part)
        for match in BLOCK.finditer(text_of(ROOT / "CONTRIBUTING.md"))
        if match["kind"].startswith("python ")
        for part in match["code"].split("...\n")
    ]
    assert len(quoted) > 5
    assert [(path, part) for path, part in quoted if part not in text_of(ROOT / path)] == []


# --- commands and flags ---


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words of every `textgen ...` command in the code and tables of a page."""
    lines = "\n".join(blocks(page, "", "sh", "sh {.by-hand}", "text")).splitlines()
    lines += re.findall(r"`([^`]+)`", prose_of(page))
    for line in lines:
        for part in re.split(r" \| | > ", line.partition(" #")[0].replace(r"\|", "/")):
            words = part.split()
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                del words[0]
            if words[:1] == ["textgen"]:
                yield shlex.split(" ".join(words))[1:]


def flags_of(command: click.Command) -> set[str]:
    named = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}
    return {*named, "--help", "--version"}


def all_commands(command: click.Command = cli) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from all_commands(child)


ALL_FLAGS = {flag for command in all_commands() for flag in flags_of(command)}


def strange_words(words: list[str]) -> list[str]:
    """The words of a command line that are no subcommand or flag of textgen."""
    if "--" in words:
        # `textgen launch` takes another command.
        place = words.index("--")
        return strange_words(words[:place]) + strange_words(words[place + 1 :])
    command: click.Command = cli
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        if words[0] not in command.commands:
            # `textgen COMMAND --help` stands for any of them; so does `a|b`.
            known = all(name in command.commands for name in words[0].split("/"))
            return [] if words[0].isupper() or known else words[:1]
        command, words = command.commands[words[0]], words[1:]
    given = {flag for word in words for flag in FLAG.findall(word) if word.startswith("--")}
    return sorted(given - flags_of(command))


@every_page
def test_every_command_line_uses_commands_and_flags_that_exist(page: Path) -> None:
    assert [word for words in command_lines(page) for word in strange_words(words)] == []


@every_guide
def test_every_flag_in_running_text_exists(page: Path) -> None:
    prose = prose_of(page)
    quoted = [code for code in re.findall(r"`([^`]+)`", prose) if code.startswith("--")]
    flags = {flag for code in quoted for flag in FLAG.findall(code)}
    ours = {flag for flag in flags if not is_of_a_benchmark(flag, page)}
    assert ours - ALL_FLAGS == set()


def is_of_a_benchmark(flag: str, page: Path) -> bool:
    scripts = (ROOT / "benchmarks").glob("*.py")
    return page.parent.name == "benchmarks" and any(
        f'"{flag}"' in text_of(s) for s in scripts
    )


def test_flags_and_commands_that_do_not_exist_are_seen() -> None:
    assert strange_words(["sample", "a", "--top-q", "1"]) == ["--top-q"]
    assert strange_words(["corpus", "chek", "a.txt"]) == ["chek"]
    assert strange_words(["cache", "list"]) == []


# --- the public names ---


@pytest.mark.parametrize("name", textgen.__all__)
def test_every_public_name_has_a_section_with_an_example(name: str) -> None:
    section = re.search(
        rf"^## `{name}`$(.*?)(?=^## |\Z)", text_of(API), re.MULTILINE | re.DOTALL
    )
    assert section is not None, f"docs/api.md has no section about {name}"
    assert (
        f"textgen.{name}" in section[1]
        or f"{name.lower()} = " in section[1]
        or (name == "Sample" and "generator.samples" in section[1])
    )


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the text that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_book.txt").write_text(STORY * 100, encoding="utf-8")
    return tmp_path


def save_untrained_models(workplace: Path) -> None:
    tokenizer = CharTokenizer.from_documents([STORY])
    untrained(workplace / "checkpoints" / "my_book" / "best", tokenizer)
    labelled = CharTokenizer.from_documents(
        [STORY, "The room Breakfast"], end_of_document=True, labels=["bad", "good"]
    )
    untrained(workplace / "checkpoints" / "reviews" / "best", labelled)


def test_the_api_examples_that_need_no_keras_print_what_they_say(workplace: Path) -> None:
    save_untrained_models(workplace)
    names: dict[str, Any] = {}
    for code in blocks(API, "pycon"):
        run_examples(code, names)


@pytest.mark.slow
def test_all_api_examples_print_what_they_say(workplace: Path) -> None:
    names: dict[str, Any] = {}
    for code in blocks(API, "pycon", "pycon {.keras}"):
        run_examples(code, names)


def test_an_example_that_prints_something_else_is_seen() -> None:
    with pytest.raises(AssertionError, match="Expected"):
        run_examples(">>> 1 + 1\n3\n", {})
