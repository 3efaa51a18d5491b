"""Networks of every kind, as options of `ModelConfig`."""

from __future__ import annotations

from typing import Any

KINDS: list[dict[str, Any]] = [
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "rnn"},
    {"cell": "coupled"},
    {"layer_norm": True, "residual": True, "dropout": 0.1, "num_layers": 3},
    {"tie_embeddings": True, "units": 10},
    {"conv": 3, "embedding_dim": 5},
    {"attention": 4, "sum_layers": True, "units": 7},
    {"embedding_dim": 9, "residual": True, "embedding_dropout": 0.1, "cell": "gru"},
]
