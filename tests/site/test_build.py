"""The site builds without a warning and loads nothing from other hosts."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site.pages import ROOT

for module in ("material", "mkdocstrings", "mkdocs_static_i18n"):
    pytest.importorskip(module, reason="the site needs the extra docs")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def shown(page: Path) -> str:
    """The text of a built page, without its tags and with single spaces."""
    text = re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))
    return re.sub(r"\s+", " ", html.unescape(text))


def test_the_strict_build_makes_a_page_of_every_source(site: Path) -> None:
    assert (site / "index.html").exists()
    assert (site / "how-to" / "tuning" / "index.html").exists()


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loading = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?(?:https?:)?//")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    assert [page for page in pages if loading.search(page.read_text("utf-8"))] == []
    sheets = [sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css")]
    assert [s for s in sheets if re.search(r"(?:@import|url\()\s*[\"']?https?:", s)] == []


def test_the_reference_shows_docstrings_fields_examples_and_help(site: Path) -> None:
    python = shown(site / "api" / "index.html")
    assert "Cut one long text into parallel lanes that are read in order." in python
    assert "Characters per window; backpropagation is truncated there." in python
    assert ">>> windows(np.arange(9), batch_size=2, seq_length=2)" in python
    commands = shown(site / "commands" / "index.html")
    assert "Usage: textgen corpus check [OPTIONS] PATHS..." in commands


def test_code_in_a_table_shows_its_bars_without_escapes(site: Path) -> None:
    assert "--documents [whole|lines]" in shown(site / "terms" / "index.html")
    assert "--optimizer adam|adamw|" in shown(site / "training" / "index.html")


def test_a_link_out_of_the_documentation_leads_into_the_repository(site: Path) -> None:
    page = (site / "training" / "index.html").read_text(encoding="utf-8")
    assert 'href="https://github.com/textgen/textgen/blob/main/SECURITY.md"' in page
