"""The errors a person can cause, and so can mend.

Each message says what happened, what was expected and how to go on. The command
line prints it as one line on stderr; a script can catch `TextgenError`.
"""

from __future__ import annotations


class TextgenError(Exception):
    """The base of every error this package raises on purpose."""


class ConfigError(TextgenError, ValueError):
    """An option or a combination of options makes no sense."""


class CorpusError(TextgenError):
    """The text cannot be found, read, decoded, or is too little to learn from."""


class TokenizerError(TextgenError, ValueError):
    """A text or an id lies outside the vocabulary, or a stored vocabulary is damaged."""


class CheckpointError(TextgenError):
    """A checkpoint is missing, damaged, from a newer version, or would be overwritten."""


class BackendError(TextgenError):
    """The Keras backend asked for cannot be used."""


class TrainingError(TextgenError):
    """Training cannot go on, for example because the loss is no longer a number."""


class FetchError(TextgenError):
    """A public corpus cannot be downloaded, or is not the file it should be."""
