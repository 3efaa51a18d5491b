"""The sequence of layers that a configuration stands for, and its weights."""

from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given
from hypothesis import strategies as st

from textgen.config.model import ModelConfig
from textgen.model.architecture import layers
from textgen.model.cells import CELLS
from textgen.model.layers import Residual


def test_lstm_weights_have_their_names_and_shapes_in_order() -> None:
    config = ModelConfig(7, num_layers=2, units=4, embedding_dim=3)
    assert list(config.weight_shapes().items()) == [
        ("embedding", (7, 3)),
        ("layers.0.kernel", (3, 16)),
        ("layers.0.recurrent_kernel", (4, 16)),
        ("layers.0.bias", (16,)),
        ("layers.1.kernel", (4, 16)),
        ("layers.1.recurrent_kernel", (4, 16)),
        ("layers.1.bias", (16,)),
        ("output.kernel", (4, 7)),
        ("output.bias", (7,)),
    ]
    assert config.num_parameters == 21 + (48 + 64 + 16) + (64 + 64 + 16) + 28 + 7


def test_a_gru_has_three_gates_and_two_biases() -> None:
    config = ModelConfig(7, "gru", num_layers=1, units=4, embedding_dim=3)
    shapes = config.weight_shapes()
    assert shapes["layers.0.kernel"] == (3, 12)
    assert shapes["layers.0.recurrent_kernel"] == (4, 12)
    assert shapes["layers.0.bias"] == (2, 12)


def test_a_plain_cell_has_one_block() -> None:
    config = ModelConfig(7, "rnn", num_layers=1, units=4, embedding_dim=3)
    shapes = config.weight_shapes()
    assert shapes["layers.0.kernel"] == (3, 4)
    assert shapes["layers.0.bias"] == (4,)


def test_tied_embeddings_replace_the_output_matrix() -> None:
    same = ModelConfig(7, units=4, embedding_dim=4, tie_embeddings=True)
    assert "projection" not in [layer.name for layer in layers(same)]
    assert list(same.weight_shapes())[-1] == "output.bias"
    assert not {"output.kernel", "projection.kernel"} & same.weight_shapes().keys()

    other = ModelConfig(7, units=4, embedding_dim=3, tie_embeddings=True)
    assert "projection" in [layer.name for layer in layers(other)]
    assert other.weight_shapes()["projection.kernel"] == (4, 3)
    assert "output.kernel" not in other.weight_shapes()


def test_norms_have_a_scale_and_an_offset_in_each_layer() -> None:
    shapes = ModelConfig(7, num_layers=2, units=4, layer_norm=True).weight_shapes()
    for layer in (0, 1):
        assert shapes[f"layers.{layer}.norm_scale"] == (4,)
        assert shapes[f"layers.{layer}.norm_offset"] == (4,)


def test_a_layer_is_residual_only_where_the_widths_agree() -> None:
    wide = ModelConfig(7, units=4, embedding_dim=3, residual=True)
    assert residuals(wide) == {"residual_1": ("layer_0",)}
    even = ModelConfig(7, units=4, embedding_dim=4, residual=True)
    assert residuals(even) == {"residual_0": ("embedding",), "residual_1": ("residual_0",)}
    assert residuals(ModelConfig(7, units=4, embedding_dim=4)) == {}


def residuals(config: ModelConfig) -> dict[str, tuple[str, ...]]:
    """What each residual layer adds."""
    return {
        layer.name: layer.sources for layer in layers(config) if isinstance(layer, Residual)
    }


def test_every_layer_has_a_name_of_its_own_and_reads_only_earlier_ones() -> None:
    config = ModelConfig(
        7, num_layers=3, units=4, embedding_dim=4, layer_norm=True, residual=True
    )
    config = dataclasses.replace(config, dropout=0.1, embedding_dropout=0.1)
    seen: set[str] = set()
    for layer in layers(config):
        assert layer.name not in seen
        assert set(layer.sources) <= seen
        seen.add(layer.name)


def num_parameters_by_hand(config: ModelConfig) -> int:
    """The textbook's count: each gate has two matrices and a bias (a GRU's two)."""
    u, e, v = config.units, config.embedding_dim, config.vocab_size
    gates = {"lstm": 4, "gru": 3, "rnn": 1, "coupled": 3}[config.cell]
    biases = 2 if config.cell == "gru" else 1
    norm = 2 * u if config.layer_norm else 0
    first = gates * (e * u + u * u + biases * u) + norm
    further = gates * (u * u + u * u + biases * u) + norm
    last = (u * e if u != e else 0) if config.tie_embeddings else u * v
    first += (config.conv * e + 1) * e if config.conv else 0
    last += (2 * u + 1) * u if config.attention else 0
    return v * e + first + (config.num_layers - 1) * further + last + v


@given(
    cell=st.sampled_from(sorted(CELLS)),
    sizes=st.tuples(*[st.integers(1, 9)] * 4),
    flags=st.sampled_from(list(itertools.product([False, True], repeat=3))),
    conv=st.sampled_from([0, 2, 5]),
)
def test_parameters_are_counted_as_the_textbook_counts_them(
    cell: str, sizes: tuple[int, int, int, int], flags: tuple[bool, bool, bool], conv: int
) -> None:
    config = ModelConfig(sizes[0], cell, *sizes[1:])
    tied, layer_norm, residual = flags
    config = dataclasses.replace(
        config,
        tie_embeddings=tied,
        layer_norm=layer_norm,
        residual=residual,
        conv=conv,
        attention=conv,
    )
    assert config.num_parameters == num_parameters_by_hand(config)


def test_the_logits_follow_from_the_sum_of_all_layers_if_asked() -> None:
    config = ModelConfig(7, num_layers=3, units=4, dropout=0.1, sum_layers=True)
    assert residuals(config) == {"sum": ("dropout_0", "dropout_1")}
    assert residuals(dataclasses.replace(config, num_layers=1)) == {}
