"""The description of the interface, in the format of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textgen.config.serving import ServingConfig
from textgen.serving.api.fields import Schema, completion_fields
from textgen.version import __version__

STRING: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
TEXTS: Schema = {"type": "array", "items": STRING}


def description(config: ServingConfig, *, needs_key: bool) -> dict[str, Any]:
    """The document at `/openapi.json`.

    >>> document = description(ServingConfig(), needs_key=False)
    >>> sorted(document["paths"])
    ['/healthz', '/metrics', '/openapi.json', '/v1/completions', '/v1/models', ...]
    """
    security: Schema = {"security": [{"key": []}]} if needs_key else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "textgen",
            "version": __version__,
            "description": "Text of character-level models, by the interface of the "
            "OpenAI API. What is called a token there is a character here.",
        },
        "paths": {
            "/v1/completions": {"post": {**_completions(needs_key), **security}},
            "/v1/models": {"get": {**_models(needs_key), **security}},
            "/v1/models/{id}": {"get": {**_model(needs_key), **security}},
            "/healthz": {"get": _answers("Whether the server lives.", _ref("Health"))},
            "/metrics": {"get": {**_metrics(needs_key), **security}},
            "/openapi.json": {
                "get": _answers("This description.", {"type": "object"}),
            },
        },
        "components": {
            "schemas": _schemas(config),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _completions(needs_key: bool) -> dict[str, Any]:
    described = _answers(
        "Write texts, whole or as a stream.",
        _ref("Completion"),
        {
            400: "A field is unknown, out of range, or does not fit the others.",
            404: "There is no such model.",
            408: "The request did not arrive in time.",
            413: "The request is too large.",
            415: "The request is not JSON.",
            429: "Too many requests wait.",
            500: "The server failed.",
            504: "The request took too long.",
            **_refusals(needs_key),
        },
    )
    described["responses"]["200"]["content"]["text/event-stream"] = {"schema": STRING}
    body = {"application/json": {"schema": _ref("CompletionRequest")}}
    return {**described, "requestBody": {"required": True, "content": body}}


def _models(needs_key: bool) -> dict[str, Any]:
    listed = _object({"object": STRING, "data": {"type": "array", "items": _ref("Model")}})
    return _answers("The models that are served.", listed, _refusals(needs_key))


def _model(needs_key: bool) -> dict[str, Any]:
    errors = {404: "There is no such model.", **_refusals(needs_key)}
    id_in_path = {"name": "id", "in": "path", "required": True, "schema": STRING}
    return {**_answers("One model.", _ref("Model"), errors), "parameters": [id_in_path]}


def _metrics(needs_key: bool) -> dict[str, Any]:
    described = _answers("Figures for Prometheus.", STRING, _refusals(needs_key))
    described["responses"]["200"]["content"] = {"text/plain": {"schema": STRING}}
    return described


def _refusals(needs_key: bool) -> dict[int, str]:
    return {401: "The key is missing or wrong."} if needs_key else {}


def _answers(
    summary: str, schema: Schema, errors: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """An operation that answers with JSON, or with an error.

    Every operation refuses foreign names and origins.
    """
    guarded = {403: "A page of this origin may not.", 421: "A foreign name."}
    responses = {"200": _response("Done.", schema)}
    for status, why in {**guarded, **(errors or {})}.items():
        responses[str(status)] = _response(why, _ref("Error"))
    return {"summary": summary, "responses": responses}


def _response(what: str, schema: Schema) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _schemas(config: ServingConfig) -> dict[str, Schema]:
    choice = _object(
        {
            "index": WHOLE,
            "text": STRING,
            "finish_reason": _or_null({**STRING, "enum": ["stop", "length"]}),
            "logprobs": _or_null(_ref("Logprobs")),
        },
        ended_by=STRING,
    )
    head = {"id": STRING, "object": STRING, "created": WHOLE, "model": STRING}
    usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), WHOLE)
    # The first character of a prompt may have none.
    own = {"type": "array", "items": _or_null({"type": "number"})}
    offsets = {"type": "array", "items": WHOLE}
    logprobs = {"tokens": TEXTS, "token_logprobs": own, "text_offset": offsets}
    tops = {"type": "array", "items": {"type": "object"}}
    model = {"id": STRING, "object": STRING, "created": WHOLE, "owned_by": STRING}
    of_ours = {"on_disk": STRING, "labels": TEXTS, "completes": {"type": "boolean"}}
    error = {"message": STRING, "type": STRING}
    optional = {"param": _or_null(STRING), "code": _or_null(STRING)}
    return {
        "CompletionRequest": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                name: _or_null(schema) for name, schema in completion_fields(config).items()
            },
        },
        "Completion": _object(
            {
                **head,
                "system_fingerprint": STRING,
                "seed": WHOLE,
                "choices": {"type": "array", "items": choice},
                "usage": _object(usage),
            },
            warnings=TEXTS,
        ),
        "Logprobs": _object({**logprobs, "top_logprobs": tops}),
        "Model": _object({**model, **of_ours}),
        "Health": _object({"status": STRING, "on_disk": {"type": "object"}}),
        "Error": _object({"error": _object({**error, **optional})}),
    }


def _object(properties: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**properties, **optional},
        "required": list(properties),
    }


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
