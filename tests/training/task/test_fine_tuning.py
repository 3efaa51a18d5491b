"""`--init-from`: other text, the same weights, a vocabulary that grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textgen
from textgen.checkpoint.format import Checkpoint, load_checkpoint, load_training_state
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError, ConfigError
from textgen.generation.network.network import Network
from textgen.text.tokenizers.char import CharTokenizer
from textgen.training.task.fine_tuning import BaseModel, load_base

SMALL: dict[str, Any] = {
    "units": 16,
    "num_layers": 1,
    "embedding_dim": 8,
    "batch_size": 4,
    "seq_length": 16,
    "compute_dtype": "float32",
}
GO_ON: dict[str, Any] = {"batch_size": 4, "seq_length": 16, "compute_dtype": "float32"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    book = folder / "book.txt"
    book.write_text("the cat sat on the mat. " * 120, encoding="utf-8")
    return textgen.train(book, folder / "run", epochs=3, quiet=True, **SMALL)


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    path = tmp_path / "letters.txt"
    path.write_text("Der Kater saß auf der Matte. " * 100, encoding="utf-8")
    return path


def checkpoint(tokenizer: CharTokenizer, **options: Any) -> Checkpoint:
    model = ModelConfig(
        vocab_size=tokenizer.vocab_size, units=5, embedding_dim=4, **options
    )
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in model.weight_shapes().items()
    }
    return Checkpoint(model, tokenizer, weights)


@pytest.mark.one_backend
@pytest.mark.parametrize(("given", "share"), [({}, 0.0), ({"weight_drop": 0.2}, 0.2)])
def test_what_kept_the_old_text_from_being_memorised_is_left_out(
    given: dict[str, Any], share: float
) -> None:
    tokenizer = CharTokenizer("ab")
    base = BaseModel(Path("x"), checkpoint(tokenizer, weight_drop=0.6))
    assert base.model(tokenizer, given).weight_drop == share


@pytest.mark.one_backend
@pytest.mark.parametrize("options", [{}, {"tie_embeddings": True}, {"cell": "gru"}])
def test_old_characters_are_predicted_as_before(options: dict[str, Any]) -> None:
    saved = checkpoint(CharTokenizer("ab"), **options)
    tokenizer = CharTokenizer("abc", end_of_document=True)
    model = ModelConfig(**{**vars(saved.model), "vocab_size": tokenizer.vocab_size})
    weights = BaseModel(Path("x"), saved).weights(tokenizer, model)
    assert {n: w.shape for n, w in weights.items()} == model.weight_shapes()

    def logits(model: ModelConfig, weights: Any, ids: list[int]) -> np.ndarray:
        network = Network(model, weights)
        state = network.initial_state()
        for one in ids:
            out, state = network.step([one], state)
        return out[0]

    before = logits(saved.model, saved.weights, [0, 1, 1])
    after = logits(model, weights, [1, 2, 2])
    np.testing.assert_allclose(after[1:3], before, rtol=1e-5, atol=1e-6)
    # A new character begins as the average of the old ones.
    np.testing.assert_allclose(after[[0, 3]], before.mean(), rtol=1e-5, atol=1e-6)


@pytest.mark.one_backend
@pytest.mark.slow
def test_a_fine_tuned_run_keeps_the_architecture_and_grows_the_vocabulary(
    run: Path, letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    textgen.train(letters, out, init_from=run, epochs=1, dropout=0.2, **GO_ON)
    old, new = load_checkpoint(run), load_checkpoint(out)
    added = "".join(
        sorted(set("Der Kater saß auf der Matte.") - set(old.tokenizer.characters))
    )
    assert new.tokenizer.characters == old.tokenizer.characters + added
    assert (new.model.units, new.model.dropout) == (16, 0.2)
    assert new.facts["text"]["init_from"] == run.name
    noted = capsys.readouterr().err
    assert (
        f"Fine-tuning {run / 'best'}, which knows 11 characters, {len(added)} new" in noted
    )
    # A fresh schedule and optimizer: steps are counted from zero.
    state = load_training_state(out / "last").values["state"]
    steps_per_epoch = round(state["step"] / state["rows"][-1]["epoch"])
    assert state["step"] == steps_per_epoch


@pytest.mark.one_backend
@pytest.mark.slow
def test_weights_that_know_the_text_score_better_at_once(run: Path, tmp_path: Path) -> None:
    text = tmp_path / "more.txt"
    text.write_text("the cat sat on the mat. " * 60, encoding="utf-8")
    once: dict[str, Any] = {"epochs": 1, "eval_every": 1, "patience": 1, "quiet": True}
    once |= {"learning_rate": 1e-6}
    tuned = textgen.train(text, tmp_path / "tuned", init_from=run, **once, **GO_ON)
    fresh = textgen.train(text, tmp_path / "fresh", **once, **SMALL)
    scores = [
        load_checkpoint(path / "last").facts["score"]["val_bits_per_char"]
        for path in (tuned, fresh)
    ]
    known = load_checkpoint(run).facts["score"]["val_bits_per_char"]
    assert scores[0] == pytest.approx(known, abs=0.2)
    assert scores[1] > scores[0] + 1


@pytest.mark.slow
@pytest.mark.one_backend
def test_a_fine_tuned_run_can_be_resumed(run: Path, letters: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned"
    textgen.train(letters, out, init_from=run, epochs=1, quiet=True, **GO_ON)
    first = load_checkpoint(out / "last")
    textgen.train(letters, out, resume=True, epochs=2, quiet=True)
    second = load_checkpoint(out / "last")
    assert second.tokenizer == first.tokenizer
    assert second.facts["text"]["init_from"] == first.facts["text"]["init_from"]
    letters.write_text(letters.read_text(encoding="utf-8") + "Ω", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"2,901 characters \(was 2,900\)"):
        textgen.train(letters, out, resume=True, quiet=True)


@pytest.mark.one_backend
def test_options_that_the_weights_settle_are_refused_all_at_once(run: Path) -> None:
    options = {"units": 32, "tokenizer": "byte", "normalize": "nfc", "dropout": 0.5}
    with pytest.raises(ConfigError) as caught:
        load_base(run, "auto", options)
    message = str(caught.value)
    assert "units=32 (there 16), tokenizer='byte' (there 'char')." in message
    assert "dropout" not in message
    with pytest.raises(ConfigError, match=r"Leave out `size`"):
        load_base(run, "small", {})


@pytest.mark.one_backend
def test_resume_and_init_from_contradict_each_other(run: Path, letters: Path) -> None:
    with pytest.raises(ConfigError, match=r"Leave out init_from or `resume`"):
        textgen.train(letters, run, resume=True, init_from=run)


@pytest.mark.one_backend
def test_a_start_that_is_not_there_is_named(letters: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        textgen.train(letters, tmp_path / "out", init_from=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
