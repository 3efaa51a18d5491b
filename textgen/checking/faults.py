"""Why a file cannot be read, as the corpus check reports it."""

from __future__ import annotations

from dataclasses import dataclass

from textgen.config.flags import marked_as_flags
from textgen.errors import TextgenError
from textgen.text.reading.decoding import WrongByteError
from textgen.text.reading.encodings import Guess


@dataclass(frozen=True)
class Fault:
    """Why a file cannot be read.

    Args:
        name: of the file, as messages show it.
        message: the error with which training would refuse it.
        guess: its likely encoding, if its bytes are the reason.
        place: the invalid byte and its position, or nothing.
    """

    name: str
    message: str
    guess: Guess | None = None
    place: str = ""


def fault_of(error: TextgenError, name: str) -> Fault:
    """Explain an error that ended the reading of a file.

    Args:
        name: of the file, as messages show it.
    """
    message = marked_as_flags(str(error))
    if not isinstance(error, WrongByteError):
        return Fault(name, message)
    if error.line is not None:
        place = f"byte 0x{error.byte:02x} at offset {error.offset:,}, line {error.line:,}"
    elif error.guess is not None:
        place = "it has NUL bytes"
    else:
        place = f"a NUL byte at offset {error.offset:,}" * error.is_text
    return Fault(name, message, error.guess, place)
