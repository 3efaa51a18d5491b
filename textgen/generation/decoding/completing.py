"""Prompts of a model that completes them: the separator belongs to what it reads.

A person gives the prompt alone. A prompt may also hold the separator itself, before the
beginning of a completion that is to be continued.
"""

from __future__ import annotations

from textgen.errors import ConfigError
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.text.unicode.code_points import SEPARATOR


def to_complete(tokenizer: Tokenizer, prompt: str) -> str:
    """The prompt as the model reads it.

    Raises:
        ConfigError: there is none, or more than one separator.
    """
    if not tokenizer.separator:
        return prompt
    if not prompt:
        raise ConfigError(
            "this model completes prompts, as it was trained on records with 'prompt' and "
            "'completion'. Give it a prompt."
        )
    count = prompt.count(SEPARATOR)
    if count > 1:
        raise ConfigError(
            f"the prompt contains the separator U+FDD0 {count} times. Leave it out, or "
            "write it once before the beginning of the completion."
        )
    return prompt if count else prompt + SEPARATOR


def begun_text(tokenizer: Tokenizer, prompt: str) -> str:
    """The beginning of the text that the model continues.

    >>> from textgen.text.tokenizers.byte import ByteTokenizer
    >>> completing = ByteTokenizer(end_of_document=True, separator=True)
    >>> [begun_text(each, "12") for each in (ByteTokenizer(), completing)]
    ['12', '']
    """
    if not tokenizer.separator:
        return prompt
    return to_complete(tokenizer, prompt).partition(SEPARATOR)[2]


def shown_prompt(tokenizer: Tokenizer, prompt: str) -> str:
    r"""The prompt as it stands before what the model writes: on a line of its own.

    >>> from textgen.text.tokenizers.byte import ByteTokenizer
    >>> completing = ByteTokenizer(end_of_document=True, separator=True)
    >>> [shown_prompt(each, "12") for each in (ByteTokenizer(), completing)]
    ['12', '12\n']
    """
    if not tokenizer.separator:
        return prompt
    return to_complete(tokenizer, prompt).replace(SEPARATOR, "\n")
