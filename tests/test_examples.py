"""The examples run and print what their documentation shows."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.helpers import untrained
from textgen.corpora.bundled import bundled_corpus
from textgen.text.reading.corpus import read_corpus
from textgen.text.tokenizers.char import CharTokenizer

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_a_classifier_on_text_vectors_is_compared_with_the_usual_features(
    tmp_path: Path,
) -> None:
    pytest.importorskip("sklearn", reason="the extra `examples` is not installed")
    documents = read_corpus(bundled_corpus("little_harbour.txt")).documents
    tokenizer = CharTokenizer.from_documents(documents)
    models = [untrained(tmp_path / name, tokenizer) for name in ("one", "other")]
    command = [sys.executable, EXAMPLES / "classify.py", *models, "--fables", "8"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = re.findall(r"^    (.*?) +(\d+\.\d) %$", done.stdout, re.MULTILINE)
    names = [
        "majority class",
        "n-grams",
        "n-grams of the last 30",
        *(f"vectors of {model}" for model in models),
    ]
    assert [name for name, _ in shown] == names * 2
    assert all(50 <= float(accuracy) <= 100 for _, accuracy in shown)
    assert "400 passages, 250 of them held out" in done.stdout


def test_an_example_without_its_library_names_the_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    expected = r'scikit-learn.*pip install "keras-textgen\[examples\]"'
    with pytest.raises(SystemExit, match=expected):
        runpy.run_path(str(EXAMPLES / "classify.py"))
