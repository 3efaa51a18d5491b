"""What a person has set for Keras as a whole changes no result of this package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import textgen
from tests.training.helpers import INTERRUPTED, rows_of
from textgen.training.backend.keras import load_keras

keras = load_keras()


@pytest.fixture
def other_settings() -> Iterator[None]:
    """Every setting of `keras.config` that takes part in computing, changed."""
    config = keras.config
    before = config.floatx(), config.epsilon(), config.image_data_format()
    policy = config.dtype_policy()
    config.set_floatx("float16")
    config.set_epsilon(0.1)
    config.set_image_data_format("channels_first")
    config.set_dtype_policy("mixed_float16")
    yield
    config.set_floatx(before[0])
    config.set_epsilon(before[1])
    config.set_image_data_format(before[2])
    config.set_dtype_policy(policy)


def weights_of(run: Path) -> list[bytes]:
    names = "best/model", "last/model", "last/training"
    return [(run / f"{name}.safetensors").read_bytes() for name in names]


@pytest.mark.slow
@pytest.mark.usefixtures("other_settings")
def test_settings_of_keras_change_no_bit_of_a_run(
    book: Path, whole: Path, tmp_path: Path
) -> None:
    run = textgen.train(book, tmp_path / "run", **INTERRUPTED)
    assert weights_of(run) == weights_of(whole)
    untimed = [[{**row, "seconds": ""} for row in rows_of(each)] for each in (run, whole)]
    assert untimed[0] == untimed[1]


@pytest.mark.one_backend
@pytest.mark.slow
def test_a_limit_of_keras_is_named_and_the_run_goes_on_without_it(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loud = {**INTERRUPTED, "quiet": False, "preview": False}
    keras.config.set_max_epochs(1)
    try:
        with pytest.warns(UserWarning, match="Limiting epochs"):
            textgen.train(book, tmp_path / "run", **loud)
    finally:
        keras.config.set_max_epochs(None)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("Cut short by KERAS_MAX_EPOCHS=1 at epoch ")
    run = textgen.train(book, tmp_path / "run", resume=True, quiet=True)
    assert [row["step"] for row in rows_of(run)][:2] == ["24", "48"]


@pytest.mark.slow
@pytest.mark.one_backend
def test_settings_that_keras_refuses_are_one_line(tmp_path: Path) -> None:
    # It does not even look whether this is an object.
    (tmp_path / "keras.json").write_text("[]", encoding="utf-8")
    code = (
        "from textgen.errors import BackendError\n"
        "from textgen.training.backend.keras import load_keras\n"
        "try:\n"
        "    load_keras()\n"
        "except BackendError as error:\n"
        "    print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KERAS_HOME": str(tmp_path)},
    )
    assert result.stdout.startswith("Keras cannot be imported (")
    assert "AttributeError" in result.stdout
    assert "keras.json" in result.stdout
