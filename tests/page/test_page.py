"""The page with a model inside it, in a browser, by pointer and keyboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.patience import wait_until
from tests.reporting.helpers import width_at
from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.exporting.export import export
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer


def made(folder: Path, tokenizer: Tokenizer, name: str = "my_book", units: int = 8) -> Path:
    """A page, exported from an untrained model of this name."""
    config = ModelConfig(tokenizer.vocab_size, num_layers=1, units=units, embedding_dim=4)
    rng = np.random.default_rng(0)
    weights = {
        each: rng.normal(0, 0.5, shape).astype(np.float32)
        for each, shape in config.weight_shapes().items()
    }
    save_checkpoint(folder / name, Checkpoint(config, tokenizer, weights))
    page = folder / f"{name}.html"
    return export(folder / name, page, format="html", weights="float32").path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("pages"), CharTokenizer("\n abcdefgh"))


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.get("about:blank")
    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get("about:blank")
    browser.get(page.as_uri())
    wait_until(lambda: browser.title == "my_book: textgen")
    return browser


def status(browser: Any) -> str:
    return str(browser.find_element("id", "status").text)


def fill(browser: Any, **values: object) -> None:
    script = """
        for (const [name, value] of Object.entries(arguments[0])) {
            document.getElementById("form").elements[name].value = value;
        }
    """
    browser.execute_script(script, values)


def write(browser: Any, **values: object) -> None:
    fill(browser, **values)
    browser.find_element("id", "write").click()
    wait_until(lambda: status(browser).startswith("Done"))


def texts(browser: Any) -> list[str]:
    every = "[...document.querySelectorAll('.text')]"
    script = f"return {every}.map((each) => each.textContent)"
    found: list[str] = browser.execute_script(script)
    return found


def written_in_python(page: Path, prompt: str, seed: int, **options: Any) -> str:
    generator = Generator.load(page.with_suffix(""))
    return prompt + generator.generate(prompt, seed=seed, **options)


def test_a_text_is_that_of_the_same_seed_in_python(opened: Any, page: Path) -> None:
    write(opened, prompt="abc", seed=7, numChars=80, temperature=1, topP=0.9)
    expected = written_in_python(page, "abc", 7, length=80, temperature=1.0, top_p=0.9)
    assert texts(opened) == [expected]
    assert opened.get_log("browser") == []


def test_texts_stand_side_by_side_and_a_link_repeats_them(opened: Any, page: Path) -> None:
    write(opened, prompt="a", seed="", numChars=50, variants=3, temperature=1)
    first = texts(opened)
    assert len(set(first)) == 3
    assert "seed" in opened.find_element("css selector", "footer").text
    address = opened.find_element("css selector", "footer a").get_attribute("href")
    opened.get("about:blank")
    opened.get(address)
    wait_until(lambda: status(opened).startswith("Done"))
    assert texts(opened) == first


def test_a_character_shows_what_was_likely_and_is_written_on_from(opened: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    write(opened, prompt="ab", seed=1, numChars=40)
    (before,) = texts(opened)
    characters = opened.find_elements("css selector", ".c")
    ActionChains(opened).move_to_element(characters[5]).perform()
    detail = opened.find_element("id", "detail")
    assert "bits, a chance of" in detail.text
    assert len(detail.find_elements("css selector", "li")) == 6
    # A click holds the character while the pointer moves on to the button.
    characters[5].click()
    ActionChains(opened).move_to_element(characters[9]).perform()
    opened.find_element("id", "onward").click()
    wait_until(lambda: status(opened).startswith("Done"))
    prompt = opened.find_element("id", "prompt").get_property("value")
    assert prompt == before[:8]
    assert texts(opened)[0].startswith(before[:8])


def test_another_character_can_take_its_place(opened: Any) -> None:
    write(opened, prompt="ab", seed=1, numChars=40)
    opened.find_elements("css selector", ".c")[3].click()
    choice = opened.find_elements("css selector", "#likeliest button")[2]
    symbol = choice.find_element("tag name", "kbd").text
    choice.click()
    wait_until(lambda: status(opened).startswith("Done"))
    taken = {"␣": " ", "↵": "\n"}.get(symbol, symbol)
    assert opened.find_element("id", "prompt").get_property("value").endswith(taken)


def test_everything_is_done_by_keyboard(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    fill(opened, seed=3, numChars=30)
    prompt = opened.find_element("id", "prompt")
    prompt.send_keys("abc", Keys.CONTROL, Keys.ENTER)
    wait_until(lambda: status(opened).startswith("Done"))
    text = opened.find_element("css selector", ".text")
    text.send_keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert opened.execute_script("return document.querySelector('.here').dataset.at") == "2"
    (before,) = texts(opened)
    text.send_keys(Keys.ENTER)
    wait_until(lambda: status(opened).startswith("Done"))
    assert prompt.get_property("value") == before[:6]
    assert opened.get_log("browser") == []


def test_stop_ends_long_texts_at_once(browser: Any, tmp_path: Path) -> None:
    # Large enough to take some time for them.
    page = made(tmp_path, CharTokenizer("abc"), "slow", units=700)
    browser.get(page.as_uri())
    wait_until(lambda: browser.title == "slow: textgen")
    fill(browser, prompt="a", numChars=5000, variants=4)
    browser.find_element("id", "write").click()
    wait_until(
        lambda: len(texts(browser)) == 4 and all(len(text) > 9 for text in texts(browser))
    )
    browser.find_element("id", "stop").click()
    wait_until(lambda: status(browser).startswith("Done"))
    assert all(len(text) < 5001 for text in texts(browser))
    assert "stopped by you" in browser.find_element("css selector", "footer").text
    assert browser.find_element("id", "write").is_enabled()


def test_earlier_texts_are_kept_until_they_are_forgotten(opened: Any, page: Path) -> None:
    write(opened, prompt="abc", seed=7, numChars=20)
    (first,) = texts(opened)
    write(opened, prompt="gh", seed=8, numChars=20)
    opened.get("about:blank")
    opened.get(page.as_uri())
    wait_until(lambda: len(opened.find_elements("css selector", "#history li")) == 2)
    opened.find_elements("css selector", "#history li button")[1].click()
    assert texts(opened) == [first]
    assert opened.find_element("id", "prompt").get_property("value") == "abc"
    opened.find_element("id", "forget").click()
    assert not opened.find_element("id", "history").is_displayed()


def test_an_earlier_text_cannot_turn_its_line_round(opened: Any, page: Path) -> None:
    entry = {"settings": {"prompt": "a\u202eb"}, "texts": ["cd"], "at": 0}
    script = "localStorage.setItem('textgen history my_book', arguments[0])"
    opened.execute_script(script, json.dumps([entry]))
    opened.get("about:blank")
    opened.get(page.as_uri())
    wait_until(lambda: opened.title == "my_book: textgen")
    button = opened.find_element("css selector", "#history li button")
    assert button.text.endswith("a\ufffdbcd")


def test_a_file_that_is_damaged_says_so(browser: Any, page: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.html"
    content = page.read_text("utf-8")
    for start in ('id="weights">', 'id="model">'):
        damaged.write_text(content.replace(start, f"{start}AAAA"), encoding="utf-8")
        browser.get(damaged.as_uri())
        problem = browser.find_element("id", "problem")
        wait_until(problem.is_displayed)
        assert "The model in this file cannot be used: " in problem.text
        assert not browser.find_element("id", "write").is_enabled()
        assert browser.get_log("browser") == []


def test_what_was_left_out_of_the_prompt_is_said_to_the_end(opened: Any) -> None:
    write(opened, prompt="aXb", numChars=9)
    assert status(opened) == "Done: 9 characters. The model does not know X: left out."


def test_a_damaged_history_and_a_link_of_another_model_do_no_harm(
    opened: Any, page: Path
) -> None:
    script = "localStorage.setItem('textgen history my_book', arguments[0])"
    for damage in ("{", "7", '[1, {"texts": ["a"]}]'):
        opened.execute_script(script, damage)
        opened.get("about:blank")
        opened.get(f"{page.as_uri()}#seed=3&prompt=abc&numChars=9&model=other&label=x")
        wait_until(lambda: status(opened).startswith("Done"))
        assert len(texts(opened)[0]) == 12
    assert opened.get_log("browser") == []


def test_colours_and_themes_can_be_changed(opened: Any) -> None:
    write(opened, prompt="a", seed=1, numChars=60, temperature=1.4)
    colour = "return getComputedStyle(arguments[0]).backgroundColor"
    surprising = opened.find_element("css selector", "#texts .b3, #texts .b4")
    coloured = opened.execute_script(colour, surprising)
    opened.find_element("id", "coloured").click()
    assert opened.execute_script(colour, surprising) != coloured
    body = opened.find_element("tag name", "body")
    light = opened.execute_script(colour, body)
    opened.find_element("id", "theme").click()
    assert opened.execute_script(colour, body) != light


@pytest.mark.parametrize("width", [320, 400, 1400])
def test_the_page_fits_windows_of_every_width(opened: Any, width: int) -> None:
    write(opened, prompt="abc", seed=1, numChars=200, variants=2)
    opened.find_elements("css selector", ".c")[3].click()
    opened.execute_script("document.querySelector('details').open = true")
    assert width_at(opened, width) <= width


def test_every_field_has_a_name_for_those_who_hear_the_page(opened: Any) -> None:
    script = """
        const kinds = "input, select, textarea, button, [role=textbox]";
        return [...document.querySelectorAll(kinds)]
            .filter((each) => !(each.labels?.length || each.textContent.trim()
                                || each.getAttribute("aria-label")))
            .map((each) => each.outerHTML);
    """
    write(opened, prompt="abc", numChars=5)
    assert opened.execute_script(script) == []


def test_a_value_out_of_range_is_not_sent(opened: Any) -> None:
    fill(opened, numChars=0)
    opened.find_element("id", "write").click()
    assert status(opened) == ""
    assert texts(opened) == []


def test_the_page_may_ask_no_host(opened: Any) -> None:
    script = "fetch('https://example.com/').then(arguments[0], () => arguments[0](0))"
    assert opened.execute_async_script(script) == 0
    refused = [each["message"] for each in opened.get_log("browser")]
    assert refused
    assert all("Content Security Policy" in each for each in refused)
    asked = "return performance.getEntriesByType('resource').map((each) => each.name)"
    assert opened.execute_script(asked) == []


def test_a_model_of_labelled_documents_lets_choose_one(
    browser: Any, tmp_path: Path
) -> None:
    labels = ("<b>sad</b>", "glad")
    tokenizer = CharTokenizer("ab ", end_of_document=True, labels=labels)
    page = made(tmp_path, tokenizer, "moods")
    browser.get(page.as_uri())
    wait_until(lambda: browser.title == "moods: textgen")
    write(browser, prompt="a", seed=2, numChars=40, label="<b>sad</b>")
    generator = Generator.load(tmp_path / "moods")
    text = generator.generate("a", seed=2, length=40, label=labels[0])
    assert texts(browser) == ["a" + text]


def test_a_model_of_completions_asks_for_a_prompt(browser: Any, tmp_path: Path) -> None:
    tokenizer = CharTokenizer("12+3 ", end_of_document=True, separator=True)
    page = made(tmp_path, tokenizer, "sums")
    browser.get(page.as_uri())
    wait_until(lambda: browser.title == "sums: textgen")
    browser.find_element("id", "write").click()
    assert "This model completes prompts" in browser.find_element("id", "problem").text
    write(browser, prompt="1+2", seed=2, numChars=9)
    generator = Generator.load(tmp_path / "sums")
    text = generator.generate("1+2", seed=2, length=9)
    assert texts(browser) == ["1+2\n" + text]
