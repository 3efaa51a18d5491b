"""The fast network against a slow, clear twin, and its promises about state."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generation.models import read_whole
from tests.generation.network.twin import twin_logits
from textgen import memory
from textgen.checkpoint.format import Checkpoint, load_checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.errors import OutOfMemoryError
from textgen.generation.network.layers import kinds
from textgen.generation.network.network import CHUNK_CHARS, Network
from textgen.model.cells import CELLS
from textgen.text.tokenizers.char import CharTokenizer

VOCAB_SIZE = 7


def random_weights(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(shape).astype(np.float32) * np.float32(0.6)
        for name, shape in config.weight_shapes().items()
    }


EVERY_STATE = [*({"cell": cell} for cell in CELLS), {"conv": 9}]
EVERY_STATE += [{"attention": size} for size in (2, 9, 700)]
"""Networks that together carry every kind of state."""
every_state = pytest.mark.parametrize("options", EVERY_STATE, ids=str)


def make(**options: Any) -> Network:
    config = ModelConfig(
        **{"vocab_size": VOCAB_SIZE, "units": 5, "embedding_dim": 4, **options}
    )
    return Network(config, random_weights(config))


SHAPES = [
    {"num_layers": layers, "units": units, "embedding_dim": dim}
    for layers, units, dim in [(1, 5, 4), (2, 4, 4), (3, 3, 6), (1, 1, 1)]
]
SHAPES.append({**SHAPES[2], "sum_layers": True})
SHAPES.append({**SHAPES[1], "conv": 3, "attention": 4})
EVERY_MODEL = [
    {"cell": cell, "layer_norm": norm, "residual": residual, "tie_embeddings": tie, **shape}
    for cell, norm, residual, tie, shape in itertools.product(
        CELLS, (False, True), (False, True), (False, True), SHAPES
    )
]


def name_of(options: dict[str, Any]) -> str:
    return "-".join(k if v is True else f"{v}" for k, v in options.items() if v)


@pytest.mark.parametrize("options", EVERY_MODEL, ids=name_of)
def test_every_model_computes_the_textbook_equations(options: dict[str, Any]) -> None:
    config = ModelConfig(vocab_size=VOCAB_SIZE, **options)
    weights = random_weights(config)
    network = Network(config, weights)
    ids = [0, 3, 6, 6, 1, 2, 5, 4, 0, 0, 1]
    expected = twin_logits(config, weights, ids)

    state = network.initial_state()
    stepped = []
    for one in ids:
        logits, state = network.step([one], state)
        stepped.append(logits[0])
    read, after = read_whole(network, ids, network.initial_state())

    np.testing.assert_allclose(stepped, expected, atol=2e-5)
    np.testing.assert_allclose(read, expected, atol=2e-5)
    np.testing.assert_allclose(after, state, atol=2e-6)


@given(
    ids=st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=2, max_size=30),
    options=st.sampled_from(EVERY_STATE),
    cut=st.integers(1, 29),
)
def test_reading_in_two_halves_equals_reading_at_once(
    ids: list[int], options: dict[str, Any], cut: int
) -> None:
    network = make(layer_norm=True, residual=True, **options)
    cut = min(cut, len(ids) - 1)
    whole, end = read_whole(network, ids, network.initial_state())
    first, state = read_whole(network, ids[:cut], network.initial_state())
    second, state = read_whole(network, ids[cut:], state)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-5)
    np.testing.assert_allclose(state, end, atol=1e-5)


@every_state
@pytest.mark.parametrize("num_chars", [CHUNK_CHARS - 1, CHUNK_CHARS, CHUNK_CHARS * 2 + 1])
def test_a_text_of_several_chunks_is_read_as_by_steps(
    options: dict[str, Any], num_chars: int
) -> None:
    network = make(**options)
    ids = np.random.default_rng(1).integers(0, VOCAB_SIZE, num_chars)
    state = network.initial_state()
    for one in ids:
        logits, state = network.step([one], state)
    read, after = read_whole(network, ids, network.initial_state())
    assert read.shape == (num_chars, VOCAB_SIZE)
    np.testing.assert_allclose(read[-1], logits[0], atol=1e-5)
    np.testing.assert_allclose(after, state, atol=1e-5)


def test_no_chunk_is_longer_than_promised() -> None:
    network = make()
    chunks = network.read_chunks(np.zeros(1300, np.uint8), network.initial_state())
    assert [len(logits) for logits, _ in chunks] == [512, 512, 276]


@every_state
def test_each_row_of_a_batch_is_as_it_would_be_alone(options: dict[str, Any]) -> None:
    network = make(layer_norm=True, residual=True, embedding_dim=5, **options)
    texts = np.random.default_rng(2).integers(0, VOCAB_SIZE, (6, 4))
    together = network.initial_state(batch_size=4)
    for ids in texts:
        logits, together = network.step(ids, together)
    for row in range(4):
        alone = network.initial_state()
        for ids in texts:
            single, alone = network.step(ids[row : row + 1], alone)
        np.testing.assert_allclose(logits[row], single[0], atol=1e-5)
        np.testing.assert_allclose(together[row], alone[0], atol=1e-5)


@every_state
@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_old_state_stays_valid_so_that_texts_can_branch(
    options: dict[str, Any], batch_size: int
) -> None:
    network = make(**options)
    _, start = network.step([1] * batch_size, network.initial_state(batch_size))
    before = start.copy()
    first, after_first = network.step([2] * batch_size, start)
    first_logits, first_state = first.copy(), after_first.copy()
    other, _ = network.step([3] * batch_size, start)

    np.testing.assert_array_equal(start, before)
    np.testing.assert_array_equal(first, first_logits)
    np.testing.assert_array_equal(after_first, first_state)
    assert not np.allclose(first, other)
    again, _ = network.step([2] * batch_size, start)
    np.testing.assert_array_equal(again, first)


def test_reading_leaves_the_given_state_alone_and_returns_another() -> None:
    network = make()
    _, start = read_whole(network, [1, 2], network.initial_state())
    before = start.copy()
    _, after = read_whole(network, [3], start)
    np.testing.assert_array_equal(start, before)
    assert not np.shares_memory(start, after)


def test_reading_nothing_gives_no_chunks() -> None:
    network = make()
    assert list(network.read_chunks([], network.initial_state())) == []


def test_everything_is_float32() -> None:
    network = make(layer_norm=True, residual=True, tie_embeddings=True)
    start = network.initial_state()
    for logits, state in (network.step([1], start), *network.read_chunks([1], start)):
        assert logits.dtype == state.dtype == np.float32


def test_a_state_stays_as_large_as_it_was_however_much_is_read() -> None:
    network = make(num_layers=1, attention=3, conv=2)
    state = network.initial_state()
    for one in [0, 1, 2, 3] * 5:
        _, state = network.step([one], state)
        assert state.shape == network.initial_state().shape
    # A count that only grew would lose whole numbers at 2^24.
    assert state[0, -1] == 3 + 20 % 3


def test_a_state_that_no_memory_can_hold_is_refused_with_the_options_that_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = make(num_layers=1, units=8, attention=2**20)
    message = (
        "8 texts at once take at least 0.54 GB of memory, but no more than 0.5 GB can be "
        "had (a test). Ask for fewer at once, or use a model with a smaller `attention`."
    )
    monkeypatch.setattr(memory, "memory_limit", lambda: memory.Limit(5 * 10**8, "a test"))
    with pytest.raises(OutOfMemoryError) as caught:
        network.step([0] * 8, network.initial_state(8))
    assert str(caught.value) == message


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int64])
def test_ids_of_every_integer_type_are_read(dtype: type) -> None:
    network = make()
    expected, _ = network.step([1, 6], network.initial_state(2))
    found, _ = network.step(np.array([1, 6], dtype), network.initial_state(2))
    np.testing.assert_array_equal(found, expected)


def test_a_state_for_another_batch_size_is_refused_not_spread() -> None:
    network = make(num_layers=1)
    message = r"shape \(1, 10\) does not fit, \(3, 10\) was expected.*batch_size=3"
    with pytest.raises(ValueError, match=message):
        network.step([1, 2, 3], network.initial_state())


@pytest.mark.parametrize("cell", CELLS)
def test_a_vocabulary_too_large_for_a_table_gives_the_same(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_table = make(cell=cell)
    monkeypatch.setattr(kinds, "MAX_TABLE_BYTES", 0)
    without = make(cell=cell)
    ids = [1, 2, 3]
    expected, _ = read_whole(with_table, ids, with_table.initial_state())
    found, _ = read_whole(without, ids, without.initial_state())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    expected, _ = with_table.step(ids, with_table.initial_state(3))
    found, _ = without.step(ids, without.initial_state(3))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_weights_given_are_not_changed() -> None:
    config = ModelConfig(vocab_size=VOCAB_SIZE, units=5, embedding_dim=4, layer_norm=True)
    weights = random_weights(config)
    for array in weights.values():
        array.flags.writeable = False
    before = {name: array.copy() for name, array in weights.items()}
    network = Network(config, weights)
    network.step([1], network.initial_state())
    for name, array in weights.items():
        np.testing.assert_array_equal(array, before[name])


def test_large_weights_saturate_the_gates_and_stay_finite() -> None:
    config = ModelConfig(vocab_size=VOCAB_SIZE, units=5, embedding_dim=4)
    weights = {k: v * np.float32(1e4) for k, v in random_weights(config).items()}
    network = Network(config, weights)
    logits, state = read_whole(network, [1, 2, 3] * 20, network.initial_state())
    assert np.isfinite(logits).all()
    assert np.isfinite(state).all()


def test_threads_do_not_disturb_each_other() -> None:
    network = make(units=64, num_layers=2)
    texts = np.random.default_rng(3).integers(0, VOCAB_SIZE, (4, 300))
    expected = [read_whole(network, ids, network.initial_state())[0] for ids in texts]
    found: list[Any] = [None] * len(texts)

    def work(number: int) -> None:
        found[number] = read_whole(network, texts[number], network.initial_state())[0]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine, alone in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, alone, atol=1e-6)


def test_weights_stay_as_they_are_unless_no_copy_is_wanted() -> None:
    config = ModelConfig(vocab_size=5, units=3, embedding_dim=2, cell="gru")
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    before = {name: array.copy() for name, array in weights.items()}
    copied, _ = read_whole(
        Network(config, weights), [1, 2, 3], Network(config, weights).initial_state()
    )
    for name, array in weights.items():
        np.testing.assert_array_equal(array, before[name])
    taken = Network(config, weights, copy=False)
    own, _ = read_whole(taken, [1, 2, 3], taken.initial_state())
    np.testing.assert_array_equal(own, copied)


def test_a_loaded_model_holds_its_weights_once(tmp_path: Path) -> None:
    config = ModelConfig(vocab_size=5, units=3, embedding_dim=2, tie_embeddings=True)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    save_checkpoint(tmp_path / "model", Checkpoint(config, CharTokenizer("abcde"), weights))
    loaded = load_checkpoint(tmp_path / "model").weights
    for name, array in weights.items():
        np.testing.assert_array_equal(loaded[name], array)
    network = Network(config, loaded, copy=False)
    layers: Any = [layer for layer, _ in network._layers]
    table, upper, _, output = layers
    for number, layer in enumerate((table.recurrent, upper)):
        for name in ("kernel", "recurrent_kernel", "bias"):
            held = getattr(layer.weights, name)
            assert np.shares_memory(held, loaded[f"layers.{number}.{name}"])
    kernel, _ = output._bound.step.args
    assert np.shares_memory(kernel, loaded["embedding"])


@pytest.mark.parametrize("order", ["recurrent kernel first", "one view twice", "columns"])
def test_kernels_that_lie_otherwise_in_one_array_are_read_as_they_are(order: str) -> None:
    config = ModelConfig(vocab_size=5, units=3, embedding_dim=3, num_layers=1)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    both = rng.standard_normal((6, 24)).astype(np.float32)
    narrow = both[:, :12].copy()
    kernel, recurrent_kernel = {
        "recurrent kernel first": (narrow[3:], narrow[:3]),
        "one view twice": (narrow[:3], narrow[:3]),
        "columns": (both[:3, :12], both[3:, :12]),
    }[order]
    views = weights | {
        "layers.0.kernel": kernel,
        "layers.0.recurrent_kernel": recurrent_kernel,
    }
    copies = {name: array.copy() for name, array in views.items()}
    one, other = (Network(config, each, copy=False) for each in (views, copies))
    for ids in ([0], [1, 2, 3]):
        found, _ = read_whole(one, ids, one.initial_state())
        expected, _ = read_whole(other, ids, other.initial_state())
        np.testing.assert_array_equal(found, expected)
