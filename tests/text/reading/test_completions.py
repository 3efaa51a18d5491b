"""Records with a prompt and its completion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.text.reading.record_files import message_of, pairs, read


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "id,completion,prompt\n1,zwei,2\n2,drei,3\n"),
        (
            "a.jsonl",
            '{"prompt": "2", "completion": "zwei", "id": 1}\n'
            '{"completion": "drei", "prompt": "3"}\n',
        ),
    ],
)
def test_a_prompt_and_its_completion_are_one_text_with_a_separator(
    tmp_path: Path, name: str, data: str
) -> None:
    file = read(tmp_path, name, data)
    assert pairs(file) == [("2\ufdd0zwei", None), ("3\ufdd0drei", None)]
    assert file.ignored == ["'id'"]


@pytest.mark.parametrize("form", ["none", "nfc", "nfkc"])
def test_no_normal_form_joins_a_prompt_and_its_completion(
    tmp_path: Path, form: str
) -> None:
    data = json.dumps({"prompt": "e", "completion": "\u0301x"})
    file = read(tmp_path, "a.jsonl", data, normalize=form)
    assert pairs(file) == [("e\ufdd0\u0301x", None)]


def test_beside_a_text_only_one_of_both_is_ignored(tmp_path: Path) -> None:
    # What `textgen sample --jsonl` writes.
    file = read(tmp_path, "a.jsonl", '{"prompt": "2", "text": "zwei"}')
    assert pairs(file) == [("zwei", None)]
    assert file.ignored == ["'prompt'"]


PAIR = '{"prompt": "2", "completion": "zwei"}'


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", "prompt\n2\n", "a.csv: its first line, which names the columns, has "
         "'prompt' but no 'completion'. Add it, or rename 'prompt' to 'text'."),
        ("a.jsonl", PAIR + '\n{"completion": "drei"}', "a.jsonl: the record in line 2 has "
         "'completion' but no 'prompt'. Add it, or rename 'completion' to 'text'."),
        ("a.csv", "prompt,Completion\n2,zwei\n", "a.csv: its first line, which names the "
         "columns, has 'Completion'. Rename it 'completion'."),
        ("a.jsonl", '{"prompt": " ", "completion": "zwei"}', "a.jsonl: the record in "
         "line 1 has an empty prompt. Fill it in, or remove the record."),
        ("a.csv", "prompt,completion\n2,zwei\n3,\n", "a.csv: the record in line 3 has an "
         "empty completion. Fill it in, or remove the record."),
        ("a.jsonl", '{"prompt": 2, "completion": "zwei"}', "a.jsonl: the record in line 1 "
         "has a prompt that is a number, not a string. Put it in quotes, or remove the "
         "record."),
        ("a.jsonl", '{"prompt": "2", "completion": "zwei", "text": "2"}', "a.jsonl: the "
         "record in line 1 has 'text' as well as 'prompt' and 'completion'. Remove the one "
         "or the other."),
        ("a.csv", "label,prompt,completion\nx,2,zwei\n", "a.csv: its first line, which "
         "names the columns, has 'label' as well as 'prompt' and 'completion'. Put the "
         "label into the prompt, or remove it."),
        ("a.jsonl", '{"prompt": "2\\ufdd0", "completion": "zwei"}', "a.jsonl: the record "
         "in line 1 contains U+FDD0, no character of any text, which separates prompts "
         "from completions here. Remove it."),
    ],
)  # fmt: skip
def test_a_pair_that_is_no_pair_is_refused(
    tmp_path: Path, name: str, data: str, message: str
) -> None:
    assert message_of(tmp_path, name, data) == message


def test_all_records_have_completions_or_none_has(tmp_path: Path) -> None:
    message = message_of(tmp_path, "a.jsonl", PAIR + '\n{"text": "drei"}')
    assert message.endswith(
        "a.jsonl: the record in line 1 has one. Give every record a completion, or none."
    )
