"""The backend that a person names is used; otherwise the fastest one that is installed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from textgen.config.model import ModelConfig
from textgen.errors import BackendError, ConfigError
from textgen.training.backend import choice
from textgen.training.backend.choice import (
    BACKENDS,
    FASTEST,
    UNTOUCHED,
    VARIABLE,
    WITHOUT_KERNEL,
    choose_backend,
    named_backend,
    wanted_backend,
)
from textgen.training.backend.keras import load_keras

LSTM, GRU = (ModelConfig(vocab_size=3, cell=cell) for cell in ("lstm", "gru"))
RNN = ModelConfig(vocab_size=3, cell="rnn")
COUPLED = ModelConfig(vocab_size=3, cell="coupled")
LOOP = ModelConfig(vocab_size=3, recurrent_dropout=0.1)

pytestmark = pytest.mark.one_backend


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keras is not loaded, nothing is named, and every backend is installed."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(choice, "is_installed", lambda name: True)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let only these backends be installed."""
    return lambda *names: monkeypatch.setattr(choice, "is_installed", names.__contains__)


@pytest.fixture
def keras_json(tmp_path: Path) -> Callable[[object], None]:
    """Write Keras' settings."""
    return lambda values: (tmp_path / "keras.json").write_text(json.dumps(values)) and None


def chosen(
    asked: str = "auto", model: ModelConfig = LSTM, trained_on: str | None = None
) -> str:
    choose_backend(asked, model, trained_on)
    return os.environ[VARIABLE]


@pytest.mark.parametrize(
    ("model", "order"),
    [
        (LSTM, FASTEST["lstm"]),
        (GRU, FASTEST["gru"]),
        (COUPLED, FASTEST["lstm"]),
        (RNN, WITHOUT_KERNEL),
        (LOOP, WITHOUT_KERNEL),
    ],
    ids=["lstm", "gru", "coupled", "rnn", "recurrent dropout"],
)
def test_without_a_name_the_fastest_installed_one_is_taken(
    model: ModelConfig, order: Sequence[str], installed: Callable[..., None]
) -> None:
    assert sorted(order) == sorted(BACKENDS)
    assert chosen(model=model) == order[0]
    os.environ[VARIABLE] = ""
    installed(*order[1:])
    assert chosen(model=model) == order[1]


def test_one_that_would_be_faster_is_named_with_its_command(
    installed: Callable[..., None],
) -> None:
    installed("tensorflow", "jax")
    (note,) = choose_backend("auto", LSTM)
    assert note.startswith("On a CPU, PyTorch trains this network faster.")
    assert note.endswith('pip install "keras-textgen[torch]"')
    os.environ[VARIABLE] = ""
    installed(*BACKENDS)
    assert choose_backend("auto", LSTM) == []


def test_pytorch_is_of_no_use_in_a_deleted_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert choose_backend("auto", LSTM) == []
    assert os.environ[VARIABLE] == FASTEST["lstm"][1]
    with pytest.raises(BackendError, match="the working directory has been deleted"):
        named_backend("torch")


def test_without_any_backend_one_is_asked_for(installed: Callable[..., None]) -> None:
    installed()
    with pytest.raises(BackendError, match=r"none is installed.*pip install tensorflow"):
        choose_backend("auto", LSTM)


def test_the_argument_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, keras_json: Callable[[object], None]
) -> None:
    keras_json({"backend": "jax"})
    assert named_backend() == wanted_backend() == chosen() == "jax"
    monkeypatch.setenv(VARIABLE, "torch")
    assert named_backend() == wanted_backend() == chosen() == "torch"
    assert chosen("tensorflow") == "tensorflow"


def test_keras_writes_what_is_taken_for_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    load_keras()
    written = Path(os.environ["KERAS_HOME"], "keras.json").read_text()
    assert json.loads(written) == UNTOUCHED


def test_what_remains_of_an_installation_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    (tmp_path / "leftover").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "broken", None)
    assert [choice.is_installed(name) for name in ("json", "leftover", "broken")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("content", [UNTOUCHED, {}, [], {"floatx": "float16"}, None])
def test_what_keras_itself_writes_into_its_file_is_nobodys_choice(
    content: object, keras_json: Callable[[object], None]
) -> None:
    if content is not None:
        keras_json(content)
    assert named_backend() is None
    assert wanted_backend() == "tensorflow"
    keras_json({**UNTOUCHED, "floatx": "float64"})
    assert named_backend() == "tensorflow"


def test_a_resumed_run_keeps_its_backend_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chosen(trained_on="jax") == "jax"
    assert chosen("torch", trained_on="jax") == "torch"
    monkeypatch.setenv(VARIABLE, "tensorflow")
    assert chosen(trained_on="jax") == "tensorflow"
    monkeypatch.setenv(VARIABLE, "")
    assert chosen(trained_on="a backend of the future") == FASTEST["lstm"][0]


def test_a_resumed_run_whose_backend_is_missing_says_what_to_do(
    installed: Callable[..., None],
) -> None:
    installed("tensorflow", "jax")
    with pytest.raises(BackendError) as caught:
        choose_backend("auto", LSTM, trained_on="torch")
    assert "trained on torch, which is not installed" in str(caught.value)
    assert 'pip install "keras-textgen[torch]"' in str(caught.value)
    assert "`backend`" in str(caught.value)
    assert chosen("jax", trained_on="torch") == "jax"


def test_a_name_of_no_use_is_refused_with_where_it_stands(
    monkeypatch: pytest.MonkeyPatch,
    keras_json: Callable[[object], None],
    installed: Callable[..., None],
) -> None:
    with pytest.raises(ConfigError, match="backend"):
        named_backend("theano")
    keras_json({"backend": "openvino"})
    with pytest.raises(BackendError, match=r"keras\.json: textgen does not support"):
        named_backend()
    monkeypatch.setenv(VARIABLE, "mxnet")
    with pytest.raises(BackendError, match="KERAS_BACKEND=mxnet: textgen does not support"):
        named_backend()
    installed("tensorflow")
    with pytest.raises(BackendError, match=r"torch is not installed.*-textgen\[torch\]"):
        named_backend("torch")
    monkeypatch.setenv(VARIABLE, "jax")
    with pytest.raises(BackendError, match="KERAS_BACKEND=jax: jax is not installed"):
        named_backend()


def test_a_process_keeps_the_backend_that_it_has_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    loaded = load_keras().backend.backend()
    others = [name for name in BACKENDS if name != loaded]
    monkeypatch.setenv(VARIABLE, others[0])
    assert named_backend() == chosen(trained_on=others[1]) == loaded
    with pytest.raises(BackendError, match=f"already loaded with {loaded}.*KERAS_BACKEND"):
        named_backend(others[0])
