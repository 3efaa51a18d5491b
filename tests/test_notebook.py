"""Text, notes and bars in the kernel of a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import untrained
from tests.patience import PATIENCE
from textgen import Generator
from textgen.text.tokenizers.char import CharTokenizer

manager = pytest.importorskip("jupyter_client.manager", reason="ipykernel is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

EXAMPLE = Path(__file__).parents[1] / "examples" / "notebook.ipynb"

Run = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Run a cell, and return the messages that the browser would get."""
    kernel, client = manager.start_new_kernel(startup_timeout=PATIENCE)

    def run_cell(code: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        reply = client.execute_interactive(
            code, output_hook=messages.append, timeout=PATIENCE
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        return messages

    yield run_cell
    client.stop_channels()
    kernel.shutdown_kernel(now=True)


def printed(messages: list[dict[str, Any]], stream: str = "stdout") -> list[str]:
    contents = (each["content"] for each in messages if each["msg_type"] == "stream")
    return [content["text"] for content in contents if content["name"] == stream]


def test_a_streamed_text_comes_whole_in_a_few_messages(run: Run, tmp_path: Path) -> None:
    model = untrained(tmp_path / "model", CharTokenizer("abc "))
    # However fast or slow this machine is, all of it is written within the first hour.
    pieces = printed(
        run(f"""
            from textgen import Generator, streams
            streams.PIECE_SECONDS = 3600
            for piece in Generator.load({str(model)!r}).stream("a", length=2000, seed=0):
                print(piece, end="", flush=True)
        """)
    )
    assert "".join(pieces) == Generator.load(model).generate("a", length=2000, seed=0)
    # The first character at once, and then everything that the time has gathered.
    assert len(pieces) <= 2


def test_a_note_is_not_shown_in_red(run: Run) -> None:
    messages = run("from textgen.wording import say; say('a note')")
    # The kernel may send the text and the line end one after the other.
    assert "".join(printed(messages)) == "a note\n"
    assert printed(messages, "stderr") == []


BAR = """
from textgen.streams import progress_bar
for _ in range(2):
    progress_bar(total=2).close()
"""


def test_a_bar_is_a_widget(run: Run) -> None:
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    shown = [each for each in run(BAR) if each["msg_type"] == "display_data"]
    assert "application/vnd.jupyter.widget-view+json" in shown[0]["content"]["data"]


def test_without_widgets_the_install_command_is_said_once(run: Run) -> None:
    messages = run("import sys; sys.modules['ipywidgets'] = None" + BAR)
    assert "".join(printed(messages)).count("pip install ipywidgets") == 1
    assert printed(messages, "stderr") == []


def test_the_example_runs_from_top_to_bottom(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    notebook = nbformat.read(EXAMPLE, as_version=4)
    (training,) = (c for c in notebook.cells if "textgen.train" in c.source)
    training.source = training.source.replace('"max_minutes": 0.15', '"max_minutes": 0.03')
    assert "0.03" in training.source
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=PATIENCE, resources=resources).execute()
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    data = [each.get("data", {}) for each in outputs]
    shown = [each["text/html"] for each in data if "text/html" in each]
    assert "on held-out text" in shown[0]
    assert "It writes (seed 0):" in shown[1]
    assert (tmp_path / "harbour.html").stat().st_size > 100_000
    red = [each for each in outputs if each.get("name") == "stderr"]
    assert red == []
