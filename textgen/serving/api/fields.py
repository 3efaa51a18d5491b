"""The fields of a request for completions: what they mean and what they may hold.

Each is a JSON Schema, in the small part of that language which `check` knows; the same
schemas stand in the description of the interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from textgen.config.sampling import SamplingConfig
from textgen.config.serving import ServingConfig
from textgen.serving.api.errors import ApiError
from textgen.wording import count_of, did_you_mean, shown

Schema: TypeAlias = dict[str, Any]

MOST_PROMPTS = 128
MOST_LOGPROBS = 20
SAMPLING: dict[str, Schema] = {
    "temperature": {"type": "number", "minimum": 0, "maximum": 100},
    "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "frequency_penalty": {"type": "number", "minimum": -100, "maximum": 100},
    "presence_penalty": {"type": "number", "minimum": -100, "maximum": 100},
    "top_k": {"type": "integer", "minimum": 1, "maximum": 2**31},
    "min_p": {"type": "number", "minimum": 0, "maximum": 1},
    "typical_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "repetition_penalty": {"type": "number", "minimum": 0.01, "maximum": 100},
    "dry_multiplier": {"type": "number", "minimum": 0, "maximum": 100},
    "dry_base": {"type": "number", "minimum": 1, "maximum": 100},
    # Each place of a text keeps as many ids as this.
    "dry_allowed_length": {"type": "integer", "minimum": 1, "maximum": 100},
    "dry_breakers": {"type": "string", "maxLength": 100},
    "until": {"type": "string"},
    "allow": {"type": "string", "minLength": 1, "maxLength": 5000},
    "forbid": {"type": "string", "minLength": 1, "maxLength": 5000},
    # With what `compile_regex` allows, about a second and 100 MB.
    "pattern": {"type": "string", "minLength": 1, "maxLength": 500},
}
"""Fields that are those of `SamplingConfig`, by the same names."""


def completion_fields(config: ServingConfig) -> dict[str, Schema]:
    """The schema of each field, within the limits of a server."""
    text = {"type": "string", "maxLength": config.max_prompt}
    stop = {"type": "string", "minLength": 1, "maxLength": 100}
    most = min(MOST_PROMPTS, config.max_streams)
    return {
        "model": _field("The model, by its id in `/v1/models`.", type="string"),
        "prompt": _field(
            "The text to continue, or several.",
            anyOf=[
                text,
                {"type": "array", "items": text, "minItems": 1, "maxItems": most},
            ],
            default="",
        ),
        "max_tokens": _field(
            "Maximum number of new characters.",
            **{"type": "integer", "minimum": 0, "maximum": config.max_tokens},
            default=min(SamplingConfig.length, config.max_tokens),
        ),
        "n": _count("Texts for each prompt.", 1, most, default=1),
        "best_of": _count(
            "Texts that are written for each prompt; the `n` that are the most probable "
            "per character are returned.",
            *(1, most),
        ),
        "stop": _field(
            "Texts that end the text and are not part of it.",
            anyOf=[stop, {"type": "array", "items": stop, "maxItems": 16}],
        ),
        "seed": _count(
            "The same seed repeats the texts. Without it, one is drawn; each answer says "
            "which, as `seed`.",
            *(0, 2**63 - 1),
        ),
        "echo": _field("Begin with the prompt.", type="boolean", default=False),
        "logprobs": _count(
            "Also the log-probability, in nats, of each character, and this many of the "
            "likeliest characters in its place, before temperature and filters; with "
            "`echo`, also of those of the prompt.",
            *(0, MOST_LOGPROBS),
        ),
        "stream": _field(
            "Send the text while it is written, as server-sent events.",
            **{"type": "boolean", "default": False},
        ),
        "stream_options": _field(
            "`include_usage` sends the counts of characters after the last text.",
            type="object",
            properties={"include_usage": {"type": "boolean"}},
            additionalProperties=False,
        ),
        "user": _field("Taken and not used.", type="string", maxLength=1000),
        "label": _field(
            "A label of the training text, for a model of labelled documents.",
            **{"type": "string", "maxLength": 1000},
        ),
        **_sampling_fields(),
    }


def _sampling_fields() -> dict[str, Schema]:
    known = {each.name: each for each in fields(SamplingConfig)}
    found = {}
    for name, schema in SAMPLING.items():
        field = known[name]
        choices = field.metadata["choices"]
        found[name] = _field(
            field.metadata["help"],
            **schema,
            **({"enum": list(choices)} if choices else {}),
            **({} if field.default is None else {"default": field.default}),
        )
    return found


def _count(help: str, least: int, most: int, **more: Any) -> Schema:
    return _field(help, type="integer", minimum=least, maximum=most, **more)


def _field(help: str, **schema: Any) -> Schema:
    return {**schema, "description": help}


def check_fields(body: Any, known: Mapping[str, Schema]) -> dict[str, Any]:
    """The fields that are given and not null.

    Raises:
        ApiError: the body is no object, a field is unknown, or holds what it must not.
    """
    if not isinstance(body, dict):
        raise ApiError(400, "the body of the request must be a JSON object.")
    for name, value in body.items():
        if name not in known:
            hint = did_you_mean(name, known, otherwise=f"Known: {', '.join(known)}.")
            message = f"unknown field {shown(name)}. {hint}"
            raise ApiError(400, message, name[:100], "unknown_field")
        if value is not None and not fits(value, known[name]):
            message = f"{name}={shown(value)} must be {expected(known[name])}."
            raise ApiError(400, message, name, "invalid_value")
    return {name: value for name, value in body.items() if value is not None}


def fits(value: Any, schema: Schema) -> bool:
    """Whether a value is as a schema says.

    >>> fits(3.0, {"type": "integer", "maximum": 3}), fits(True, {"type": "number"})
    (True, False)
    """
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if not _TYPES[schema["type"]](value):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        return schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 2**31)
    if isinstance(value, list):
        is_long_enough = schema.get("minItems", 0) <= len(value) <= schema["maxItems"]
        return is_long_enough and all(fits(each, schema["items"]) for each in value)
    if isinstance(value, dict):
        known = schema["properties"]
        return all(name in known and fits(value[name], known[name]) for name in value)
    return isinstance(value, bool) or _is_within(value, schema)


def _is_within(value: float, schema: Schema) -> bool:
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    return (
        (least is None or value >= least)
        and (above is None or value > above)
        and value <= schema["maximum"]
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES = {
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and int(value) == value,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def expected(schema: Schema) -> str:
    """What a schema asks for, in words.

    >>> expected({"type": "number", "exclusiveMinimum": 0, "maximum": 1})
    'a number above 0 and at most 1'
    >>> expected({"type": "array", "items": {"type": "string"}, "maxItems": 2})
    'a list of at most 2, each a string'
    """
    if "anyOf" in schema:
        return ", or ".join(map(expected, schema["anyOf"]))
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    kind = schema["type"]
    if kind == "string":
        if "maxLength" not in schema:
            return "a string"
        least = f"{schema['minLength']} to" if "minLength" in schema else "at most"
        return f"a string of {least} {count_of(schema['maxLength'], 'character')}"
    if kind == "array":
        return f"a list of at most {schema['maxItems']}, each {expected(schema['items'])}"
    if kind == "object":
        return f"an object with no names but {', '.join(schema['properties'])}"
    if kind == "boolean":
        return "true or false"
    what = "a whole number" if kind == "integer" else "a number"
    if "exclusiveMinimum" in schema:
        return f"{what} above {schema['exclusiveMinimum']} and at most {schema['maximum']}"
    return f"{what} from {schema['minimum']:,} to {schema['maximum']:,}"
