"""Optimizers lower the score and leave alone what is not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

import textgen
from tests.training.helpers import SMALL, rows_of
from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.training.model.compiling import OPTIMIZERS, make_optimizer

# Keras computes them all; Muon alone does more than a line of arithmetic.
on_tensorflow = pytest.mark.one_backend


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param("adam", marks=on_tensorflow),
        pytest.param("adamw", marks=on_tensorflow),
        pytest.param("rmsprop", marks=on_tensorflow),
        pytest.param("lion", marks=on_tensorflow),
        "muon",
        pytest.param("lamb", marks=on_tensorflow),
        "lars",
    ],
)
@pytest.mark.slow
def test_every_optimizer_lowers_the_score(
    book: Path, tmp_path: Path, optimizer: str
) -> None:
    rate = {"lion": 0.001, "rmsprop": 0.001, "lamb": 0.04, "lars": 10}.get(optimizer, 0.01)
    options = {**SMALL, "optimizer": optimizer, "weight_decay": 0.01, "eval_every": 30}
    run = textgen.train(book, tmp_path / "run", learning_rate=rate, epochs=1, **options)
    scores = [float(row["val_bits_per_char"]) for row in rows_of(run)]
    assert scores[-1] < scores[0]


def test_every_optimizer_of_the_configuration_exists() -> None:
    choices = TrainConfig.__dataclass_fields__["optimizer"].metadata["choices"]
    assert set(choices) == set(OPTIMIZERS)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_muon_is_for_hidden_matrices_alone(cell: str) -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3, cell=cell)
    optimizer = make_optimizer(config, TrainConfig(optimizer="muon"))
    by_muon = {
        variable.path.split("/")[-1]
        for variable in textgen.build_model(config).trainable_variables
        if not optimizer._should_use_adamw(variable)
    }
    assert by_muon == {"kernel", "recurrent_kernel"}


def test_weight_decay_leaves_biases_alone() -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3, weight_decay=0.1)
    model = textgen.build_model(config)
    optimizer = make_optimizer(config, TrainConfig())
    decayed = {v.path for v in model.trainable_variables if optimizer._use_weight_decay(v)}
    assert any(path.endswith("kernel") for path in decayed)
    assert not any(path.endswith("bias") for path in decayed)


def test_weight_decay_of_muon_is_that_of_its_own_matrices() -> None:
    config = ModelConfig(vocab_size=5, units=4, embedding_dim=3, weight_decay=0.1)
    optimizer = make_optimizer(config, TrainConfig(optimizer="muon"))
    assert (optimizer.weight_decay, optimizer.adam_weight_decay) == (0.1, None)


def test_beta_2_is_that_of_adam() -> None:
    for name in ("adam", "adamw"):
        train = TrainConfig(optimizer=name, beta_2=0.9)
        assert make_optimizer(ModelConfig(vocab_size=5), train).beta_2 == 0.9
    train = TrainConfig(optimizer="muon", beta_2=0.9)
    assert make_optimizer(ModelConfig(vocab_size=5), train).adam_beta_2 == 0.9
