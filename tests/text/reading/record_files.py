"""Files of records, read for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from textgen.config.text import TextConfig
from textgen.errors import CorpusError
from textgen.text.reading.reader import CorpusReader, Observer
from textgen.text.reading.records import Record
from textgen.text.reading.sources import Source


class RecordFile(Observer):
    """The records of a file, before and after the normal form."""

    def __init__(self, source: Source, config: TextConfig) -> None:
        self.records: tuple[Record, ...] = ()
        reader = CorpusReader([source], config, observer=self, allow_blank=True)
        self.pairs = [(piece.text, piece.label) for piece in reader]
        self.ignored = reader.stats.ignored
        self.num_blank = reader.stats.num_blank_records

    def on_record(self, record: Record) -> None:
        self.records += (record,)


def read(folder: Path, name: str, data: str | bytes, **options: Any) -> RecordFile:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return RecordFile(Source(str(path)), TextConfig(documents="records", **options))


def message_of(folder: Path, name: str, data: str | bytes, **options: Any) -> str:
    """The error, without the folder at its beginning."""
    with pytest.raises(CorpusError) as caught:
        read(folder, name, data, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{folder}/{name}: ")
    return message.removeprefix(f"{folder}/")


def pairs(file: RecordFile) -> list[tuple[str, str | None]]:
    return file.pairs
