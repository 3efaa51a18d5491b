"""Training options: refused by name, or resolved by the length of the text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.helpers import refusal
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError

TRAIN_REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"batch_size": 0}, "batch_size=0 must be at least 1."),
    ({"seq_length": 0}, "seq_length=0 must be at least 1."),
    ({"epochs": 0}, "epochs=0 must be at least 1."),
    ({"patience": 0}, "patience=0 must be at least 1."),
    ({"eval_every": 0}, "eval_every=0 must be at least 1."),
    ({"save_every": 0}, "save_every=0 must be at least 1."),
    ({"save_minutes": -1.0}, "save_minutes=-1.0 must be at least 0."),
    ({"warmup_steps": -1}, "warmup_steps=-1 must be at least 0."),
    ({"clip_norm": -1.0}, "clip_norm=-1.0 must be at least 0."),
    ({"seed": -1}, "seed=-1 must be at least 0."),
    ({"learning_rate": 0}, "learning_rate=0 must be above 0."),
    ({"max_minutes": 0.0}, "max_minutes=0.0 must be above 0."),
    ({"final_rate": 1.1}, "final_rate=1.1 must be from 0 to 1."),
    (
        {"optimizer": "sgd"},
        "optimizer='sgd' must be one of adam, adamw, rmsprop, lion, muon, lamb, lars.",
    ),
    (
        {"optimizer": "lars"},
        "optimizer='lars' needs a `learning_rate` of its own: the default, 0.01, is made "
        "for Adam, and a step of LARS moves a matrix by a thousandth of its norm times the "
        "rate. Try learning_rate=10.",
    ),
]


@pytest.mark.parametrize(
    ("options", "message"),
    TRAIN_REFUSALS,
    ids=[str(case[0]) for case in TRAIN_REFUSALS],
)
def test_nonsense_in_a_train_configuration_is_refused_by_name(
    options: dict[str, Any], message: str
) -> None:
    assert refusal(TrainConfig, **options) == message


# --- limits, and options that training resolves ---


@pytest.mark.parametrize("value", [2**63, -(2**63), 10**30])
def test_numbers_that_no_checkpoint_can_hold_are_refused(value: int) -> None:
    for name in ("seed", "epochs", "patience", "eval_chars", "learning_rate"):
        with pytest.raises(ConfigError, match=f"{name}=.* must be at most 9,223,372,"):
            TrainConfig(**{name: value})


@given(st.integers(1, 100_000))
def test_defaults_are_resolved_by_the_length_of_the_text(steps: int) -> None:
    config = TrainConfig().resolved(steps_per_pass=steps)
    assert config.epochs is not None
    assert config.epochs >= 2
    assert config.eval_every is not None
    assert config.eval_every <= 1000
    # Below the limit, an evaluation comes after one whole pass or two.
    assert steps > 1000 or config.eval_every in (steps, 2 * steps)


def test_minutes_alone_set_no_limit_of_epochs() -> None:
    config = TrainConfig(max_minutes=5.0).resolved(steps_per_pass=44)
    assert config.epochs is None
    assert TrainConfig(max_minutes=5.0, epochs=3).resolved(steps_per_pass=44).epochs == 3


def test_what_was_chosen_stays_as_it_is() -> None:
    chosen = TrainConfig(epochs=1, eval_every=7, learning_rate=0.5)
    assert chosen.resolved(steps_per_pass=500) == chosen
