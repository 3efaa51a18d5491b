"""What a notebook shows of a run and of a generator."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tests.generation.models import random_model
from tests.reporting.helpers import HISTORY, HOSTILE, parsed
from textgen.checkpoint.previews import Preview, add_preview
from textgen.checkpoint.status import Status, write_status
from textgen.generation.generator import Generator
from textgen.reporting.run import Run
from textgen.text.tokenizers.char import CharTokenizer


@pytest.fixture
def run(tmp_path: Path) -> Run:
    place = tmp_path / "my <b>run"
    place.mkdir()
    (place / "history.csv").write_text(HISTORY)
    write_status(place / "status.json", Status(20, 2.0, 1.0, seconds=10, ended="time"))
    add_preview(place / "previews.jsonl", Preview(20, HOSTILE))
    return Run(place)


def shown(value: Run | Generator) -> str:
    page = value._repr_html_()
    assert page is not None
    return page


def test_a_run_shows_curve_score_and_text(run: Run) -> None:
    page = shown(run)
    assert "2.250 bits per character on held-out text, epoch 2.0" in page
    assert "its time was used up, after 0:10 and 2.0 epochs" in page
    assert "It wrote at step 20:" in page
    (picture,) = (attributes for tag, attributes in parsed(page).found if tag == "img")
    assert (picture["src"] or "").startswith("data:image/png;base64,")
    assert picture["alt"]


def test_nothing_in_a_run_becomes_markup(run: Run) -> None:
    page = shown(run)
    tags = {tag for tag, _ in parsed(page).found}
    assert tags == {"p", "strong", "table", "tr", "th", "td", "img", "pre"}
    assert "\u202e" not in page
    assert "my &lt;b&gt;run" in page


def test_without_a_history_a_run_is_shown_as_a_path(tmp_path: Path) -> None:
    assert Run(tmp_path)._repr_html_() is None
    (tmp_path / "history.csv").write_text("damaged\x00,")
    assert Run(tmp_path)._repr_html_() is None


def test_a_run_is_a_path_in_every_other_way(run: Run) -> None:
    path = Path(run)
    assert run == path
    assert {run: 1}[path] == 1  # type: ignore[index]
    assert pickle.loads(pickle.dumps(run)) == path
    assert (run / "history.csv").read_bytes() == (path / "history.csv").read_bytes()
    assert str(run.parent) == str(path.parent)


def test_a_generator_shows_facts_and_a_text() -> None:
    tokenizer = CharTokenizer("<&>", end_of_document=True, labels=("x", "y"))
    page = shown(random_model(tokenizer))
    assert "LSTM, 2 layers" in page
    assert "<th>labels</th><td>2</td>" in page
    assert "It writes (seed 0):" in page
    assert {tag for tag, _ in parsed(page).found} == {
        *("p", "strong", "table", "tr", "th", "td", "pre")
    }


def test_a_generator_that_needs_a_prompt_shows_no_text() -> None:
    page = shown(random_model(CharTokenizer("ab", end_of_document=True, separator=True)))
    assert "It writes" not in page


def test_a_mixture_is_shown() -> None:
    generator = random_model(CharTokenizer("ab"))
    assert "It writes" in shown(Generator.mix([generator, generator], [1, 2]))
