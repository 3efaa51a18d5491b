"""The client of OpenAI finds in this server what it knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.generation.models import log_probability
from tests.site.pages import DOCS, blocks
from textgen.generation.generator import Generator

openai = pytest.importorskip("openai")


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{url}v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def generator(checkpoint: Path) -> Generator:
    return Generator.load(checkpoint)


def test_the_models_are_listed(client: Any) -> None:
    (listed,) = client.models.list()
    assert (listed.id, listed.object, listed.owned_by) == ("my_book", "model", "textgen")
    assert client.models.retrieve("my_book") == listed
    with pytest.raises(openai.NotFoundError, match="Did you mean 'my_book'"):
        client.models.retrieve("my_bok")


def test_a_completion_is_the_text_of_the_same_seed(
    client: Any, generator: Generator
) -> None:
    answer = client.completions.create(
        model="my_book", prompt="it was ", max_tokens=30, seed=7, temperature=0.9
    )
    (choice,) = answer.choices
    assert choice.text == generator.generate("it was ", length=30, seed=7, temperature=0.9)
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert answer.object == "text_completion"
    assert answer.model == "my_book"
    usage = answer.usage
    counts = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    assert counts == (7, 30, 37)


def test_without_settings_the_text_is_that_of_the_library(
    client: Any, generator: Generator
) -> None:
    answer = client.completions.create(model="my_book", prompt="a", seed=1)
    assert answer.choices[0].text == generator.generate("a", seed=1)


def test_several_prompts_with_several_texts_are_numbered_through(
    client: Any, generator: Generator
) -> None:
    prompts = ["a", "b"]
    answer = client.completions.create(
        model="my_book", prompt=prompts, n=3, max_tokens=20, seed=2, stop=["e", "xy"]
    )
    expected = list(generator.samples(prompts, 3, length=20, seed=2, stop=("e", "xy")))
    assert [choice.text for choice in answer.choices] == [each.text for each in expected]
    assert [choice.index for choice in answer.choices] == list(range(6))
    reasons = {"length": "length", "stop": "stop"}
    assert [choice.finish_reason for choice in answer.choices] == [
        reasons[each.finish_reason] for each in expected
    ]


def test_a_stream_gives_the_text_piece_by_piece(client: Any, generator: Generator) -> None:
    stream = client.completions.create(
        model="my_book",
        prompt="a",
        n=2,
        max_tokens=300,
        seed=3,
        echo=True,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = stream
    texts: dict[int, str] = defaultdict(str)
    reasons = {}
    for chunk in chunks:
        (choice,) = chunk.choices
        assert choice.index not in reasons
        texts[choice.index] += choice.text
        if choice.finish_reason is not None:
            reasons[choice.index] = choice.finish_reason
    samples = generator.samples("a", 2, length=300, seed=3)
    assert texts == {each.number: "a" + each.text for each in samples}
    assert reasons == {0: "length", 1: "length"}
    assert len(chunks) > 4
    assert last.choices == []
    assert last.usage.total_tokens == 601


@pytest.mark.parametrize("is_streamed", [False, True])
def test_log_probabilities_are_those_of_the_model(
    client: Any, generator: Generator, is_streamed: bool
) -> None:
    answer = client.completions.create(
        model="my_book",
        prompt="a",
        max_tokens=200,
        seed=4,
        logprobs=2,
        stop="ee",
        stream=is_streamed,
    )
    parts = [c.choices[0].logprobs for c in answer] if is_streamed else []
    parts = parts or [answer.choices[0].logprobs]
    (sample,) = generator.samples("a", length=200, seed=4, logprobs=2, stop="ee")
    tokens = [token for part in parts for token in part.tokens]
    assert "".join(tokens) == sample.text
    assert [x for part in parts for x in part.token_logprobs] == pytest.approx(
        [entry["logprob"] for entry in sample.logprobs], abs=1e-5
    )
    assert [list(x) for part in parts for x in part.top_logprobs] == [
        list(entry["top"]) for entry in sample.logprobs
    ]
    offsets = [x for part in parts for x in part.text_offset]
    assert offsets == list(range(len(sample.text)))


@pytest.mark.parametrize("is_streamed", [False, True])
def test_with_echo_the_prompt_has_log_probabilities_as_well(
    client: Any, generator: Generator, is_streamed: bool
) -> None:
    answer = client.completions.create(
        model="my_book",
        prompt="the boat",
        max_tokens=0,
        echo=True,
        logprobs=1,
        stream=is_streamed,
    )
    (part,) = [each.choices[0] for each in answer] if is_streamed else answer.choices
    assert part.text == "the boat" == "".join(part.logprobs.tokens)
    assert part.logprobs.text_offset == list(range(8))
    first, *others = part.logprobs.token_logprobs
    assert first is None
    ids = generator.tokenizer.encode("he boat").tolist()
    expected = log_probability(generator, "t", ids)
    assert sum(others) == pytest.approx(expected, abs=1e-4)
    assert [len(top) for top in part.logprobs.top_logprobs] == [0] + [1] * 7


def test_many_at_once_get_the_texts_that_each_gets_alone(
    client: Any, generator: Generator
) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"temperature": 0.9, "top_p": 0.9},
        {"frequency_penalty": 0.3},
        {"temperature": 0},
        {"stop": "e"},
    ]

    def asked(seed: int) -> str:
        stream = client.completions.create(
            model="my_book",
            prompt="ab" * (seed % 3),
            max_tokens=20 + 9 * seed,
            seed=seed,
            stream=True,
            **settings[seed % 5],
        )
        return "".join(chunk.choices[0].text for chunk in stream)

    with ThreadPoolExecutor(12) as pool:
        texts = list(pool.map(asked, range(24)))
    assert texts == [
        generator.generate(
            "ab" * (seed % 3), length=20 + 9 * seed, seed=seed, **settings[seed % 5]
        )
        for seed in range(24)
    ]


def test_best_of_returns_the_texts_that_are_most_probable_per_character(
    client: Any, generator: Generator
) -> None:
    answer = client.completions.create(
        model="my_book", prompt="a", max_tokens=12, seed=5, n=2, best_of=6
    )
    samples = generator.samples("a", 6, length=12, seed=5, logprobs=0)
    ranked = sorted(samples, key=lambda each: -(each.logprob or 0))
    assert [each.text for each in answer.choices] == [each.text for each in ranked[:2]]
    assert answer.choices[0].logprobs is None
    assert answer.usage.completion_tokens == 6 * 12


def test_a_mistake_is_an_error_of_the_client(client: Any) -> None:
    for wrong, status, param, message in (
        ({"model": "other"}, 404, "model", "There are: my_book."),
        ({"max_tokens": -1}, 400, "max_tokens", "a whole number from 0 to 10,000"),
        ({"temperature": "hot"}, 400, "temperature", "a number from 0 to 100"),
        ({"extra_body": {"top_q": 1}}, 400, "top_q", "Did you mean 'top_p'?"),
        ({"n": 2, "best_of": 1}, 400, "best_of", "at least n=2"),
        ({"prompt": "a" * 10_001}, 400, "prompt", "at most 10,000 characters"),
        ({"prompt": ["a" * 9000] * 2}, 400, "prompt", "18,000 characters together"),
        ({"extra_body": {"label": "x"}}, 400, None, "label"),
    ):
        with pytest.raises(openai.APIStatusError) as caught:
            client.completions.create(**{"model": "my_book", "prompt": "a", **wrong})
        assert caught.value.status_code == status
        assert caught.value.param == param
        assert message in str(caught.value)


def test_who_asks_for_a_chat_is_told_what_there_is(client: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="POST /v1/completions"):
        client.chat.completions.create(
            model="my_book", messages=[{"role": "user", "content": "Who are you?"}]
        )


def test_settings_of_this_package_are_fields_as_well(
    client: Any, generator: Generator
) -> None:
    settings = {"top_k": 5, "min_p": 0.01, "repetition_penalty": 1.2, "until": "line"}
    dry = {"dry_multiplier": 0.8, "dry_allowed_length": 3}
    answer = client.completions.create(
        model="my_book",
        prompt="a",
        max_tokens=50,
        seed=6,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        extra_body={**settings, **dry},
    )
    expected = generator.generate(
        "a",
        length=50,
        seed=6,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        **settings,
        **dry,
    )
    assert answer.choices[0].text == expected


@pytest.mark.parametrize(
    "settings",
    [
        {"pattern": "[a-z]+ [a-z]{3}[.]"},
        {"pattern": "[a-z]+ [a-z]{3}[.]", "temperature": 0},
        {"allow": "abc", "n": 2},
        {"forbid": "abc", "n": 2},
    ],
)
def test_restricted_texts_are_those_of_the_library(
    client: Any, generator: Generator, settings: dict[str, Any]
) -> None:
    n = settings.pop("n", 1)
    answer = client.completions.create(
        model="my_book", prompt="a", max_tokens=50, seed=8, n=n, extra_body=settings
    )
    expected = list(generator.samples("a", n, length=50, seed=8, **settings))
    assert [choice.text for choice in answer.choices] == [each.text for each in expected]
    assert [choice.ended_by for choice in answer.choices] == [
        each.finish_reason for each in expected
    ]


def test_the_seed_that_was_drawn_repeats_the_text(client: Any) -> None:
    def answer(**options: Any) -> Any:
        return client.completions.create(
            model="my_book", prompt="a", max_tokens=40, **options
        )

    drawn = answer()
    assert answer(seed=drawn.seed).choices[0].text == drawn.choices[0].text
    assert answer().choices[0].text != drawn.choices[0].text


def test_what_has_no_effect_is_said(client: Any) -> None:
    answer = client.completions.create(
        model="my_book", prompt="A1b", max_tokens=5, stop="?"
    )
    about_stop, about_prompt = answer.warnings
    assert about_stop.startswith("stop='?' never ends a text")
    assert "left out of the prompt" in about_prompt


def test_the_example_of_the_page_writes_text(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks(DOCS / "how-to" / "serving.md", "python {.served}")
    exec(code.replace("http://localhost:8000/", url), {})
    assert len(capsys.readouterr().out) == 200
