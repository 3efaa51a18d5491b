"""Model options that make no sense are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.config.helpers import refusal
from textgen.config.model import ModelConfig

MODEL_REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"cell": "LSTM"}, "cell='LSTM' must be one of lstm, gru, rnn, coupled."),
    ({"vocab_size": 0}, "vocab_size=0 must be at least 1."),
    ({"num_layers": 0}, "num_layers=0 must be at least 1."),
    ({"units": -5}, "units=-5 must be at least 1."),
    ({"embedding_dim": 0}, "embedding_dim=0 must be at least 1."),
    ({"dropout": 1}, "dropout=1 must be at least 0 and below 1."),
    ({"embedding_dropout": 1.5}, "embedding_dropout=1.5 must be at least 0 and below 1."),
    ({"recurrent_dropout": -1}, "recurrent_dropout=-1 must be at least 0 and below 1."),
    ({"weight_decay": -0.1}, "weight_decay=-0.1 must be at least 0."),
    ({"l1": -1}, "l1=-1 must be at least 0."),
    (
        {"conv": 1},
        "conv=1 must be 0, which leaves it out, or at least 2: the convolution sees the "
        "present character and those before it.",
    ),
    ({"conv": 1025}, "conv=1025 must be at most 1,024."),
    (
        {"attention": -3},
        "attention=-3 must be 0, which leaves it out, or at least 2: attention sees the "
        "present character and those before it.",
    ),
    ({"attention": 2**20 + 1}, "attention=1048577 must be at most 1,048,576."),
]


@pytest.mark.parametrize(
    ("options", "message"),
    MODEL_REFUSALS,
    ids=[str(case[0]) for case in MODEL_REFUSALS],
)
def test_nonsense_in_a_model_configuration_is_refused_by_name(
    options: dict[str, Any], message: str
) -> None:
    assert refusal(ModelConfig, **options) == message
