"""A configuration is sound, or is refused with the way out."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.config.fields import check_names, from_dict, pick
from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig, check_setting
from textgen.config.sizes import SIZES
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError

KINDS = (TextConfig, ModelConfig, TrainConfig, SamplingConfig)


def build(kind: type, **options: Any) -> Any:
    return kind(**{"vocab_size": 9, **options} if kind is ModelConfig else options)


def refusal(kind: type, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        build(kind, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


REFUSALS: list[tuple[type, dict[str, Any], str]] = [
    (TextConfig, {"normalize": "nfd"}, "normalize='nfd' must be one of none, nfc, nfkc."),
    (
        TextConfig,
        {"documents": "chapters"},
        "documents='chapters' must be one of whole, lines, paragraphs, files, records.",
    ),
    (TextConfig, {"tokenizer": "word"}, "tokenizer='word' must be one of char, byte."),
    (TextConfig, {"min_count": 0}, "min_count=0 must be at least 1."),
    (TextConfig, {"val_fraction": 1.0}, "val_fraction=1.0 must be at least 0 and below 1."),
    (
        TextConfig,
        {"test_fraction": -0.1},
        "test_fraction=-0.1 must be at least 0 and below 1.",
    ),
    (
        TextConfig,
        {"val_fraction": 0},
        "val_fraction must be above 0: early stopping needs text that the model was not "
        "trained on. Try 0.05.",
    ),
    (
        TextConfig,
        {"val_fraction": 0.5, "test_fraction": 0.5},
        "val_fraction=0.5 and test_fraction=0.5 leave nothing to train on. Lower one of "
        "them.",
    ),
    (
        TextConfig,
        {"tokenizer": "byte", "min_count": 2},
        "min_count has no effect with tokenizer='byte', which knows all 256 bytes. Use "
        "only one of the two.",
    ),
    (ModelConfig, {"cell": "LSTM"}, "cell='LSTM' must be one of lstm, gru, rnn."),
    (ModelConfig, {"vocab_size": 0}, "vocab_size=0 must be at least 1."),
    (ModelConfig, {"num_layers": 0}, "num_layers=0 must be at least 1."),
    (ModelConfig, {"units": -5}, "units=-5 must be at least 1."),
    (ModelConfig, {"embedding_dim": 0}, "embedding_dim=0 must be at least 1."),
    (ModelConfig, {"dropout": 1}, "dropout=1 must be at least 0 and below 1."),
    (
        ModelConfig,
        {"embedding_dropout": 1.5},
        "embedding_dropout=1.5 must be at least 0 and below 1.",
    ),
    (
        ModelConfig,
        {"recurrent_dropout": -1},
        "recurrent_dropout=-1 must be at least 0 and below 1.",
    ),
    (ModelConfig, {"weight_decay": -0.1}, "weight_decay=-0.1 must be at least 0."),
    (ModelConfig, {"l1": -1}, "l1=-1 must be at least 0."),
    (TrainConfig, {"batch_size": 0}, "batch_size=0 must be at least 1."),
    (TrainConfig, {"seq_length": 0}, "seq_length=0 must be at least 1."),
    (TrainConfig, {"epochs": 0}, "epochs=0 must be at least 1."),
    (TrainConfig, {"patience": 0}, "patience=0 must be at least 1."),
    (TrainConfig, {"eval_every": 0}, "eval_every=0 must be at least 1."),
    (TrainConfig, {"save_every": 0}, "save_every=0 must be at least 1."),
    (TrainConfig, {"save_minutes": -1.0}, "save_minutes=-1.0 must be at least 0."),
    (TrainConfig, {"warmup_steps": -1}, "warmup_steps=-1 must be at least 0."),
    (TrainConfig, {"clip_norm": -1.0}, "clip_norm=-1.0 must be at least 0."),
    (TrainConfig, {"seed": -1}, "seed=-1 must be at least 0."),
    (TrainConfig, {"learning_rate": 0}, "learning_rate=0 must be above 0."),
    (TrainConfig, {"max_minutes": 0.0}, "max_minutes=0.0 must be above 0."),
    (TrainConfig, {"final_rate": 1.1}, "final_rate=1.1 must be from 0 to 1."),
    (
        TrainConfig,
        {"optimizer": "sgd"},
        "optimizer='sgd' must be one of adam, adamw, rmsprop, lion, muon.",
    ),
]


@pytest.mark.parametrize(
    ("kind", "options", "message"), REFUSALS, ids=[str(case[1]) for case in REFUSALS]
)
def test_nonsense_is_refused_by_name(
    kind: type, options: dict[str, Any], message: str
) -> None:
    assert refusal(kind, **options) == message


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ModelConfig, {"units": 3.0}, "units=3.0 must be int, not float."),
        (ModelConfig, {"units": "3"}, "units='3' must be int, not str."),
        (ModelConfig, {"units": None}, "units=None must be int, not NoneType."),
        (ModelConfig, {"units": True}, "units=True must be int, not bool."),
        (ModelConfig, {"dropout": False}, "dropout=False must be float, not bool."),
        (ModelConfig, {"residual": 1}, "residual=1 must be bool, not int."),
        (ModelConfig, {"cell": None}, "cell=None must be str, not NoneType."),
        (ModelConfig, {"cell": ["gru"]}, "cell=['gru'] must be str, not list."),
        (
            TrainConfig,
            {"max_minutes": "1"},
            "max_minutes='1' must be float | None, not str.",
        ),
        (TrainConfig, {"eval_every": 1.5}, "eval_every=1.5 must be int | None, not float."),
        (SamplingConfig, {"top_k": True}, "top_k=True must be int | None, not bool."),
        (SamplingConfig, {"length": 2.5}, "length=2.5 must be int, not float."),
        (SamplingConfig, {"length": None}, "length=None must be int, not NoneType."),
        (
            SamplingConfig,
            {"temperature": "1"},
            "temperature='1' must be float | tuple[float, ...], not str.",
        ),
        (SamplingConfig, {"min_p": "0"}, "min_p='0' must be float | None, not str."),
        (SamplingConfig, {"allow": ["a"]}, "allow=['a'] must be str | None, not list."),
        (
            SamplingConfig,
            {"dry_breakers": None},
            "dry_breakers=None must be str, not NoneType.",
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


@pytest.mark.parametrize("encoding", ["utf8000", "", "hex", "rot13", "a\0b", "\ud800"])
def test_what_is_no_text_encoding_is_refused_with_some_that_are(encoding: str) -> None:
    assert refusal(TextConfig, encoding=encoding) == (
        f"encoding={encoding!r} is not a text encoding that Python knows. "
        "Try utf-8, utf-16, latin-1 or cp1252."
    )


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-16", "latin-1", "cp1252", "shift_jis"])
def test_text_encodings_are_taken(encoding: str) -> None:
    assert TextConfig(encoding=encoding).encoding == encoding


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


# --- what is sampled ---

WHOLE = "must be a whole number of at least"
RANGES: list[tuple[str, list[Any], str]] = [
    ("length", [-1], f"{WHOLE} 0."),
    ("min_length", [-1], f"{WHOLE} 0."),
    (
        "temperature",
        [-0.5, -1],
        "must be a finite number of at least 0, or several; 0 always picks the most "
        "likely.",
    ),
    ("top_k", [0, -3], f"{WHOLE} 1; leave it out to keep all."),
    ("top_p", [0, -0.1, 1.5], "must be above 0 and at most 1; 1 keeps every character."),
    (
        "min_p",
        [-0.1, 1.01],
        "must be a finite number from 0 to 1; 0 keeps every character.",
    ),
    ("typical_p", [0, -0.1, 2], "must be above 0 and at most 1; 1 keeps every character."),
    (
        "repetition_penalty",
        [0, -1.0],
        "must be a finite number from 1e-06 to 1,000,000; 1 disables it.",
    ),
    ("no_repeat_ngram_size", [0, -1], f"{WHOLE} 1; leave it out to allow repetition."),
    ("dry_multiplier", [-0.1], "must be a finite number of at least 0; 0 disables it."),
    ("dry_base", [0.99, 0, -2], "must be a finite number of at least 1."),
    ("dry_allowed_length", [0], f"{WHOLE} 1."),
    ("beam_width", [0, -1], f"{WHOLE} 1; leave it out to sample."),
]
NO_STOP = (
    "must be texts of at least one character: an empty one would end every text at once."
)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [(name, value, message) for name, values, message in RANGES for value in values],
)
def test_every_setting_of_sampling_has_its_range(
    name: str, value: Any, message: str
) -> None:
    assert refusal(SamplingConfig, **{name: value}) == f"{name}={value} {message}"
    with pytest.raises(ConfigError):
        check_setting(name, value)


@pytest.mark.parametrize(
    "name", ["frequency_penalty", "presence_penalty", "length_penalty", "dry_base"]
)
@pytest.mark.parametrize("value", [float("nan"), float("-inf"), "1", True, 1j])
def test_a_setting_alone_is_held_to_finite_numbers_too(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}=.* must be a finite number"):
        check_setting(name, value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stop": ""}, f"stop=('',) {NO_STOP}"),
        ({"stop": ["a", ""]}, f"stop=('a', '') {NO_STOP}"),
        ({"stop": ("a", 1)}, f"stop=('a', 1) {NO_STOP}"),
        (
            {"allow": ""},
            "allow='' must be at least one character; leave it out to allow all.",
        ),
        (
            {"forbid": ""},
            "forbid='' must be at least one character; leave it out to forbid none.",
        ),
        (
            {"pattern": ""},
            "pattern='' must be a regular expression; leave it out to allow any text.",
        ),
        (
            {"until": "chapter"},
            "until='chapter' must be one of sentence, line, paragraph, document.",
        ),
        (
            {"temperature": ()},
            "temperature=() must be a finite number of at least 0, or several; 0 always "
            "picks the most likely.",
        ),
        (
            {"temperature": (0.5, -1)},
            "temperature=-1 must be a finite number of at least 0, or several; 0 always "
            "picks the most likely.",
        ),
        (
            {"temperature": [0.5, float("nan")]},
            "temperature=nan must be a finite number of at least 0, or several; 0 always "
            "picks the most likely.",
        ),
    ],
)
def test_texts_and_lists_that_make_no_sense_are_refused(
    options: dict[str, Any], message: str
) -> None:
    assert refusal(SamplingConfig, **options) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"length": 5, "min_length": 6},
            "min_length=6 is more than length=5. Lower min_length or raise length.",
        ),
        (
            {"allow": "abc", "forbid": "xcb"},
            "'b' is in both allow and forbid. Remove it from one of them.",
        ),
        *(
            (
                {"pattern": "a+", **cutting},
                "stop and until may end the text before it matches pattern. Use the "
                "pattern itself to say how the text ends.",
            )
            for cutting in (
                {"stop": "a"},
                {"until": "sentence"},
                {"until": "line"},
                {"until": "paragraph"},
            )
        ),
        *(
            (
                {"beam_width": 3, name: value},
                "beam_width searches for the most likely text instead of sampling, so "
                f"{name} has no effect. Use only one of the two.",
            )
            for name, value in (
                ("top_k", 3),
                ("top_p", 0.9),
                ("min_p", 0.1),
                ("typical_p", 0.9),
                ("temperature", 0.5),
                ("temperature", 0),
                ("temperature", (1.0, 0.5)),
            )
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    options: dict[str, Any], message: str
) -> None:
    assert refusal(SamplingConfig, **options) == message


@pytest.mark.parametrize(
    ("given_stop", "expected"),
    [("ab", ("ab",)), (["a", "b"], ("a", "b")), (iter("ab"), ("a", "b")), ([], ())],
)
def test_stop_texts_may_be_one_or_several(given_stop: Any, expected: Any) -> None:
    assert SamplingConfig(stop=given_stop).stop == expected


def test_temperatures_may_be_a_list() -> None:
    assert SamplingConfig(temperature=[1.0, 0.5]).temperature == (1.0, 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "by"),
    [
        ({"dry_base": 3.0}, "dry_multiplier"),
        ({"dry_allowed_length": 3}, "dry_multiplier"),
        ({"dry_breakers": ""}, "dry_multiplier"),
        ({"length_penalty": 2.0}, "beam_width"),
    ],
)
def test_a_setting_that_would_have_no_effect_is_refused(
    options: dict[str, Any], by: str
) -> None:
    with pytest.raises(ConfigError, match=f"has no effect without {by}. Set both"):
        SamplingConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stop": None}, "stop=None must be tuple"),
        ({"stop": 5}, "stop=5 must be tuple"),
        ({"stop": (1,)}, "stop=.* must be texts of at least one character"),
        ({"temperature": ()}, "temperature=.* must be a finite number"),
        ({"temperature": ((1.0,),)}, "temperature=.* must be a finite number"),
        ({"temperature": (None,)}, "temperature=None must be a finite number"),
        ({"temperature": 10**400}, "temperature=10+ must be a finite number"),
        ({"frequency_penalty": -1e308}, "must be a finite number from -1,000,000"),
    ],
)
def test_values_of_a_strange_kind_are_refused_by_name(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        SamplingConfig(**options)


def test_a_setting_that_is_off_is_no_value() -> None:
    for name, *_ in RANGES:
        with pytest.raises(ConfigError, match=f"{name}=None must be"):
            check_setting(name, None)


def test_every_number_of_sampling_has_a_range() -> None:
    # `stop`, `until` and the like are texts, which have tests of their own.
    numbers = {
        field.name
        for field in dataclasses.fields(SamplingConfig)
        if "int" in field.type or "float" in field.type
    }
    unbounded = {"frequency_penalty", "presence_penalty", "length_penalty"}
    assert {name for name, *_ in RANGES} == numbers - unbounded


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


# --- limits, and options that training resolves ---


@pytest.mark.parametrize("value", [2**63, -(2**63), 10**30])
def test_numbers_that_no_checkpoint_can_hold_are_refused(value: int) -> None:
    for name in ("seed", "epochs", "patience", "eval_chars", "learning_rate"):
        with pytest.raises(ConfigError, match=f"{name}=.* must be at most 9,223,372,"):
            TrainConfig(**{name: value})


def test_text_that_no_checkpoint_can_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"glob=.* contains a lone surrogate"):
        TextConfig(glob="caf\udce9*")


@given(st.integers(1, 100_000))
def test_defaults_are_resolved_by_the_length_of_the_text(steps: int) -> None:
    config = TrainConfig().resolved(steps_per_pass=steps)
    assert config.epochs is not None
    assert config.epochs >= 2
    assert config.eval_every is not None
    assert 200 <= config.eval_every <= 1000
    # Below the limit, an evaluation comes after whole passes.
    assert steps > 1000 or config.eval_every % steps == 0


def test_what_was_chosen_stays_as_it_is() -> None:
    chosen = TrainConfig(epochs=1, eval_every=7, learning_rate=0.5)
    assert chosen.resolved(steps_per_pass=500) == chosen


def test_the_flags_whose_default_is_the_size_are_those_that_sizes_set() -> None:
    by_size = {
        f.name for f in fields(ModelConfig) if f.metadata.get("flag_default") == "by --size"
    }
    assert all(by_size == set(options) for options in SIZES.values())
