"""A configuration is sound, or is refused with the way out."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from tests.config.helpers import build, refusal
from textgen.config.fields import ELSEWHERE, check_names, from_dict, pick
from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError

KINDS = (TextConfig, ModelConfig, TrainConfig, SamplingConfig)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ModelConfig, {"units": 3.0}, "units=3.0 must be int, not float."),
        (ModelConfig, {"units": "3"}, "units='3' must be int, not str."),
        (ModelConfig, {"units": None}, "units=None must be int, not None."),
        (ModelConfig, {"units": True}, "units=True must be int, not bool."),
        (ModelConfig, {"dropout": False}, "dropout=False must be float, not bool."),
        (ModelConfig, {"residual": 1}, "residual=1 must be bool, not int."),
        (ModelConfig, {"cell": None}, "cell=None must be str, not None."),
        (ModelConfig, {"cell": ["gru"]}, "cell=['gru'] must be str, not list."),
        (
            TrainConfig,
            {"max_minutes": "1"},
            "max_minutes='1' must be float or None, not str.",
        ),
        (
            TrainConfig,
            {"eval_every": 1.5},
            "eval_every=1.5 must be int or None, not float.",
        ),
        (SamplingConfig, {"top_k": True}, "top_k=True must be int or None, not bool."),
        (SamplingConfig, {"length": 2.5}, "length=2.5 must be int, not float."),
        (SamplingConfig, {"length": None}, "length=None must be int, not None."),
        (
            SamplingConfig,
            {"temperature": "1"},
            "temperature='1' must be float or tuple of float, not str.",
        ),
        (SamplingConfig, {"min_p": "0"}, "min_p='0' must be float or None, not str."),
        (SamplingConfig, {"allow": ["a"]}, "allow=['a'] must be str or None, not list."),
        (
            SamplingConfig,
            {"dry_breakers": None},
            "dry_breakers=None must be str, not None.",
        ),
        (TextConfig, {"encoding": 8}, "encoding=8 must be str, not int."),
    ],
)
def test_a_value_of_another_type_is_refused_with_both_types(
    kind: type, options: dict[str, Any], message: str
) -> None:
    assert refusal(kind, **options) == message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (TextConfig, "val_fraction"),
        (ModelConfig, "dropout"),
        (TrainConfig, "learning_rate"),
        (TrainConfig, "max_minutes"),
        (SamplingConfig, "temperature"),
        (SamplingConfig, "top_p"),
        (SamplingConfig, "frequency_penalty"),
        (SamplingConfig, "length_penalty"),
    ],
)
def test_what_is_no_number_is_refused(kind: type, name: str, value: float) -> None:
    assert refusal(kind, **{name: value}) == f"{name}={value} must be a finite number."


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (TrainConfig, {"learning_rate": 1, "max_minutes": 5, "final_rate": 0}),
        (TrainConfig, {"warmup_steps": 0, "clip_norm": 0, "final_rate": 1}),
        (SamplingConfig, {"length": 0, "temperature": 0, "top_k": 1, "top_p": 1}),
        (SamplingConfig, {"length": 3, "min_length": 3, "min_p": 0, "typical_p": 1}),
        (SamplingConfig, {"min_p": 1.0, "repetition_penalty": 1e-6, "stop": (" ",)}),
        (SamplingConfig, {"frequency_penalty": -2, "presence_penalty": -2.0}),
        (SamplingConfig, {"no_repeat_ngram_size": 1, "dry_multiplier": 0.5}),
        (SamplingConfig, {"dry_multiplier": 1, "dry_allowed_length": 1}),
        (SamplingConfig, {"dry_multiplier": 0, "dry_base": 1, "dry_breakers": ""}),
        (
            SamplingConfig,
            {"allow": "a", "forbid": "b", "pattern": "a", "until": "document"},
        ),
        (SamplingConfig, {"beam_width": 1, "length_penalty": -1.0, "temperature": 1}),
        (SamplingConfig, {"beam_width": 5, "no_repeat_ngram_size": 3, "stop": ("a",)}),
        (SamplingConfig, {"temperature": (0, 0.5, 2.0)}),
        (TextConfig, {"val_fraction": 0.5, "test_fraction": 0.4}),
    ],
)
def test_the_edges_of_what_makes_sense_are_taken(
    kind: type, options: dict[str, Any]
) -> None:
    config = build(kind, **options)
    assert {name: getattr(config, name) for name in options} == options


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_cannot_be_changed(kind: type) -> None:
    config = build(kind)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, dataclasses.fields(kind)[0].name, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_has_a_help_that_is_a_sentence(kind: type) -> None:
    for field in dataclasses.fields(kind):
        if field.name != "vocab_size":
            assert field.metadata["help"][0].isupper()
            assert field.metadata["help"][-1] in ".])"


def test_no_two_configurations_share_an_option() -> None:
    # They are keywords of one function and flags of one command.
    names = [field.name for kind in KINDS for field in dataclasses.fields(kind)]
    assert len(names) == len(set(names))


# --- from and to plain data ---


@pytest.mark.parametrize("kind", [TextConfig, ModelConfig, TrainConfig])
def test_a_configuration_survives_json(kind: Any) -> None:
    config = build(kind)
    assert from_dict(kind, json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    ("kind", "typo", "meant"),
    [
        (ModelConfig, "unit", "units"),
        (ModelConfig, "layers", "num_layers"),
        (ModelConfig, "drop_out", "dropout"),
        (ModelConfig, "tie_embedding", "tie_embeddings"),
        (TrainConfig, "epoch", "epochs"),
        (TrainConfig, "learningrate", "learning_rate"),
        (TrainConfig, "batchsize", "batch_size"),
        (TextConfig, "encodings", "encoding"),
        (TextConfig, "min-count", "min_count"),
    ],
)
def test_a_typo_gets_the_nearest_name(kind: Any, typo: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_dict(kind, {typo: 1})
    assert str(caught.value) == f"unknown option {typo!r}. Did you mean {meant!r}?"


def test_a_name_like_no_other_gets_the_list_of_all() -> None:
    with pytest.raises(ConfigError) as caught:
        from_dict(TextConfig, {"xyz": 1})
    assert str(caught.value) == (
        "unknown option 'xyz'. Known: encoding, glob, normalize, documents, tokenizer, "
        "min_count, val_fraction, test_fraction."
    )


def test_a_missing_name_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^ModelConfig needs vocab_size\.$"):
        from_dict(ModelConfig, {"units": 3})


def test_names_may_belong_to_any_of_several_configurations() -> None:
    check_names(["units", "epochs", "glob"], TextConfig, ModelConfig, TrainConfig)
    with pytest.raises(ConfigError, match="Did you mean 'units'"):
        check_names(["epochs", "unitz"], TextConfig, ModelConfig, TrainConfig)


def test_pick_takes_what_belongs_to_one_configuration() -> None:
    options = {"units": 3, "epochs": 4, "nonsense": 5}
    assert pick(ModelConfig, options) == {"units": 3}
    assert pick(TrainConfig, options) == {"epochs": 4}


def test_the_reason_is_given_why_a_text_cannot_be_written_by_a_bidirectional_network() -> (
    None
):
    with pytest.raises(ConfigError) as caught:
        check_names(["bidirectional"], *KINDS)
    assert str(caught.value) == (
        "unknown option 'bidirectional'. Text is written from left to right, so the "
        "network that writes it cannot read from right to left as well: the characters to "
        "come do not exist yet. To look further back, train with `attention`. For "
        "text vectors that read both ways, train a second model on the text backwards: "
        "textgen.TextVectorizer(model, backward=...)."
    )


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_name_of_another_library_suggests_ours(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_names([name], *KINDS)
    assert str(caught.value).endswith(f"Did you mean {ELSEWHERE[name]!r}?")
