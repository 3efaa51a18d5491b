"""Both languages have the same pages, the same code and the same links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.site.examples import run_examples
from tests.site.pages import BLOCK, DOCS, ROOT, blocks, links, name_of, prose_of, text_of

REFERENCE = ("api", "architecture", "commands", "scaling")
"""Pages that are in English only; the Chinese site says so."""

FIGURES = re.compile(r"<!-- figures -->\n(.*?)<!-- end -->", re.DOTALL)
"""What `make examples` writes into both languages."""

TOOK = re.compile(
    r"^(?:The whole run took|完整运行一次，单个核心用时) ([\d.]+) .*$", re.MULTILINE
)
"""The only sentence in there, which is translated."""


def chinese(page: Path) -> Path:
    return page.with_suffix(".zh.md")


ENGLISH = [
    page
    for page in sorted(DOCS.rglob("*.md"))
    if not page.name.endswith(".zh.md") and page.stem not in REFERENCE
]
every_english_page = pytest.mark.parametrize("page", ENGLISH, ids=name_of)


def code_of(page: Path) -> list[tuple[str, str]]:
    """Kind and content of the code blocks; the words of a diagram may be translated."""
    found = [(m["kind"], m["code"]) for m in BLOCK.finditer(text_of(page))]
    return [(kind, "" if kind == "text" else code) for kind, code in found]


def targets_of(page: Path) -> list[str]:
    """Where the links of a page lead, whatever the language and the heading."""
    return sorted(link.partition("#")[0].replace(".zh.md", ".md") for link in links(page))


def figures_of(page: Path) -> list[str]:
    return [TOOK.sub(r"\1", figures) for figures in FIGURES.findall(text_of(page))]


def levels_of(page: Path) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", prose_of(page), re.MULTILINE)]


def test_no_chinese_page_is_left_without_its_english_one() -> None:
    assert {chinese(page) for page in ENGLISH} == set(DOCS.rglob("*.zh.md"))


@every_english_page
def test_the_chinese_page_has_the_same_code(page: Path) -> None:
    assert code_of(chinese(page)) == code_of(page)


@every_english_page
def test_the_chinese_page_has_the_same_figures(page: Path) -> None:
    assert figures_of(chinese(page)) == figures_of(page)
    for tables in figures_of(page):
        headers = re.findall(r"^(\|.*\|)\n\| --- ", tables, re.MULTILINE)
        assert len(headers) == len(set(headers))


@every_english_page
def test_the_chinese_page_has_the_same_sections_and_links(page: Path) -> None:
    assert levels_of(chinese(page)) == levels_of(page)
    assert targets_of(chinese(page)) == targets_of(page)


@every_english_page
def test_a_page_in_chinese_links_to_pages_in_chinese(page: Path) -> None:
    translated = {p.resolve() for p in ENGLISH}
    left = [link for link in links(chinese(page)) if link.partition("#")[0]]
    led = {(page.parent / link.partition("#")[0]).resolve() for link in left}
    assert led & translated == set()


# Those of the Python reference are run by `test_docs.py`.
EXAMPLES = [p for p in DOCS.rglob("*.md") if "." not in p.stem and p.name != "api.md"]


@pytest.mark.parametrize("page", [p for p in EXAMPLES if blocks(p, "pycon")], ids=name_of)
def test_the_examples_of_an_explanation_print_what_they_say(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    for code in blocks(page, "pycon"):
        run_examples(code, names)
