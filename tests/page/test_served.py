"""The page at the address of a server, which writes for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.test_page import fill, status, texts, wait, write
from tests.serving.helpers import Served, ask, model, serving
from textgen.generation.generator import Generator
from textgen.page import names


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("runs") / "letters" / "best").parent


@pytest.fixture(scope="module")
def server(checkpoint: Path) -> Iterator[Served]:
    with serving(checkpoint, "--max-tokens", 100) as served:
        yield served


@pytest.fixture
def opened(browser: Any, server: Served) -> Any:
    browser.get(server.url)
    browser.execute_script("localStorage.clear()")
    browser.get("about:blank")
    browser.get(server.url)
    wait(lambda: browser.title == "letters: textgen")
    return browser


def test_every_file_is_served_and_nothing_beside_them(server: Served) -> None:
    for name in names():
        answer = ask(server.url, "" if name == "index.html" else name)
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    for name in ("__init__.py", "index.html/..", "engine/", "../version.py"):
        assert ask(server.url, name).status == 404


def test_the_page_writes_what_the_model_writes(opened: Any, checkpoint: Path) -> None:
    write(opened, prompt="the ", seed=7, numChars=60, temperature=1, variants=2)
    generator = Generator.load(checkpoint)
    samples = generator.samples("the ", 2, seed=7, length=60, temperature=1.0)
    assert texts(opened) == ["the " + sample.text for sample in samples]
    opened.find_elements("css selector", ".c")[2].click()
    assert "bits, a chance of" in opened.find_element("id", "surprise").text
    assert len(opened.find_elements("css selector", "#likeliest li")) == 6
    opened.find_element("id", "onward").click()
    wait(lambda: status(opened).startswith("Done"))
    asked = opened.execute_script(
        "return performance.getEntriesByType('resource').map((each) => each.name)"
    )
    assert all(name.startswith(opened.current_url.partition("#")[0]) for name in asked)
    assert opened.get_log("browser") == []


def test_an_error_of_the_server_is_shown(opened: Any) -> None:
    fill(opened, prompt="the ", numChars=200)
    opened.find_element("id", "write").click()
    wait(lambda: opened.find_element("id", "problem").is_displayed())
    shown = opened.find_element("id", "problem").text
    assert shown == "max_tokens=200 must be a whole number from 0 to 100."


def test_a_server_with_a_key_asks_for_it(
    browser: Any, checkpoint: Path, tmp_path: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    keys.chmod(0o600)
    with serving(checkpoint, "--api-key-file", keys) as served:
        browser.get(served.url)
        wait(lambda: browser.find_element("id", "locked").is_displayed())
        browser.find_element("id", "key").send_keys("secret", Keys.TAB)
        wait(lambda: browser.title == "letters: textgen")
        write(browser, prompt="a", numChars=5)
        assert len(texts(browser)[0]) == 6
