"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("[a-z]*/README.md")], key=str
)
GUIDES = [page for page in PAGES if DOCS in page.parents or page.stem == "README"]
BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)
every_guide = pytest.mark.parametrize("page", GUIDES, ids=name_of)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """A page without its code blocks."""
    return BLOCK.sub("", text_of(page))


def blocks(page: Path, *kinds: str) -> list[str]:
    """The code blocks of a page whose info string is one of `kinds`."""
    return [m["code"] for m in BLOCK.finditer(text_of(page)) if m["kind"].strip() in kinds]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of a page may end in, as code hosts derive it."""
    headings = re.findall(r"^#+ (.*)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", prose_of(page))
    return [link for link in found if "://" not in link]
