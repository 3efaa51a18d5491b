"""The engine of the page computes and writes what the NumPy half does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.kinds import KINDS
from tests.page.helpers import answered, open_engine, settings, tried
from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig
from textgen.exporting.weights import NUMBERS, restored_weights, stored_weights
from textgen.generation.generator import Generator
from textgen.generation.network.network import Network
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer
from textgen.text.tokenizers.serialization import Tokenizer

CHARS = CharTokenizer("abcdefg hij\nklmno😀é.")
SAMPLING = [
    SamplingConfig(length=60, temperature=0),
    SamplingConfig(length=60, temperature=1.0),
    SamplingConfig(length=60, temperature=0.7, top_k=4),
    SamplingConfig(length=60, temperature=1.0, top_p=0.6),
    SamplingConfig(length=60, temperature=1.3, min_p=0.2),
    SamplingConfig(length=60, repetition_penalty=1.4, top_k=9, top_p=0.9),
    SamplingConfig(length=60, temperature=1.0, stop=("ab", "c d", "\n")),
]


@pytest.fixture(scope="module", autouse=True)
def engine(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    open_engine(browser, tmp_path_factory.mktemp("engine"))


def model_for(
    tokenizer: Tokenizer, scale: float = 0.5, **options: Any
) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    sizes = {"units": 9, "embedding_dim": 6, "num_layers": 2}
    config = ModelConfig(tokenizer.vocab_size, **{**sizes, **options})
    rng = np.random.default_rng(0)
    return config, {
        name: rng.normal(0, scale, shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }


def logits_of(config: ModelConfig, weights: Any, ids: list[int]) -> np.ndarray:
    network = Network(config, weights)
    chunks = [logits for logits, _ in network.read_chunks(ids, network.initial_state())]
    return np.concatenate(chunks)


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_logits_are_those_of_numpy(
    browser: Any, kind: dict[str, Any], numbers: str
) -> None:
    config, weights = model_for(CHARS, **kind)
    stored = stored_weights(weights, numbers)
    ids = np.random.default_rng(1).integers(0, CHARS.vocab_size, 200).tolist()
    found = np.array(tried(browser, config, stored, CHARS, ids, [])["logits"])
    # Of what is stored. With float32 that is the model itself.
    expected = logits_of(config, restored_weights(stored), ids)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    if numbers == "float16":
        np.testing.assert_allclose(found, logits_of(config, weights, ids), atol=0.02)


@pytest.mark.parametrize("kind", KINDS[:4], ids=str)
def test_the_same_seed_writes_the_same_text(browser: Any, kind: dict[str, Any]) -> None:
    config, weights = model_for(CHARS, scale=0.8, **kind)
    generator = Generator(config, weights, CHARS)
    asked, expected = [], []
    for sampling in SAMPLING:
        for seed in (0, 7, 2**40 + 3):
            samples = generator.samples("ab", 2, seed=seed, sampling=sampling, logprobs=1)
            for sample in samples:
                asked.append(settings(sampling, "ab", seed, sample.number))
                expected.append((sample.text, sample.finish_reason, sample.logprob))
    found = tried(browser, config, weights, CHARS, [], asked)["texts"]
    assert [(each["text"], each["reason"]) for each in found] == [e[:2] for e in expected]
    bits = [-(logprob or 0.0) / math.log(2) for *_, logprob in expected]
    np.testing.assert_allclose([each["bits"] for each in found], bits, rtol=1e-4, atol=1e-4)
    assert {reason for _, reason, _ in expected} == {"length", "stop"}


TOKENIZERS: list[Tokenizer] = [
    CharTokenizer("ab\n", normalize="nfkc", unknown=True, end_of_document=True),
    CharTokenizer("ab ", normalize="none", end_of_document=True, labels=("glad", "sad")),
    CharTokenizer("ba", end_of_document=True, separator=True),
    ByteTokenizer(),
    ByteTokenizer(normalize="nfkc", end_of_document=True, labels=("glad", "sad")),
    ByteTokenizer(end_of_document=True, separator=True),
]


@pytest.mark.filterwarnings("ignore::textgen.errors.UnknownCharacterWarning")
@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=str)
def test_every_tokenizer_reads_and_writes_as_in_python(
    browser: Any, tokenizer: Tokenizer
) -> None:
    config, weights = model_for(tokenizer, scale=0.2)
    # Characters of several bytes, and ends of documents, where there are any.
    likely = [*range(0xC3, 0xC6), *range(0xA0, 0xB0)] if tokenizer.kind == "byte" else []
    ends = [] if tokenizer.eod_id is None else [tokenizer.eod_id]
    weights["output.bias"][likely] += 4
    weights["output.bias"][ends] += 1
    generator = Generator(config, weights, tokenizer)
    sampling = SamplingConfig(length=30, temperature=1.0)
    prompts = ["ab", "ﬁ bé😀", *[""] * (not tokenizer.separator)]
    asked = [settings(sampling, prompt, seed) for prompt in prompts for seed in range(4)]
    expected = [
        next(generator.samples(each["prompt"], seed=int(each["seed"]), sampling=sampling))
        for each in asked
    ]
    if tokenizer.labels:
        asked.append(settings(sampling, "ab", label="sad"))
        expected += generator.samples("ab", seed=0, label="sad", sampling=sampling)
    found = tried(browser, config, weights, tokenizer, [], asked)["texts"]
    assert [(each["text"], each["reason"]) for each in found] == [
        (sample.text, sample.finish_reason) for sample in expected
    ]


def test_what_the_model_does_not_know_is_left_out_and_named(browser: Any) -> None:
    config, weights = model_for(CHARS)
    sampling = SamplingConfig(length=20, temperature=1.0)
    asked = [settings(sampling, prompt) for prompt in ("aXbX😀Ö", "ab😀")]
    one, other = tried(browser, config, weights, CHARS, [], asked)["texts"]
    assert (one["text"], one["unknown"]) == (other["text"], ["X", "Ö"])


def test_the_likeliest_characters_are_told_with_their_chances(browser: Any) -> None:
    config, weights = model_for(CHARS)
    sampling = SamplingConfig(length=5, temperature=1.0)
    found = tried(browser, config, weights, CHARS, [], [settings(sampling, "a")])
    (sample,) = Generator(config, weights, CHARS).samples(
        "a", seed=0, sampling=sampling, logprobs=6
    )
    rows = zip(found["texts"][0]["likeliest"], sample.logprobs, strict=True)
    for told, step in rows:
        assert [symbol for symbol, _ in told] == list(step["top"])
        chances = [math.exp(logprob) for logprob in step["top"].values()]
        np.testing.assert_allclose([chance for _, chance in told], chances, atol=1e-6)


def test_what_fails_in_the_worker_is_told_and_holds_up_nothing_else(browser: Any) -> None:
    config, weights = model_for(CHARS)
    good = settings(SamplingConfig(length=5), "a")
    answers = answered(browser, config, weights, CHARS, [{**good, "seed": "x"}, good])
    assert answers[0] == {"id": "model", "reason": "loaded"}
    assert "BigInt" in answers[1]["problem"]
    assert answers[2] == {"id": 1, "reason": "length"}
    del weights["output.bias"]
    lost, writes_nothing = answered(browser, config, weights, CHARS, [good])
    assert lost["problem"]
    assert writes_nothing["problem"]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 4), (5, 7), (64, 33)])
def test_products_are_the_same_without_webassembly(
    browser: Any, rows: int, columns: int
) -> None:
    rng = np.random.default_rng(0)
    x, matrix = rng.normal(size=rows), rng.normal(size=(rows, columns))
    script = """
        const [x, values, columns] = arguments;
        const { Memory, addProductPlainly, paddedSize } = tests.engine;
        const memory = new Memory(20000);
        const vector = memory.vector(x.length);
        vector.set(x);
        const matrix = memory.matrix(Float32Array.from(values), x.length, columns);
        const fast = memory.vector(columns).fill(1);
        const plain = Float32Array.from(fast);
        const rows = paddedSize(x.length);
        memory.addProduct(vector, matrix, fast);
        addProductPlainly(vector, matrix.values, plain, rows, matrix.stride);
        return [[...fast].slice(0, columns), [...plain].slice(0, columns)];
    """
    values = matrix.ravel().tolist()
    fast, plain = browser.execute_script(script, x.tolist(), values, columns)
    assert fast == plain
    np.testing.assert_allclose(fast, 1 + x @ matrix, atol=1e-4)
    assert browser.get_log("browser") == []
