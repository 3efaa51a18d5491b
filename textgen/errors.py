"""Errors that users can cause, and can fix.

Each message says what happened, what was expected and how to fix it. The command line
prints it as one line on stderr; scripts can catch `TextgenError`.
"""

from __future__ import annotations


class TextgenError(Exception):
    """Base class of all errors that this package raises deliberately."""


class ConfigError(TextgenError, ValueError):
    """An option, or a combination of options, is invalid."""


class CorpusError(TextgenError):
    """Text cannot be found, read or decoded, or there is too little of it."""


class TokenizerError(TextgenError, ValueError):
    """Text or an id is outside the vocabulary, or a stored tokenizer is damaged."""


class CheckpointError(TextgenError):
    """A checkpoint is missing, damaged, from a newer version, or would be overwritten."""


class BackendError(TextgenError):
    """The requested Keras backend cannot be used."""


class TrainingError(TextgenError):
    """Training cannot continue, for example because the loss is NaN."""


class OutOfMemoryError(TextgenError, MemoryError):
    """What was asked for takes more memory than there is."""


class FetchError(TextgenError):
    """A public corpus cannot be downloaded, or the download is not the expected file."""


class UnknownCharacterWarning(UserWarning):
    """A prompt or a setting has characters that are not in the model's vocabulary."""
