"""Settings with characters that the model does not know, and so can never write."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator

from textgen.config.sampling import SamplingConfig
from textgen.errors import UnknownCharacterWarning
from textgen.text.tokenizers.serialization import Tokenizer
from textgen.wording import few_characters

UNIT_ENDS = {"line": "\n", "paragraph": "\n", "sentence": ".!?…。！？\n"}
"""Without any of these characters, the unit of `until` never ends."""

ESCAPES = ("\\n", "\\t", "\\r")
"""What a shell passes on as two characters, a backslash and a letter."""


def warn_of_unknown(
    tokenizer: Tokenizer, config: SamplingConfig, left_out: Iterable[str]
) -> None:
    """Warn of settings without effect, and of what is left out of the prompts."""
    for warning in (*without_effect(tokenizer, config), *left_out):
        # The line that called a method of `Generator`.
        warnings.warn(warning, UnknownCharacterWarning, stacklevel=4)


def without_effect(tokenizer: Tokenizer, config: SamplingConfig) -> Iterator[str]:
    r"""A warning of each setting that has no effect for want of its characters.

    >>> from textgen.text.tokenizers.char import CharTokenizer
    >>> settings = SamplingConfig(stop=("ab", r"\n"))
    >>> print(*without_effect(CharTokenizer("abn"), settings))
    stop='\\n' never ends a text: the model does not know \ (U+005C). For a line feed, ...
    """
    settings = [("stop", text, "never ends a text") for text in config.stop]
    settings.append(("allow", config.allow or "", "allows less than it names"))
    settings.append(("forbid", config.forbid or "", "forbids what is never written"))
    for name, text, effect in settings:
        if missing := tokenizer.unknown_characters(text):
            yield _warning(f"{name}={text!r} {effect}", missing, [text])
    ends = UNIT_ENDS.get(config.until or "", "")
    # The end of a document also ends its last unit.
    if ends and tokenizer.eod_id is None:
        missing = tokenizer.unknown_characters(ends)
        if len(missing) == len(ends):
            yield _warning(f"until={config.until!r} never ends a text", missing, [])


def escape_hint(missing: Collection[str], texts: Iterable[str]) -> str:
    """How to write a line feed, if a text seems to mean one; begins with a space."""
    if "\\" not in missing or not any(each in text for text in texts for each in ESCAPES):
        return ""
    return ". For a line feed, write $'\\n' in the shell"


def _warning(what: str, missing: list[str], texts: list[str]) -> str:
    message = f"{what}: the model does not know {few_characters(missing)}"
    return f"{message}{escape_hint(missing, texts)}."
