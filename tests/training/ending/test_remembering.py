"""The n-gram memory of a run: added when training ends, and kept in step with it."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import textgen
from tests.training.helpers import INTERRUPTED, SMALL
from textgen.checkpoint.format import load_checkpoint
from textgen.errors import ConfigError
from textgen.ngrams.storing import to_arrays
from textgen.training.dynamic import dynamic_score
from textgen.training.ending.remembering import SCORES, Remembered

# It is counted and weighed in NumPy, when the backend's part is done.
pytestmark = pytest.mark.one_backend


@pytest.fixture(scope="module")
def remembering(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended, resumed to get a memory."""
    run = shutil.copytree(whole, tmp_path_factory.mktemp("memory") / "run")
    return textgen.train(whole.parent / "book.txt", run, resume=True, memory=5, quiet=True)


@pytest.mark.parametrize(("gain", "is_worth_it"), [(0.0195, False), (0.0205, True)])
def test_a_memory_is_worth_it_from_a_fiftieth_of_a_nat(
    remembering: Path, gain: float, is_worth_it: bool
) -> None:
    ngrams = load_checkpoint(remembering).ngrams
    assert ngrams is not None
    bits = (2.0, 1.9, 1.9 - gain / math.log(2))
    found = Remembered(ngrams, dict(zip(SCORES, bits, strict=True)))
    assert found.is_worth_it == is_worth_it


@pytest.mark.parametrize(
    ("both", "is_kept", "told"),
    [
        (1.88, True, ""),
        (
            1.88,
            False,
            " It gains too little to be kept; --resume --memory 5 keeps it all the same.",
        ),
        (1.9, False, " It does not help, so it is not kept."),
        (1.91, False, " It makes the score worse, so it is not kept."),
        (
            1.9,
            True,
            " It does not help, but was asked for; --resume --memory 0 removes it.",
        ),
        (
            1.91,
            True,
            " It makes the score worse, but was asked for; --resume --memory 0 removes it.",
        ),
    ],
)
def test_what_a_memory_gains_and_becomes_is_told(
    remembering: Path, both: float, is_kept: bool, told: str
) -> None:
    ngrams = load_checkpoint(remembering).ngrams
    assert ngrams is not None
    scores = dict(zip(SCORES, (2.0, 1.9, both), strict=True))
    shown = Remembered(ngrams, scores).shown(is_kept=is_kept)
    assert shown.endswith(f", {both:.3f} with both.{told}")


def test_the_memory_improves_the_score_and_says_so(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    textgen.train(whole.parent / "book.txt", run, resume=True, memory=5)
    last = capfd.readouterr().err.splitlines()[-1]
    found = re.fullmatch(
        r"N-gram memory of order 5: [\d,]+ n-grams, \S+ [kM]B\. On samples of the held-out "
        r"text: (\S+) bits per character with it alone, (\S+) with the network alone, "
        r"(\S+) with both\.",
        last,
    )
    assert found is not None, last
    alone, network, both = map(float, found.groups())
    assert alone < both < 0.75 * network
    assert load_checkpoint(run).facts["score"]["val_both_bits_per_char"] == pytest.approx(
        both, abs=1e-3
    )


def test_a_memory_without_gain_is_kept_only_if_asked_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dice.txt"
    # Nothing in it can be predicted.
    rolls = np.random.default_rng(0).integers(6, size=4000)
    path.write_text("".join(map(str, rolls)), encoding="utf-8")
    options = {**SMALL, "epochs": 2, "learning_rate": 0.03, "memory": None, "quiet": False}
    run = textgen.train(path, tmp_path / "run", **options)
    assert capfd.readouterr().err.endswith(", so it is not kept.\n")
    saved = load_checkpoint(run)
    assert saved.ngrams is None
    measured = saved.facts["score"]
    assert set(SCORES) <= set(measured)

    textgen.train(path, run, resume=True)
    assert "N-gram memory" not in capfd.readouterr().err
    assert load_checkpoint(run).facts["score"] == measured

    textgen.train(path, run, resume=True, memory=3)
    assert "not kept" not in capfd.readouterr().err
    assert load_checkpoint(run).ngrams is not None


def test_a_memory_that_gains_is_kept(whole: Path, tmp_path: Path) -> None:
    book = whole.parent / "book.txt"
    run = textgen.train(book, tmp_path / "run", **{**SMALL, "epochs": 1, "memory": None})
    ngrams = load_checkpoint(run).ngrams
    assert ngrams is not None
    assert ngrams.tables.order == 8


@pytest.mark.parametrize("num_val_chars", [1, 2])
def test_a_run_without_two_ids_to_fit_the_weight_has_no_memory_and_says_so(
    book: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], num_val_chars: int
) -> None:
    fraction = num_val_chars / len(book.read_text(encoding="utf-8"))
    options = {**SMALL, "memory": 5, "quiet": False, "preview": False, "epochs": 1}
    run = textgen.train(book, tmp_path / "run", val_fraction=fraction, **options)
    saved = load_checkpoint(run)
    assert saved.ngrams is None
    assert "val_both_bits_per_char" not in saved.facts["score"]
    shown = capfd.readouterr().err
    assert f"validating on {num_val_chars} " in shown
    assert shown.splitlines()[-1] == (
        "No n-gram memory: too little of the held-out text is predicted to fit its weight."
    )


def test_the_memory_of_a_resumed_run_is_that_of_an_uninterrupted_one(
    remembering: Path, whole: Path, tmp_path: Path
) -> None:
    expected = load_checkpoint(remembering)
    book = whole.parent / "book.txt"
    again = textgen.train(book, tmp_path / "again", **{**INTERRUPTED, "memory": 5})
    found = load_checkpoint(again)
    assert expected.ngrams is not None
    assert found.ngrams is not None
    for name, array in to_arrays(expected.ngrams).items():
        np.testing.assert_array_equal(to_arrays(found.ngrams)[name], array)
    name = "val_both_bits_per_char"
    assert found.facts["score"][name] == expected.facts["score"][name]


def test_resuming_with_memory_0_removes_it_and_says_so(
    remembering: Path, whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(remembering, tmp_path / "run")
    textgen.train(whole.parent / "book.txt", run, resume=True, memory=0)
    assert load_checkpoint(run).ngrams is None
    assert capfd.readouterr().err.splitlines()[-1] == "N-gram memory removed."


def test_the_order_given_on_resumption_stays_that_of_the_run(
    remembering: Path, whole: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(remembering, tmp_path / "run")
    for options in ({"memory": 3}, {}):
        textgen.train(whole.parent / "book.txt", run, resume=True, quiet=True, **options)
        ngrams = load_checkpoint(run).ngrams
        assert ngrams is not None
        assert ngrams.tables.order == 3


def test_the_generator_uses_the_memory_unless_told_otherwise(remembering: Path) -> None:
    text = "Kit went to sea and said nothing 3.\n"
    bits = {
        memory: textgen.Generator.load(remembering, memory=memory).score(text).bits_per_char
        for memory in (None, True, False)
    }
    assert bits[None] == bits[True] < bits[False]


def test_many_documents_and_bytes_have_a_memory_too(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("".join(f"Zoë{n % 7}\nKit{n % 5}\n" for n in range(900)), "utf-8")
    options = {**SMALL, "documents": "lines", "tokenizer": "byte", "epochs": 1, "memory": 4}
    run = textgen.train(path, tmp_path / "run", **options)
    saved = load_checkpoint(run)
    assert saved.ngrams is not None
    assert saved.ngrams.tables.boundary == saved.tokenizer.eod_id
    texts = textgen.Generator.load(run).samples("", 5, seed=0, length=30)
    assert all(len(sample.text) <= 30 for sample in texts)


def test_fine_tuning_counts_the_new_text(remembering: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.txt"
    path.write_text("Xen went to zee and said it all %\n" * 60, "utf-8")
    sizes = {"batch_size": 4, "seq_length": 16, "epochs": 1, "quiet": True}
    run = textgen.train(path, tmp_path / "run", init_from=remembering, memory=3, **sizes)
    saved = load_checkpoint(run)
    assert saved.ngrams is not None
    assert saved.ngrams.tables.vocab_size == saved.tokenizer.vocab_size
    counted = saved.ngrams.tables.levels[0].ids.tolist()
    assert saved.tokenizer.encode("X")[0] in counted
    assert saved.tokenizer.encode("K")[0] not in counted


def test_a_memory_learns_in_dynamic_evaluation(remembering: Path) -> None:
    saved = load_checkpoint(remembering)
    text = "She sold nine shells and said nothing.\n" * 12
    text = "".join(c for c in text if c in saved.tokenizer.characters)  # type: ignore[union-attr]
    static = textgen.Generator.load(remembering).score(text)
    dynamic = dynamic_score(saved, text, learning_rate=0)
    assert dynamic.num_chars == static.num_chars
    assert dynamic.bits_per_char < 0.8 * static.bits_per_char


@pytest.mark.parametrize("order", [1, -1, 17])
def test_orders_out_of_range_are_refused(tmp_path: Path, order: int) -> None:
    with pytest.raises(ConfigError, match=f"memory={order} must be"):
        textgen.train("nowhere.txt", tmp_path / "run", memory=order)
