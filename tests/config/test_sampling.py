"""Every setting of sampling has its range, and none contradicts another."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.config.helpers import WHOLE, refusal
from textgen.config.sampling import SamplingConfig, check_setting
from textgen.errors import ConfigError

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
    ("particles", [0, -1], f"{WHOLE} 1; 1 only masks characters."),
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
            "min_length=6 is more than length=5. Lower the first or raise the second.",
        ),
        (
            {"allow": "abc", "forbid": "xcb"},
            "'b' is in both allow and forbid. Remove it from one of them.",
        ),
        *(
            (
                {"pattern": "a+", **cutting},
                f"{next(iter(cutting))}={SamplingConfig(**cutting).__dict__[next(iter(cutting))]!r}"
                " would cut the text off before it matches the whole pattern. Leave it "
                r"out, and let the pattern say how the text ends: [^\n]* is one line, "
                "[^.!?]*[.!?] one sentence.",
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
        ({"temperature": 10**400}, r"temperature=10+\.\.\. must be a finite number"),
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
