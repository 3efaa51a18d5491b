"""Arrays that a stranger wrote are read strictly, or refused with the reason."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import save

from tests.disk.helpers import checkpoint, entry, file_of, refusal
from textgen.checkpoint.format import (
    TRAINING_WEIGHTS,
    WEIGHTS,
    TrainingState,
    save_checkpoint,
)
from textgen.disk.strict_files import opened
from textgen.disk.strict_safetensors import MAX_HEADER_BYTES, fill, read_layout
from textgen.errors import CheckpointError


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    arrays = {"optimizer.0": np.array(3, np.int64), "model.0": np.ones(2, np.float32)}
    save_checkpoint(tmp_path / "last", checkpoint(), TrainingState({}, arrays))
    return tmp_path / "last"


# --- safetensors ---


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(data)
    kinds = {"F32": "f4", "F64": "f8", "I64": "i8", "U8": "u1", "F16": "f2", "BOOL": "?"}
    found = {}
    for name, stored in read_layout(file, len(data)).items():
        found[name] = np.empty(stored.shape, kinds[stored.dtype])
        fill(file, stored, found[name].data)
    return found


some_arrays = st.dictionaries(
    st.from_regex(r"\A[A-Za-z0-9_]{1,9}(\.[A-Za-z0-9_]{1,9}){0,2}\Z"),
    arrays_of.arrays(
        st.sampled_from(["f4", "f8", "i8", "u1", "f2", "?"]),
        arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    max_size=5,
)


@settings(deadline=None)
@given(found=some_arrays, metadata=st.none() | st.just({"format": "np"}))
def test_whatever_the_library_writes_reads_equal(
    found: dict[str, np.ndarray], metadata: dict[str, str] | None
) -> None:
    read = read_arrays(save(found, metadata))
    assert read.keys() == found.keys()
    for name, array in found.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


LIES = {
    "a short file": (b"\0" * 7, "7 bytes are too few for its header"),
    "a length beyond the end": (file_of({}, b"", 3), "10 bytes are too few for its header"),
    "a length of 2^64": (
        file_of({}, b"", 2**64 - 1),
        "10 bytes are too few for its header",
    ),
    "a list": (file_of([]), "its header is not a JSON object"),
    "a blank before": (file_of(b" {}", b""), "its header is not a JSON object"),
    "a length too short": (file_of({"a": 1}, length=3), "brackets not closed"),
    "no object": (file_of({"a": 1}), "a must have exactly a dtype"),
    "one thing more": (file_of({"a": {**entry(), "b": 1}}), "a must have exactly"),
    "an unknown type": (file_of({"a": entry("F8")}), "a has the unknown type 'F8'"),
    "a type that is none": (file_of({"a": entry(["F32"])}), "unknown type ['F32']"),
    "a negative size": (file_of({"a": entry(shape=[-2])}), "impossible shape [-2]"),
    "True as a size": (file_of({"a": entry(shape=[2, True])}), "shape [2, True]"),
    "a fraction as a size": (file_of({"a": entry(shape=[2.0])}), "impossible shape [2.0]"),
    "text as a shape": (file_of({"a": entry(shape="2")}), "impossible shape '2'"),
    "nine dimensions": (file_of({"a": entry(shape=[1] * 9)}), "impossible shape [1, 1"),
    "a large shape": (
        file_of({"a": entry(shape=[2**62])}),
        "a has 8 bytes, which does not",
    ),
    "a small shape": (file_of({"a": entry(shape=[1])}), "a has 8 bytes, which does not"),
    "a negative place": (file_of({"a": entry(offsets=[-8, 0])}), "data_offsets [-8, 0]"),
    "one offset": (file_of({"a": entry(offsets=[8])}), "impossible data_offsets [8]"),
    "an end before": (file_of({"a": entry(offsets=[8, 0])}), "a has -8 bytes, which do"),
    "beyond the end": (
        file_of({"a": entry(offsets=[2**63, 2**63 + 8])}),
        "arrays before a overlap or leave a gap",
    ),
    "an overlap": (
        file_of({"a": entry(), "b": entry()}),
        "arrays before b overlap or leave",
    ),
    "a gap": (
        file_of({"a": entry(offsets=[8, 16])}, b"\0" * 16),
        "arrays before a overlap",
    ),
    "bytes too many": (
        file_of({"a": entry()}, b"\0" * 9),
        "its arrays end at byte 77 of 78",
    ),
    "bytes too few": (
        file_of({"a": entry()}, b"\0" * 7),
        "its arrays end at byte 77 of 76",
    ),
    "a name twice": (file_of(b'{"a":1,"a":2}'), "the name 'a' occurs more than once"),
    "parents": (file_of({"../a": entry()}), "'../a' is not the name of an array"),
    "a path": (
        file_of({"/etc/passwd": entry()}),
        "'/etc/passwd' is not the name of an array",
    ),
    "a control sequence": (file_of({"\x1b[2J": entry()}), "'\\x1b[2J' is not the name of"),
    "a line feed": (file_of({"a\n": entry()}), "'a\\n' is not the name of an array"),
    "an empty name": (file_of({"": entry()}), "'' is not the name of an array"),
    "a long name": (file_of({"a" * 201: entry()}), "... is not the name of an array"),
    "metadata": (file_of({"__metadata__": {"a": 1}}, b""), "must consist of strings"),
    "no metadata": (file_of({"__metadata__": []}, b""), "must consist of strings"),
}


@pytest.mark.parametrize(("data", "why"), LIES.values(), ids=LIES)
@pytest.mark.parametrize("name", [WEIGHTS, TRAINING_WEIGHTS])
def test_a_header_that_lies_is_refused(
    saved: Path, name: str, data: bytes, why: str
) -> None:
    (saved / name).write_bytes(data)
    message = refusal(saved, name)
    assert message.startswith("damaged or cut short (")
    assert why in message


def test_a_header_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(b"{" + b" " * MAX_HEADER_BYTES + b"}", b"")
    with pytest.raises(ValueError, match="a header of 4,194,306 bytes"):
        read_layout(io.BytesIO(data), len(data))


def test_a_file_that_shrinks_while_it_is_read_is_damaged(tmp_path: Path) -> None:
    # Larger than what Python reads ahead.
    header = {"a": entry("U8", [2**20], [0, 2**20])}
    (tmp_path / "a").write_bytes(file_of(header, bytes(2**20)))

    def read() -> None:
        with opened(tmp_path / "a") as (file, size):
            stored = read_layout(file, size)["a"]
            os.truncate(tmp_path / "a", size - 1)
            fill(file, stored, bytearray(2**20))

    with pytest.raises(CheckpointError, match="it ends before its header says"):
        read()
