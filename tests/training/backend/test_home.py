"""A user without an account, a home directory, or one that can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from textgen.__main__ import run
from textgen.disk.places import home, user_folder
from textgen.training.backend.choice import DEFAULT, wanted_backend

pytestmark = [
    pytest.mark.one_backend,
    pytest.mark.skipif(os.name == "nt", reason="Windows finds homes in another way"),
]
PLACES = ("XDG_CACHE_HOME", "XDG_DATA_HOME", "TEXTGEN_CACHE_DIR", "KERAS_HOME")


@pytest.fixture(params=[None, "", "not writable"], ids=repr)
def homeless(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """The working directory of such a user."""
    for name in (*PLACES, "KERAS_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 9)
    monkeypatch.delenv("HOME", raising=False)
    if request.param is not None:
        # Not even root can make a directory in a file.
        (tmp_path / "file").touch()
        monkeypatch.setenv("HOME", request.param and f"{tmp_path}/file")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def test_an_unknown_home_is_none(homeless: Path) -> None:
    is_known = bool(os.environ.get("HOME"))
    assert (home() is not None) == is_known
    assert (user_folder("cache") is not None) == is_known
    assert wanted_backend() == DEFAULT


def test_a_named_place_needs_no_home(
    homeless: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert user_folder("data") == tmp_path / "textgen"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert wanted_backend() == "jax"


def test_the_cache_is_listed_and_cleared(
    homeless: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("list", "clear"):
        assert run(["cache", command]) == 0
        (shown,) = capsys.readouterr().err.splitlines()
        assert "0 bytes" in shown
        assert ("Name a place with --cache-dir" in shown) == (home() is None)
    assert not any(homeless.iterdir())


TRAIN = """
import os, sys
os.getuid = lambda: 2**31 - 9
from textgen.__main__ import main
sys.argv = ["textgen", "train", "book.txt", "--out", "run", "--units", "2", "--epochs", "1",
            "--num-layers", "1", "--no-preview"]
main()
"""


# One that cannot be written is among what meets in tests/test_environments.py.
@pytest.mark.slow
def test_training_needs_no_home_and_leaves_nothing_behind(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k not in (*PLACES, "HOME")}
    env |= {"TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    (tmp_path / "book.txt").write_text("Kit went to sea and said nothing.\n" * 100)
    done = subprocess.run(
        [sys.executable, "-c", TRAIN], env=env, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert "encoded text is kept for this run only" in lines[0]
    assert lines[1].startswith("Text: ")
    assert any(line.startswith("Training ") for line in lines)
    assert sorted(os.listdir(tmp_path)) == ["book.txt", "run", "tmp"]
    # PyTorch may make a folder for its compiler when Keras is imported.
    own = f"torchinductor_uid_{2**31 - 9}"
    assert [name for name in os.listdir(tmp_path / "tmp") if name != own] == []
