"""Commands and settings: shown as they are typed, completed, and explained."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.helpers import untrained
from tests.cli.interactive.helpers import LETTERS, Script
from textgen.cli.interactive.commands import (
    ACTIONS,
    SETTINGS,
    as_commands,
    completions,
    read_value,
    split_command,
)
from textgen.config.sampling import SamplingConfig
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer

FIELDS = [spec.name for spec in dataclasses.fields(SamplingConfig)]


# --- settings ---


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_of_sample_has_a_command_that_shows_it(
    script: Script, name: str
) -> None:
    command = f"/{name.replace('_', '-')}"
    answer = script(f"{command}\n")
    assert answer.code == 0
    assert answer.err.startswith(f"{command} ")


def test_a_setting_holds_for_the_texts_that_follow_until_it_is_off(
    script: Script, generator: Generator
) -> None:
    answer = script("/temperature 0\nKit\n/temperature off\nKit\n", "--seed", "7")
    likeliest, usual = (
        generator.generate("Kit", seed=7, temperature=0),
        generator.generate("Kit", seed=7, temperature=0.6),
    )
    assert answer.out == f"Kit{likeliest}\nKit{usual}\n"
    assert answer.err == "/temperature 0.0\n/temperature 0.6\n"


def test_off_is_the_default_and_not_what_the_flags_had_set(script: Script) -> None:
    assert script("/top-k off\n/length off\n", "--top-k", "3", "--length", "9").err == (
        "/top-k off\n/length 500\n"
    )


def test_seed_and_label_are_settings_too(tmp_path: Path, script: Script) -> None:
    tokenizer = CharTokenizer(LETTERS, end_of_document=True, labels=("glad", "sad"))
    path = untrained(tmp_path / "labelled", tokenizer)
    generator = Generator.load(path)
    # An untrained model makes little of a label; here it shows.
    lines = "/seed 6\n/temperature 0.2\n/label sad\n\n/label glad\n/again\n"
    answer = script(lines, model=path)
    sad, glad = (
        generator.generate(seed=6, temperature=0.2, label=name) for name in ("sad", "glad")
    )
    assert sad != glad
    assert answer.out == f"{sad}\n{glad}\n"


def test_every_stop_text_is_one_more_until_off(script: Script) -> None:
    answer = script('/stop sea\n/stop "\\n"\n/stop sea\n/stop off\n')
    assert answer.err.splitlines() == [
        "/stop sea",
        *("/stop sea", '/stop "\\n"'),
        *("/stop sea", '/stop "\\n"'),
        "/stop off",
    ]


@pytest.mark.filterwarnings("ignore:stop=")  # the model knows no tab
def test_a_tab_in_quotes_is_a_tab_however_it_is_written(script: Script) -> None:
    assert script('/stop "a\t"\n/stop "a\\t"\n').err == '/stop "a\\t"\n' * 2


def test_quotes_and_backslashes_mean_in_a_pattern_what_they_mean_in_patterns(
    tmp_path: Path, script: Script
) -> None:
    path = untrained(tmp_path / "quotes", CharTokenizer('"ab'))
    answer = script('/pattern "\\w+"\n\n', model=path)
    assert answer.err == '/pattern "\\w+"\n'
    assert re.fullmatch(r'"[ab]+"\n', answer.out)


def test_settings_shows_what_differs_as_lines_that_set_it_again(script: Script) -> None:
    lines = [
        "/length 9",
        "/temperature 1.0,0.5",
        "/top-k 5",
        '/stop "a "',
        "/stop s",
        "/until line",
        "/seed 7",
    ]
    flags = ["--length", "9", "--temperature", "1,0.5", "--top-k", "5", "--stop", "a "]
    flags += ["--stop", "s", "--until", "line", "--seed", "7"]
    assert script("/settings\n", *flags).err.splitlines() == lines
    again = script("".join(f"{line}\n" for line in (*lines, "/settings")))
    assert again.err.splitlines()[-len(lines) :] == lines


def test_settings_says_so_where_nothing_differs(script: Script) -> None:
    assert script("/settings\n").err == "All settings have their defaults.\n"


def test_help_names_every_command_with_the_help_of_its_flag(script: Script) -> None:
    shown = script("/help\n").err
    for spec in dataclasses.fields(SamplingConfig):
        assert f"/{spec.name.replace('_', '-')} VALUE" in shown
        assert spec.metadata["help"] in " ".join(shown.split())
    for name in ("seed", "label", "again", "settings", "help", "quit"):
        assert f"\n/{name} " in shown
    assert "//TEXT" in shown


# --- what is typed and what is shown ---


@given(text=st.text(min_size=1))
def test_a_text_that_is_shown_sets_itself_when_typed(text: str) -> None:
    for name in ("stop", "forbid", "label"):
        value = (text,) if name == "stop" else text
        [line] = as_commands(name, value)
        assert read_value(*split_command(line), current=()) == value


@given(numbers=st.lists(st.floats(0, 9), min_size=1, max_size=3))
def test_temperatures_that_are_shown_set_themselves_when_typed(
    numbers: list[float],
) -> None:
    value = tuple(numbers) if len(numbers) > 1 else numbers[0]
    [line] = as_commands("temperature", value)
    assert read_value(*split_command(line), current=0.8) == value


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("Kit", []),
        ("//", []),
        ("//un", []),
        ("a /un", []),
        ("/un", ["/until "]),
        ("/q", ["/quit"]),
        ("/top", ["/top-k ", "/top-p "]),
        ("/zzz", []),
        ("/until ", ["sentence", "line", "paragraph", "document", "off"]),
        ("/until  d", ["document"]),
        ("/temperature ", ["off"]),
        ("/temperature 0", []),
        ("/label ", ["glad", "very sad", '"off"', "off"]),
        ("/label very", ["very sad"]),
        ("/label very s", ["very sad"]),
        ("/settings ", []),
        ("/zzz ", []),
    ],
)
def test_tab_offers_commands_and_the_values_that_are_known(
    line: str, expected: list[str]
) -> None:
    found = completions(line, labels=("glad", "very sad", "off"))
    assert [new for _, new, _ in found] == expected
    assert all(line.endswith(replaced) for replaced, _, _ in found)


def test_tab_after_a_slash_offers_everything_with_its_help() -> None:
    found = completions("/")
    assert [new.strip(" /") for _, new, _ in found] == [*SETTINGS, *ACTIONS]
    assert all(text for _, _, text in found)
