"""A conversation as a script has it: prompts, settings and mistakes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import untrained
from tests.cli.interactive.helpers import Answer, Script
from tests.generation.models import chain_weights
from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer

# --- prompts ---


def test_a_line_is_a_prompt_and_gets_the_text_that_sample_writes(
    script: Script, generator: Generator
) -> None:
    answer = script("Kit \n", "--seed", "7", "--length", "30", "--temperature", "0.5")
    expected = generator.generate("Kit ", seed=7, length=30, temperature=0.5)
    assert answer == Answer(0, f"Kit {expected}\n", "")


def test_the_prompt_is_left_out_where_no_echo_is_wanted(
    script: Script, generator: Generator
) -> None:
    answer = script("Kit \n", "--seed", "7", "--length", "9", "--no-echo")
    assert answer.out == generator.generate("Kit ", seed=7, length=9) + "\n"


@pytest.mark.parametrize("flags", [(), ("--no-echo",)])
def test_an_empty_line_goes_on_with_all_that_was_written(
    script: Script, generator: Generator, flags: tuple[str, ...]
) -> None:
    limits = ["--length", "9", "--forbid", "\n"]
    answer = script("Kit \n\n\n", "--seed", "7", *limits, *flags)
    chosen: dict[str, Any] = {"length": 9, "forbid": "\n"}
    first = generator.generate("Kit ", seed=7, **chosen)
    second = generator.generate(f"Kit {first}", seed=8, **chosen)
    third = generator.generate(f"Kit {first}{second}", seed=9, **chosen)
    prompt = "" if flags else "Kit "
    assert answer == Answer(0, f"{prompt}{first}\n{second}\n{third}\n", "")


def test_an_empty_line_at_the_very_start_lets_the_model_begin(
    script: Script, generator: Generator
) -> None:
    answer = script("\n", "--seed", "7", "--length", "9")
    assert answer == Answer(0, generator.generate(seed=7, length=9) + "\n", "")


def test_an_empty_line_after_a_whole_line_writes_the_next(
    tmp_path: Path, script: Script
) -> None:
    path = tmp_path / "lines"
    config, weights = chain_weights(3, {0: 1, 1: 2, 2: 0})
    save_checkpoint(path, Checkpoint(config, CharTokenizer("\nab"), weights))
    answer = script("/until line\na\n\n\n", model=path)
    assert answer == Answer(0, "ab\nab\nab\n", "/until line\n")


@pytest.mark.filterwarnings("ignore::textgen.errors.UnknownCharacterWarning")
def test_where_the_model_knows_no_line_feed_none_is_added(
    tmp_path: Path, script: Script
) -> None:
    path = tmp_path / "letters"
    config, weights = chain_weights(2, {0: 1, 1: 0})
    save_checkpoint(path, Checkpoint(config, CharTokenizer("ab"), weights))
    answer = script("a\n\n", "--stop", "b", "--until", "line", model=path)
    assert answer.out == "a\n\n"
    assert answer.err.count("Nothing was added") == 2


def test_two_slashes_begin_a_prompt_with_one(tmp_path: Path, script: Script) -> None:
    path = untrained(tmp_path / "slashes", CharTokenizer("/ab"))
    answer = script("//a\n//\n", "--length", "0", model=path)
    assert answer.out == "/a\n/\n"
    assert "Warning" not in answer.err


def test_spaces_around_a_prompt_and_a_missing_last_line_feed_are_kept(
    script: Script,
) -> None:
    assert script(" Kit \r\n  ", "--length", "0").out == " Kit \n  \n"


def test_again_takes_the_last_prompt_and_not_the_text(
    script: Script, generator: Generator
) -> None:
    answer = script("sea\nKit\n\n/again\n", "--seed", "7", "--length", "9")
    first = "Kit" + generator.generate("Kit", seed=7, length=9)
    lines = answer.out.removesuffix("\n").split("sea", 1)[1]
    assert lines.count(first) == 2
    assert lines.endswith(first)


def test_again_writes_another_text_unless_there_is_a_seed(script: Script) -> None:
    limits = ["--length", "99", "--forbid", "\n"]
    one, two = script("Kit\n/again\n", *limits).out.splitlines()
    assert one[:3] == two[:3] == "Kit"
    assert one != two


def test_again_before_the_first_prompt_is_a_mistake(script: Script) -> None:
    answer = script("/again\n")
    assert answer == Answer(1, "", "Error: there is no earlier prompt. Type one.\n")


def test_the_seed_of_a_text_that_was_written_without_one_can_be_had(
    script: Script, generator: Generator
) -> None:
    answer = script("Kit\n\n/seed\n", "--length", "9")
    off, last = answer.err.splitlines()
    assert off == "/seed off"
    found = re.fullmatch(r"The last text began with /seed (\d+)", last)
    assert found is not None
    assert answer.out == script(f"/seed {found[1]}\nKit\n\n", "--length", "9").out


def test_a_text_that_has_come_to_its_end_is_told_of(script: Script) -> None:
    answer = script("Kit\n", "--length", "0")
    assert answer == Answer(
        0, "Kit\n", "Nothing was added: with these settings, the text ends here.\n"
    )


def test_unknown_characters_are_named_for_every_prompt_but_not_for_what_follows(
    script: Script,
) -> None:
    answer = script("Kit é\n\nKit é\n", "--length", "5")
    warning = "left out of the prompt, unknown to the model: 'é' (U+00E9)"
    assert answer.err.splitlines() == [f"Warning: {warning}"] * 2


def test_broken_bytes_in_a_pipe_are_unknown_characters_and_no_crash(
    script: Script,
) -> None:
    answer = script("Kit \udcff\n", "--length", "5")
    assert answer.code == 0
    assert "U+DCFF" in answer.err


def test_a_byte_order_mark_is_no_part_of_the_first_prompt(script: Script) -> None:
    assert script("\ufeffKit\n", "--length", "0").out == "Kit\n"


# --- settings ---


def test_quit_leaves_the_rest_unread(script: Script) -> None:
    assert script("/quit\nKit\n") == Answer(0, "", "")


# --- mistakes ---


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/temprature 1", "unknown command /temprature. Did you mean /temperature?"),
        ("/top_k 3", "unknown command /top_k. Did you mean /top-k?"),
        ("/xyzzy", "unknown command /xyzzy. /help lists all of them."),
        ("/", "A prompt that begins with a slash is typed with two."),
        ("/ length 3", "unknown command /."),
        ("/again please", "/again takes no value. Leave out 'please'."),
        ("/quit now", "/quit takes no value."),
        ("/top-k many", "/top-k: 'many' is not a valid integer."),
        ("/top-k 0", "/top-k 0 must be a whole number of at least 1"),
        ("/temperature hot", "/temperature: 'hot' is neither a number nor"),
        ("/temperature -1", "/temperature -1.0 must be a finite number of at least 0"),
        ("/length 3 4", "/length: '3 4' is not a valid integer."),
        ("/until dawn", "/until: 'dawn' is not one of 'sentence', 'line'"),
        ("/until document", "this model has no end of document"),
        ('/stop ""', "an empty one would end every text at once"),
        ('/stop "a', '"a begins with a double quote, but is not a valid JSON string'),
        ("/min-length 900", "/min-length 900 is more than /length 30"),
        ("/beam-width 2", "so temperature has no effect"),
        ("/pattern (", "pattern"),
        ("/pattern é+", "pattern"),
        ("/seed -1", "/seed -1 must be a whole number of at least 0"),
        ("/seed 1.5", "/seed: '1.5' is not a valid integer."),
        ("/label glad", "there is no label 'glad'"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    script: Script, generator: Generator, line: str, message: str
) -> None:
    flags = ["--length", "30", "--temperature", "0.5", "--seed", "7"]
    answer = script(f"Kit\n{line}\n/settings\n\n", *flags)
    error, *settings = answer.err.splitlines()
    assert error.startswith("Error: ")
    assert message in error
    assert settings == ["/length 30", "/temperature 0.5", "/seed 7"]
    assert answer.code == 1
    chosen: dict[str, Any] = {"length": 30, "temperature": 0.5}
    first = "Kit" + generator.generate("Kit", seed=7, **chosen)
    assert answer.out == f"{first}\n{generator.generate(first, seed=8, **chosen)}\n"


def test_a_prompt_that_is_refused_leaves_the_text_so_far(
    script: Script, generator: Generator
) -> None:
    answer = script("Kit\né\n\n", "--unknown", "error", "--seed", "7", "--length", "9")
    first = "Kit" + generator.generate("Kit", seed=7, length=9)
    assert answer.out == f"{first}\n{generator.generate(first, seed=8, length=9)}\n"
    assert answer.err.count("\n") == 1
    assert "U+00E9" in answer.err
    assert answer.code == 1


def test_flags_that_make_no_sense_end_the_conversation_before_it_begins(
    script: Script,
) -> None:
    answer = script("Kit\n", "--label", "glad")
    assert answer.code == 1
    assert answer.out == ""
    assert "there is no label 'glad'" in answer.err
    assert script("Kit\n", "--until", "document").code == 2
