"""Every filter does what the one of the same name in Hugging Face `transformers` does.

Frozen values, made once with `transformers` 5.23 and PyTorch 2.13, are always tested.
Where `transformers` is installed (it is no dependency: `pip install transformers
torch`), many more cases are compared with it directly, whole chains, too. To make the
frozen values again, run

    python tests/generation/sampling/test_parity.py

What is left to chance there is not compared: of logits that are exactly equal, where
top-p keeps only some, `transformers` keeps those that `torch.sort` puts last. That is
the last in the vocabulary up to 16 ids, as here for all; above that, it is no order that
PyTorch promises, so that only their number is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgen.config.sampling import SamplingConfig
from textgen.generation.sampling.filters import (
    MinP,
    Temperature,
    TopK,
    TopP,
    TypicalP,
    make_filters,
)
from textgen.generation.sampling.penalties import (
    NoRepeatNgram,
    RepetitionPenalty,
    make_penalties,
)

FROZEN = Path(__file__).with_name("transformers_values.json")

NAMES = {
    Temperature: "TemperatureLogitsWarper",
    TopK: "TopKLogitsWarper",
    TopP: "TopPLogitsWarper",
    MinP: "MinPLogitsWarper",
    TypicalP: "TypicalLogitsWarper",
    RepetitionPenalty: "RepetitionPenaltyLogitsProcessor",
    NoRepeatNgram: "NoRepeatNGramLogitsProcessor",
}
KINDS = {kind.__name__: kind for kind in NAMES}
LOOKS_BACK = (RepetitionPenalty, NoRepeatNgram)

SETTINGS: dict[Any, tuple[float, ...]] = {
    Temperature: (0.1, 0.7, 1.0, 1.6, 10.0),
    TopK: (1, 2, 3, 7, 50, 1000),
    TopP: (0.0123, 0.2345, 0.5678, 0.91011, 0.99321),
    MinP: (0.0, 0.0123, 0.0567, 0.2345, 0.5678, 1.0),
    TypicalP: (0.0123, 0.2345, 0.5678, 0.91011, 0.99321),
    RepetitionPenalty: (0.7, 1.0, 1.3, 5.0),
    NoRepeatNgram: (1, 2, 3, 5),
}
"""Shares are crooked, so that no sum of equal probabilities is exactly one of them."""

CHAINS: list[dict[str, Any]] = [
    {"temperature": 0.7, "top_k": 12, "top_p": 0.91011},
    {"temperature": 1.6, "top_p": 0.91011, "min_p": 0.0567, "typical_p": 0.5678},
    {"repetition_penalty": 1.3, "temperature": 0.7, "top_k": 5},
    {"no_repeat_ngram_size": 2, "repetition_penalty": 0.7, "temperature": 1.0},
    {
        "repetition_penalty": 1.3,
        "no_repeat_ngram_size": 2,
        "temperature": 1.6,
        "top_k": 20,
        "top_p": 0.91011,
        "min_p": 0.0123,
        "typical_p": 0.81415,
    },
]

FLOAT32_ERROR = 1e-6
"""A product or quotient in 32 bits is off by 2**-24 or so of it; a chain has three."""


def ours(kind: Any, setting: float, logits: Any, ids: Any) -> Any:
    """Filter logits `(batch, vocab)` after `(batch, num_ids)` ids."""
    if kind not in LOOKS_BACK:
        return kind(setting)(logits)
    vocab_size = logits.shape[-1]
    memories = [kind(setting).start(vocab_size, row.tolist()) for row in ids]
    return np.stack([state(row) for state, row in zip(memories, logits, strict=True)])


def our_chain(settings: dict[str, Any], logits: Any, ids: list[int]) -> Any:
    """Filter logits `(vocab,)` by all settings, in the order of this package."""
    config = SamplingConfig(**settings)
    for penalty in make_penalties(config):
        logits = penalty.start(len(logits), ids)(logits)
    for each in make_filters(config, settings["temperature"]):
        logits = each(logits)
    return logits


# --- frozen values ---


def read_frozen(part: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(FROZEN.read_text(encoding="utf-8"))[part]
    return cases


def numbers(values: list[float | None]) -> Any:
    """JSON knows no infinity, so what was removed is null."""
    return np.array([-np.inf if value is None else value for value in values])


@pytest.mark.parametrize("kind", KINDS)
def test_each_filter_gives_the_frozen_values(kind: str) -> None:
    cases = [case for case in read_frozen("filters") if case["filter"] == kind]
    assert len(cases) >= 20
    for case in cases:
        logits, ids = np.array([case["logits"]], np.float64), np.array([case["ids"]])
        found = ours(KINDS[kind], case["setting"], logits, ids)[0]
        message = f"{kind}({case['setting']}) of {case['logits']} after {case['ids']}"
        np.testing.assert_allclose(
            found, numbers(case["expected"]), rtol=FLOAT32_ERROR, err_msg=message
        )


def test_whole_chains_give_the_frozen_values() -> None:
    cases = read_frozen("chains")
    assert len(cases) >= 20
    for case in cases:
        found = our_chain(case["settings"], np.array(case["logits"]), case["ids"])
        np.testing.assert_allclose(
            found, numbers(case["expected"]), rtol=FLOAT32_ERROR, err_msg=str(case)
        )


def test_the_frozen_values_tell_filters_and_their_order_apart() -> None:
    cases = read_frozen("filters")
    assert {case["filter"] for case in cases} == set(KINDS)
    for kind in KINDS:
        own = [case for case in cases if case["filter"] == kind]
        assert any(
            not np.allclose(numbers(case["expected"]), case["logits"]) for case in own
        )
        assert any(len(set(case["logits"])) < len(case["logits"]) for case in own)
    swapped = 0
    for case in read_frozen("chains"):
        logits = np.array(case["logits"])
        config = SamplingConfig(**case["settings"])
        for each in reversed(make_filters(config, config.temperature)):  # type: ignore[arg-type]
            logits = each(logits)
        for penalty in reversed(make_penalties(config)):
            logits = penalty.start(len(logits), case["ids"])(logits)
        swapped += not np.allclose(logits, numbers(case["expected"]))
    assert swapped >= 5


def random_logits(rng: Any, rows: int, vocab_size: int, scale: float, tied: bool) -> Any:
    """Logits `(rows, vocab_size)` that 32 bits can hold exactly; few values where tied."""
    if tied:
        return rng.integers(-2, 3, (rows, vocab_size)).astype(np.float64)
    steps = np.arange(-(2**12), 2**12) / 2**9 * scale
    drawn = [rng.choice(steps, vocab_size, replace=False) for _ in range(rows)]
    return np.stack(drawn).astype(np.float32).astype(np.float64)


def frozen_inputs() -> Iterator[tuple[Any, list[int]]]:
    """Logits `(vocab,)` and ids: random ones, tied ones, and some removed."""
    rng = np.random.default_rng(0)
    for vocab_size in (2, 7, 16):
        for tied in (False, True):
            logits = random_logits(rng, 1, vocab_size, 0.5, tied)[0]
            yield logits, rng.integers(0, min(vocab_size, 4), 9).tolist()
    # As many as a power of two, so that their probabilities are exact.
    yield np.ones(8), [0, 1, 2, 0, 1]


def make_frozen() -> dict[str, list[dict[str, Any]]]:
    """Let `transformers` filter the frozen inputs."""
    filters: list[dict[str, Any]] = []
    chains: list[dict[str, Any]] = []
    for logits, ids in frozen_inputs():
        case = {"logits": logits.tolist(), "ids": ids}
        for kind, settings in SETTINGS.items():
            # Half of eight equals is exactly reached.
            exact = (0.25, 0.5) if kind in (TopP, TypicalP) and len(logits) == 8 else ()
            for setting in settings + exact:
                scores = as_torch(logits[np.newaxis], "float32")
                found = their_filter(kind, setting)(as_torch([ids], "int64"), scores)
                named = {"filter": kind.__name__, "setting": setting, **case}
                filters.append({**named, "expected": for_json(found)})
        for chain in CHAINS:
            scores = as_torch(logits[np.newaxis], "float32")
            for each in their_chain(chain):
                scores = each(as_torch([ids], "int64"), scores)
            chains.append({"settings": chain, **case, "expected": for_json(scores)})
    return {"filters": filters, "chains": chains}


# --- transformers itself ---


@pytest.fixture
def transformers() -> Iterator[Any]:
    """The library, or the test is skipped."""
    reason = "PyTorch is not installed; the frozen values are tested all the same"
    torch = pytest.importorskip("torch", reason=reason)
    reason = "transformers is not installed; its frozen values are tested all the same"
    library = pytest.importorskip("transformers", reason=reason)
    # Many threads wait for each other longer than these few numbers take.
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield library
    torch.set_num_threads(num_threads)


def as_torch(values: Any, dtype: str) -> Any:
    import torch

    return torch.tensor(values, dtype=getattr(torch, dtype))


def for_json(scores: Any) -> list[float | None]:
    # Nine digits tell all numbers of 32 bits apart.
    values = scores[0].tolist()
    return [None if value == -np.inf else float(f"{value:.9g}") for value in values]


def their_filter(kind: Any, setting: float) -> Any:
    from transformers.generation import logits_process

    return getattr(logits_process, NAMES[kind])(setting)


def their_chain(settings: dict[str, Any]) -> list[Any]:
    """In the order in which `GenerationMixin` puts them; tested below."""
    order: dict[str, Any] = {
        "repetition_penalty": RepetitionPenalty,
        "no_repeat_ngram_size": NoRepeatNgram,
        "temperature": Temperature,
        "top_k": TopK,
        "top_p": TopP,
        "min_p": MinP,
        "typical_p": TypicalP,
    }
    return [their_filter(order[name], settings[name]) for name in order if name in settings]


def theirs(kind: Any, setting: float, logits: Any, ids: Any, dtype: str) -> Any:
    found = their_filter(kind, setting)(as_torch(ids, "int64"), as_torch(logits, dtype))
    return found.numpy().astype(np.float64)


def in_vocabulary_order(logits: Any) -> Any:
    """For each row, whether `torch.sort` leaves equals in the order of the vocabulary."""
    import torch

    order = torch.sort(as_torch(logits, "float64"))[1].numpy()
    return (order == logits.argsort(axis=-1, kind="stable")).all(axis=-1)


def batches(tied: bool, seed: int) -> Iterator[tuple[Any, Any]]:
    """Logits and ids of one row and of several, of 2 to 200 ids."""
    rng = np.random.default_rng(seed)
    for vocab_size in (2, 3, 4, 5, 8, 13, 16, 17, 31, 65, 128, 200):
        for rows in (1, 6):
            for scale in (0.02, 0.3, 3.0):
                logits = random_logits(rng, rows, vocab_size, scale, tied)
                yield logits, rng.integers(0, min(vocab_size, 6), (rows, 12))
                # What another filter has removed stays out of the count.
                kept = logits.copy()
                kept[:, rng.permutation(vocab_size)[: vocab_size // 3]] = -np.inf
                yield kept, rng.integers(0, vocab_size, (rows, 12))


def agreement(kind: Any, tied: bool, dtype: str) -> tuple[list[bool], int]:
    """For each row of all cases, whether both agree; and how many are compared by id."""
    agree: list[bool] = []
    num_by_id = 0
    for seed, setting in enumerate(SETTINGS[kind]):
        for logits, ids in batches(tied, seed):
            one = ours(kind, setting, logits, ids)
            other = theirs(kind, setting, logits, ids, dtype)
            by_id = np.ones(len(logits), bool)
            if kind is TopP:
                by_id = in_vocabulary_order(logits)
                one[~by_id], other[~by_id] = np.sort(one[~by_id]), np.sort(other[~by_id])
            num_by_id += by_id.sum()
            error = FLOAT32_ERROR if dtype == "float32" else 1e-15
            agree += np.isclose(one, other, rtol=error, atol=0).all(axis=-1).tolist()
    return agree, num_by_id


@pytest.mark.parametrize("kind", KINDS)
def test_each_filter_is_that_of_transformers_in_64_bits(
    kind: str, transformers: Any
) -> None:
    for tied in (False, True):
        agree, num_by_id = agreement(KINDS[kind], tied, "float64")
        assert all(agree)
        assert num_by_id > 500


@pytest.mark.parametrize("kind", KINDS)
def test_each_filter_is_that_of_transformers_in_its_usual_32_bits(
    kind: str, transformers: Any
) -> None:
    for tied in (False, True):
        agree, _ = agreement(KINDS[kind], tied, "float32")
        # A sum of 200 probabilities in 32 bits is off by up to 1e-5, so that very rarely
        # an id at the edge falls on the other side.
        assert np.mean(agree) >= 0.995


MASSES = (0.1, 0.2, 0.25, 0.3, 0.5, 0.6, 0.7, 0.75, 0.9)
VOCAB_SIZES = (2, 3, 4, 5, 6, 7, 8, 10, 16, 20, 32)


def num_kept(scores: Any) -> int:
    return int((scores > -np.inf).sum())


@pytest.mark.parametrize("vocab_size", VOCAB_SIZES)
def test_of_equals_the_fewest_that_reach_the_mass_are_kept(vocab_size: int) -> None:
    for mass in MASSES:
        # As if numbers were exact.
        fewest = -(-round(mass * 100) * vocab_size // 100)
        assert num_kept(ours(TopP, mass, np.zeros((1, vocab_size)), [])) == fewest


def test_a_mass_that_equals_reach_exactly_is_a_matter_of_rounding_there_only(
    transformers: Any,
) -> None:
    for vocab_size, mass in product(VOCAB_SIZES, MASSES):
        logits = np.zeros((1, vocab_size))
        kept = num_kept(ours(TopP, mass, logits, []))
        for dtype in ("float32", "float64"):
            their_kept = num_kept(theirs(TopP, mass, logits, [[0]], dtype))
            is_power_of_two = vocab_size & (vocab_size - 1) == 0
            if is_power_of_two and mass in (0.25, 0.5, 0.75):
                assert their_kept == kept
            assert abs(their_kept - kept) <= 1


@pytest.mark.parametrize("settings", CHAINS, ids=lambda chain: "-".join(chain))
def test_generate_of_transformers_filters_in_the_same_order(
    settings: dict[str, Any], transformers: Any
) -> None:
    import torch

    off = {"top_k": 0, "top_p": 1.0, "typical_p": 1.0, "pad_token_id": 0}
    torch.manual_seed(0)
    # A tiny model of random weights, large enough for logits that differ.
    shape = {"vocab_size": 40, "n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
    config = transformers.GPT2Config(
        **shape, initializer_range=0.4, bos_token_id=None, eos_token_id=None
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    written = model.generate(
        torch.tensor([[1, 2, 3], [4, 4, 4]]),
        do_sample=True,
        max_new_tokens=50,
        return_dict_in_generate=True,
        output_logits=True,
        output_scores=True,
        **{**off, **settings},
    )
    agree = []
    for step, (before, after) in enumerate(
        zip(written.logits, written.scores, strict=True)
    ):
        for row, ids in enumerate(written.sequences[:, : 3 + step].tolist()):
            found = our_chain(settings, before[row].numpy().astype(np.float64), ids)
            agree.append(np.allclose(found, after[row].numpy(), rtol=FLOAT32_ERROR, atol=0))
    assert len(agree) == 100
    assert np.mean(agree) >= 0.99


def test_the_frozen_values_are_still_those_of_transformers(transformers: Any) -> None:
    made = make_frozen()
    for part in ("filters", "chains"):
        for one, other in zip(read_frozen(part), made[part], strict=True):
            expected, found = numbers(one.pop("expected")), numbers(other.pop("expected"))
            assert one == other
            np.testing.assert_allclose(found, expected, rtol=FLOAT32_ERROR)


if __name__ == "__main__":
    parts = [
        f'"{part}": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]"
        for part, cases in make_frozen().items()
    ]
    FROZEN.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
