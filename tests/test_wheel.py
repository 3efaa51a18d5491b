"""The wheel holds what it should, and its command works in an environment of its own.

    make test-wheel      the same, with the dependencies installed from scratch

By default the fresh environment borrows the installed dependencies of this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

from textgen.version import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
WITH_DEPENDENCIES = bool(os.environ.get("TEXTGEN_WHEEL_DEPENDENCIES"))
TINY = (
    *("--units", "8", "--num-layers", "1", "--embedding-dim", "4", "--batch-size", "4"),
    *("--seq-length", "16", "--epochs", "1", "--no-preview", "--quiet"),
)


def run(*command: object, cwd: Path = ROOT) -> str:
    # Without PYTHONPATH, which could put the checkout before the installed package.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    run(sys.executable, "-m", "pip", "wheel", ROOT, *options)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment with the wheel in it."""
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    places = {"base": str(venv), "platbase": str(venv)}
    scripts = Path(sysconfig.get_path("scripts", "venv", places))
    if not WITH_DEPENDENCIES:
        packages = Path(sysconfig.get_path("purelib", "venv", places))
        # Python does not read the .pth files of a folder added this way, so that the
        # editable installation of this checkout stays invisible.
        (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    install = ["install", "--quiet", *([] if WITH_DEPENDENCIES else ["--no-deps"]), wheel]
    run(sys.executable, "-m", "pip", "--python", venv, *install)
    return scripts


def test_the_wheel_holds_the_package_its_corpora_and_nothing_else(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    assert {
        "textgen/__init__.py",
        "textgen/py.typed",
        "textgen/corpora/little_harbour.txt",
        "textgen/corpora/boat_names.txt",
    } <= names
    assert {name.partition("/")[0] for name in names} == {
        "textgen",
        f"keras_textgen-{__version__}.dist-info",
    }


def test_the_installed_command_trains_and_samples(scripts: Path, tmp_path: Path) -> None:
    textgen = scripts / "textgen"
    assert __version__ in run(textgen, "--version", cwd=tmp_path)
    where = run(
        scripts / "python", "-c", "import textgen; print(textgen.__file__)", cwd=tmp_path
    )
    assert Path(where.strip()).is_relative_to(scripts.parent)

    text = tmp_path / "text.txt"
    text.write_text("It was a dark and stormy night. " * 100, encoding="utf-8")
    run(textgen, "train", text, "--out", tmp_path / "run", *TINY, cwd=tmp_path)
    prompt = ["--prompt", "It was ", "--length", "20"]
    written = run(textgen, "sample", tmp_path / "run", *prompt, cwd=tmp_path)
    assert written.startswith("It was ")
    assert len(written) > len("It was \n")
