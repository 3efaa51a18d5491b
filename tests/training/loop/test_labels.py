"""How well labels hold is measured once, at the end of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

import textgen
from tests.training.helpers import SMALL
from textgen.checkpoint.describe import as_text, describe
from textgen.checkpoint.format import load_checkpoint

pytestmark = [pytest.mark.one_backend, pytest.mark.slow]


def test_the_accuracy_of_labels_is_printed_stored_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = tmp_path / "weather.csv"
    rows = [("Rain.", "sad") if n % 3 == 0 else ("Sun!", "glad") for n in range(300)]
    lines = "".join(f"{text},{label}\n" for text, label in rows)
    records.write_text(f"text,label\n{lines}", encoding="utf-8")
    options = {**SMALL, "quiet": False, "preview": False, "learning_rate": 0.03}
    run = textgen.train(records, tmp_path / "run", documents="records", epochs=8, **options)

    best = load_checkpoint(run / "best")
    score = best.facts["score"]
    assert score["label_accuracy"] == 1
    assert score["label_records"] == 30
    shown = (
        "100% of 30 held-out records are most probable under their own label "
        "(by chance 50.00%)"
    )
    assert f"Labels: {shown}." in capsys.readouterr().err
    assert shown in as_text(describe(best, run))
