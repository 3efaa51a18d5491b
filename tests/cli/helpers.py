"""The real command, and an untrained checkpoint to run it with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from textgen.__main__ import run
from textgen.checkpoint.format import Checkpoint, load_checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

STORY = "Kit went to sea and said nothing.\n"


def untrained(path: Path, tokenizer: CharTokenizer | ByteTokenizer, seed: int = 0) -> Path:
    config = ModelConfig(vocab_size=tokenizer.vocab_size, units=8, embedding_dim=4)
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    save_checkpoint(path, Checkpoint(config, tokenizer, weights))
    return path


def untrained_on(
    documents: str, path: Path, tokenizer: CharTokenizer | ByteTokenizer
) -> Path:
    """An untrained checkpoint that says how its text was cut into documents."""
    saved = load_checkpoint(untrained(path, tokenizer))
    save_checkpoint(path, replace(saved, facts={"text": {"documents": documents}}))
    return path


def textgen(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    command = [sys.executable, "-m", "textgen", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]


def figures_of(output: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    """What `textgen score --json` prints."""
    assert run(["score", *map(str, arguments), "--json"]) == 0
    figures = json.loads(output.readouterr().out)
    assert isinstance(figures, dict)
    return figures


def score_on_terminal(*arguments: object, **environment: str) -> str:
    """What a terminal shows of `textgen score`, stdout and stderr together."""
    import pty
    import termios

    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    command = [sys.executable, "-m", "textgen", "score", *map(str, arguments)]
    settings = {"TERM": "xterm-256color", **environment}
    kept = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    with subprocess.Popen(
        command, stdout=terminal, stderr=terminal, env={**kept, **settings}
    ) as process:
        os.close(terminal)
        shown = b""
        while part := _read(controller):
            shown += part
    os.close(controller)
    assert process.returncode == 0, shown
    return shown.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        # Linux reports the end of a terminal as an error.
        return b""
