"""The errors a person can cause, and so can mend.

Each message says what happened, what was expected and how to go on. The command
line prints it as one line on stderr; a script can catch `TextgenError`.
"""


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


def shown(value: object, most: int = 80) -> str:
    r"""A value as a message shows it: quoted, on one line, not long.

    Nothing in it can control a terminal, whoever wrote it.

    >>> shown("a\x1b[2J"), shown([1] * 100, most=9)
    ("'a\\x1b[2J'", '[1, 1,...')
    """
    # Of a long text only the beginning is quoted, which takes no time.
    try:
        text = repr(value[:most] if isinstance(value, str) else value)
    except ValueError:
        # Python prints no number of thousands of digits.
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."
