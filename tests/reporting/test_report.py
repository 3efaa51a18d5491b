"""The page of a report: complete, self-contained, and safe whatever the text."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.inspecting.models import COUNTS, as_text, planted, varied_text
from tests.reporting.helpers import HISTORY, HOSTILE, parsed, width_at
from textgen.checkpoint.format import Checkpoint, load_checkpoint, save_checkpoint
from textgen.checkpoint.previews import Preview, add_preview
from textgen.checkpoint.status import Status, write_status
from textgen.config.model import ModelConfig
from textgen.generation.generator import Generator
from textgen.inspecting.inspection import CONTEXT_CHARS, Inspection, inspect
from textgen.inspecting.texts import Text, default_text
from textgen.model.cells import CELLS
from textgen.reporting.facts import read_history
from textgen.reporting.report import SECTIONS, report_html
from textgen.text.reading.documents import Piece
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer


def data_of(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parsed(page).scripts[0].strip())
    return found


def array(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def byte_model(**options: Any) -> Checkpoint:
    config = ModelConfig(vocab_size=256, units=6, embedding_dim=4, **options)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.8, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    return Checkpoint(config, ByteTokenizer(), weights)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a planted model, a history and previews."""
    place = tmp_path_factory.mktemp("runs") / "my <b>run"
    saved = planted()
    facts = {"train": {"patience": 1, "batch_size": 4, "seq_length": 16}}
    config, tokenizer, weights = saved.model, saved.tokenizer, saved.weights
    save_checkpoint(place / "best", Checkpoint(config, tokenizer, weights, facts))
    (place / "history.csv").write_text(HISTORY)
    write_status(place / "status.json", Status(20, 2.0, 1.0, seconds=10, ended="time"))
    add_preview(place / "previews.jsonl", Preview(10, "aab"))
    add_preview(place / "previews.jsonl", Preview(20, "</pre><b>ab"))
    return place


@pytest.fixture(scope="module")
def found(run: Path) -> Inspection:
    return inspect(load_checkpoint(run), as_text(varied_text()))


@pytest.fixture(scope="module")
def page(run: Path, found: Inspection) -> str:
    return report_html(found, run / "best")


def test_the_page_has_every_section_and_asks_no_host(page: str) -> None:
    elements = parsed(page).found
    ids = [attributes["id"] for _, attributes in elements if attributes.get("id")]
    assert {name for name, _ in SECTIONS} <= set(ids)
    for tag, attributes in elements:
        for name in ("src", "href", "xlink:href", "action", "data"):
            target = attributes.get(name) or "#"
            assert target.startswith("#") or target == "", (tag, target)
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest", page)
    for directive in ("default-src", "base-uri", "form-action"):
        assert f"{directive} 'none'" in page


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    elements = parsed(page).found
    ids = [attributes["id"] for _, attributes in elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)
    links = {a["href"] for tag, a in elements if tag == "a" and a.get("href")}
    assert {str(link).removeprefix("#") for link in links} <= set(ids)


def test_every_picture_has_words_and_every_field_a_label(page: str) -> None:
    elements = parsed(page).found
    pictures = [a for tag, a in elements if tag == "figure" and a.get("role") == "img"]
    assert len(pictures) == 6
    assert all(attributes.get("aria-label") for attributes in pictures)
    fields = [tag for tag, _ in elements if tag in ("input", "select")]
    assert len(fields) == 4
    assert page.count("<label>") == len(fields)


def test_the_numbers_are_those_of_score_and_of_the_inspection(
    page: str, found: Inspection, run: Path
) -> None:
    score = Generator.load(run).score(varied_text())
    assert f"<strong>{score.bits_per_char:.3f} bits per character</strong>" in page
    data = data_of(page)
    text = "".join(data["text"]["pages"])
    assert text == varied_text()
    bits = array(data["text"]["bits"], "u1")
    np.testing.assert_allclose(
        bits / 16, np.minimum(found.reading.bits, 254 / 16), atol=0.04
    )
    chances = array(data["text"]["chances"], "u1").reshape(-1, 3)
    np.testing.assert_allclose(chances / 255, found.reading.chances[:, :3], atol=0.003)
    guesses = array(data["text"]["guesses"], "<u2")[:30]
    expected = [found.symbol(number) for number in found.reading.guesses[:10, :3].flat]
    assert [data["text"]["symbols"][number] for number in guesses] == expected


def test_the_values_of_a_unit_are_those_of_the_trace(page: str, found: Inspection) -> None:
    units = data_of(page)["units"]
    (group,) = (each for each in units["groups"] if each["name"] == "layer 0 c")
    values = array(group["values"], "i1").reshape(units["numUnits"], units["numChars"])
    counts = values[COUNTS] / 127 * group["scales"][COUNTS]
    expected = found.reading.passage.values["layers.0.c"][: units["numChars"], COUNTS]
    np.testing.assert_allclose(counts, expected, atol=0.005)


def test_training_is_told_from_the_run(page: str) -> None:
    assert "2.250 bits per character on held-out" in re.sub(r"\s+", " ", page)
    assert "its time was used up, after 0:10 and 2.0 epochs" in page
    assert "about 128 characters a second" in page
    assert "step 20" in page
    assert "&lt;/pre&gt;&lt;b&gt;ab" in page


def test_a_planted_unit_is_on_the_page(page: str) -> None:
    row = re.search(r'<tr[^>]*><th scope="row">position in line</th>.*?</tr>', page)
    assert row is not None
    assert f">layer 0 c{COUNTS}</a>" in row[0].split("</a>")[0] + "</a>"
    assert "not above chance" not in row[0]


@pytest.mark.parametrize("cell", CELLS)
def test_hostile_text_cannot_break_the_page(tmp_path: Path, cell: str) -> None:
    saved = byte_model(cell=cell, num_layers=2)
    found = inspect(saved, as_text(HOSTILE * 3), patterns=["</script>|<b>"])
    page = report_html(found, tmp_path / "</title><script>")
    elements = parsed(page)
    assert [tag for tag, _ in elements.found].count("script") == 2
    assert not any(tag == "img" for tag, _ in elements.found)
    assert "".join(data_of(page)["text"]["pages"]) == HOSTILE * 3
    visible = page.split('<script type="application/json"')[0]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", visible)
    assert not re.search("[\u2028\u2029]", page)


def test_a_model_alone_has_a_page(tmp_path: Path) -> None:
    page = report_html(inspect(byte_model(num_layers=1), as_text("a")), tmp_path)
    assert "the history of the run is not beside this checkpoint" in page
    assert "cannot be told" in page


def test_a_page_names_no_folder_of_its_machine(tmp_path: Path) -> None:
    path = tmp_path / "run" / "best"
    facts = {"text": {"sources": ["book.txt"], "num_files": 1}}
    alone = byte_model(num_layers=1)
    saved = Checkpoint(alone.model, alone.tokenizer, alone.weights, facts)
    # Without its text, with a changed one, and with one that cannot be read.
    for book in (None, b"a" * 100, b"\xff" * 100):
        if book is not None:
            (tmp_path / "book.txt").write_bytes(book)
        page = report_html(inspect(saved, default_text(path, saved).first(50)), path)
        assert page.count("book.txt" if book != b"a" * 100 else "changed since") == 2
        assert str(tmp_path) not in page


def test_with_bytes_the_text_before_a_unit_repeats_no_character(tmp_path: Path) -> None:
    text = "né ßü\n" * 9
    page = report_html(inspect(byte_model(num_layers=1), as_text(text)), tmp_path)
    before = re.search(r"after <bdi><q>(.+?)</q>", page)
    assert before is not None
    assert before[1].replace("↵", "\n") in text


def test_a_prompt_ends_with_a_line(tmp_path: Path) -> None:
    tokenizer = CharTokenizer("ab", end_of_document=True, separator=True)
    size = tokenizer.vocab_size
    config = ModelConfig(vocab_size=size, num_layers=1, units=6, embedding_dim=4)
    weights = {k: np.ones(v, np.float32) for k, v in config.weight_shapes().items()}
    found = inspect(Checkpoint(config, tokenizer, weights), as_text("a\ufdd0bb"))
    assert data_of(report_html(found, tmp_path))["text"]["pages"] == ["a\nbb\n"]


def test_names_cannot_turn_the_direction_of_a_page(tmp_path: Path) -> None:
    labels = ("x\u202ey", "z")
    tokenizer = CharTokenizer("ab", end_of_document=True, labels=labels)
    size = tokenizer.vocab_size
    config = ModelConfig(vocab_size=size, num_layers=1, units=6, embedding_dim=4)
    weights = {k: np.ones(v, np.float32) for k, v in config.weight_shapes().items()}
    pieces = tuple(Piece("ab" * 9, ends=True, label=name) for name in labels)
    found = inspect(Checkpoint(config, tokenizer, weights), Text("a\u202eb", pieces))
    page = report_html(found, tmp_path / "run\u202e")
    assert "\u202e" not in page.split('<script type="application/json"')[0]
    assert "x\ufffdy" in page


def test_a_damaged_history_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    assert read_history(path) == []
    path.write_text(HISTORY)
    assert [row["step"] for row in read_history(path)] == [10, 20]
    path.write_text(HISTORY + "30,nan,2,2,1,15\n30,3,2,2,1,inf\n30,3,2,2,1,15\n")
    assert [row["seconds"] for row in read_history(path)] == [5, 10, 15]
    path.write_text(HISTORY + "9" * 200_000 + ",1,1,1,1,1\n")
    assert [row["step"] for row in read_history(path)] == [10, 20]
    path.write_bytes(b"\xff\x00,\n1\n")
    assert read_history(path) == []


# --- in a browser ---


def shown_in(browser: Any, page: str, place: Path) -> None:
    place.write_text(page, encoding="utf-8")
    browser.get(place.as_uri())


def detail(browser: Any) -> str:
    return str(browser.find_element("id", "detail").text)


def test_pointer_and_keyboard_show_what_was_expected(
    browser: Any, page: str, found: Inspection, tmp_path: Path
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    shown_in(browser, page, tmp_path / "report.html")
    text = browser.find_element("id", "text")
    spans = text.find_elements("tag name", "span")
    assert len(spans) == 2000
    ActionChains(browser).move_to_element(spans[3]).perform()
    assert f"{found.reading.bits[3]:.1f} bits" in detail(browser)
    text.send_keys(Keys.ARROW_RIGHT)
    assert f"{found.reading.bits[4]:.1f} bits" in detail(browser)
    assert found.symbol(int(found.reading.guesses[4, 0])) in detail(browser)
    text.send_keys(Keys.END, Keys.ARROW_RIGHT)
    assert browser.find_element("id", "page").get_attribute("value") == "2"
    assert f"{found.reading.bits[2000]:.1f} bits" in detail(browser)
    browser.find_element("css selector", "[data-place]").click()
    assert f"{found.places[0].bits:.1f} bits" in detail(browser)
    link = browser.find_element("css selector", f"[data-unit='0,c,{COUNTS}']")
    link.click()
    assert browser.find_element("id", "unit").get_attribute("value") == str(COUNTS)
    watched = browser.find_element("id", "unit-text")
    watched.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    value = browser.find_element("id", "unit-value").text
    expected = found.reading.passage.values["layers.0.c"][1, COUNTS]
    assert float(value.rpartition(" ")[2]) == pytest.approx(expected, abs=0.01)
    assert browser.get_log("browser") == []


def test_both_themes_and_narrow_windows(browser: Any, page: str, tmp_path: Path) -> None:
    shown_in(browser, page, tmp_path / "report.html")
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(colour)
    browser.find_element("id", "theme").click()
    assert browser.execute_script(colour) != before
    assert width_at(browser, 400) <= 400
    assert browser.get_log("browser") == []


def test_more_bits_than_the_page_holds_are_at_least_so_many(
    browser: Any, tmp_path: Path
) -> None:
    saved = byte_model(num_layers=1)
    saved.weights["output.bias"][ord("b")] = -100
    found = inspect(saved, as_text("aab"))
    assert found.reading.bits[2] > 100
    shown_in(browser, report_html(found, tmp_path / "run"), tmp_path / "report.html")
    browser.find_element("css selector", "[data-place='2']").click()
    assert "b: at least 15.9 bits" in detail(browser)


def test_a_browser_obeys_nothing_in_a_hostile_text(browser: Any, tmp_path: Path) -> None:
    found = inspect(byte_model(num_layers=1), as_text(HOSTILE * 3))
    shown_in(browser, report_html(found, tmp_path / "run"), tmp_path / "report.html")
    assert browser.title == "run: a look inside"
    assert len(browser.find_elements("css selector", "#text span")) == len(HOSTILE * 3)
    assert browser.get_log("browser") == []


def test_a_page_has_no_curve_of_context_where_too_much_is_unknown() -> None:
    found = inspect(planted(), as_text("?" * CONTEXT_CHARS + "a1" * 30))
    assert "state is reset" not in report_html(found, Path("model"))
