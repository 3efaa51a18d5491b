"""The kinds of network that `architectures.py` and `sample_kinds.py` compare."""

from __future__ import annotations

from typing import Any

KINDS: dict[str, dict[str, Any]] = {
    "lstm": {},
    "coupled": {"cell": "coupled"},
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn"},
    "lstm, layer norm": {"layer_norm": True},
    "lstm, conv 4": {"conv": 4},
    "lstm, attention 64": {"attention": 64},
    "lstm, attention 512": {"attention": 512},
}
"""What each one changes in the default, one LSTM layer."""
