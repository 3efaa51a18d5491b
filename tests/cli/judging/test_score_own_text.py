"""`textgen score` on the text of the training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from textgen.__main__ import run
from textgen.checkpoint.format import load_checkpoint, save_checkpoint
from textgen.text.reading.fingerprint import TextDigest


def test_the_text_that_the_model_was_trained_on_is_noted(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_on, other = tmp_path / "cafe.txt", tmp_path / "other.txt"
    # As another program may have saved it: the checkpoint has its normal form.
    trained_on.write_text("caf\u0065\u0301 " * 9, encoding="utf-8")
    other.write_text("cafe " * 9, encoding="utf-8")
    digest = TextDigest()
    digest.add(["caf\u00e9 " * 9], [True])
    saved = load_checkpoint(model)
    facts = {"text": {"sha256": digest.hexdigest()}}
    save_checkpoint(model, replace(saved, facts=facts))
    note = "Note: the model was trained on this text."
    for flags in ([], ["--json"], ["--per-char"]):
        assert run(["score", str(model), str(trained_on), *flags]) == 0
        assert capsys.readouterr().err.count(note) == 1
        assert run(["score", str(model), str(other), *flags]) == 0
        assert note not in capsys.readouterr().err
