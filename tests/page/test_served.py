"""The page at the address of a server, which writes for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import untrained_on
from tests.page.breaking import breaking_off
from tests.page.test_page import fill, status, texts, write
from tests.patience import wait_until
from tests.serving.helpers import Served, ask, model, serving
from textgen.generation.generator import Generator
from textgen.page import names
from textgen.text.tokenizers.char import CharTokenizer


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
    wait_until(lambda: browser.title == "letters: textgen")
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
    (before, _) = texts(opened)
    opened.find_element("id", "onward").click()
    wait_until(lambda: status(opened).startswith("Done"))
    assert opened.find_element("id", "prompt").get_property("value") == before[:7]
    assert all(text.startswith(before[:7]) and len(text) == 67 for text in texts(opened))
    asked = opened.execute_script(
        "return performance.getEntriesByType('resource').map((each) => each.name)"
    )
    assert all(name.startswith(opened.current_url.partition("#")[0]) for name in asked)
    assert opened.get_log("browser") == []


def test_a_link_shows_the_model_that_it_is_of(
    browser: Any, checkpoint: Path, tmp_path: Path
) -> None:
    labelled = CharTokenizer("ab \n", end_of_document=True, labels=("glad", "sad"))
    moods = untrained_on("records", tmp_path / "moods", labelled)
    with serving(checkpoint, moods) as served:
        browser.get(f"{served.url}#seed=3&prompt=a&numChars=9&label=sad&model=moods")
        wait_until(lambda: status(browser).startswith("Done"))
        assert browser.find_element("id", "name").text == "moods"
        assert browser.title == "moods: textgen"
        text = Generator.load(moods).generate("a", seed=3, length=9, label="sad")
        assert texts(browser) == ["a" + text]


def test_what_the_server_warns_of_is_said(opened: Any) -> None:
    write(opened, prompt="the 7", numChars=9)
    assert "left out of the prompt" in status(opened)


def test_a_text_that_is_broken_off_is_not_taken_for_a_whole_one(
    browser: Any, server: Served
) -> None:
    with breaking_off(server.url) as url:
        browser.get(url)
        wait_until(lambda: browser.title == "letters: textgen")
        fill(browser, prompt="the ", numChars=60)
        browser.find_element("id", "write").click()
        problem = browser.find_element("id", "problem")
        wait_until(problem.is_displayed)
        assert "broke off" in problem.text
        assert "an error ended it" in browser.find_element("css selector", "footer").text
        assert not browser.find_element("id", "history").is_displayed()


def test_an_error_of_the_server_is_shown(opened: Any) -> None:
    fill(opened, prompt="the ", numChars=200)
    opened.find_element("id", "write").click()
    wait_until(lambda: opened.find_element("id", "problem").is_displayed())
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
        locked = browser.find_element("id", "locked")
        problem = browser.find_element("id", "problem")
        for key in ("wrong", "secret"):
            wait_until(lambda: locked.is_displayed() and problem.is_displayed())
            # `clear()` would send an empty key, and hide the field until it is refused.
            field = browser.find_element("id", "key")
            field.send_keys(Keys.CONTROL, "a", Keys.NULL, key, Keys.TAB)
        wait_until(lambda: browser.title == "letters: textgen")
        assert not locked.is_displayed()
        assert not problem.is_displayed()
        write(browser, prompt="a", numChars=5)
        assert len(texts(browser)[0]) == 6
