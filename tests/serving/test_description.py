"""The server does what its description says: requests are made from it at random."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.patience import PATIENCE
from tests.serving.helpers import ask, serving
from textgen.config.serving import ServingConfig
from textgen.serving.api.description import description

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

# Short texts, so that most requests are answered in a moment.
document = description(ServingConfig(max_tokens=20, max_streams=8), needs_key=False)
schema = schemathesis.openapi.from_dict(document)


@pytest.fixture(scope="module")
def limited(checkpoint: Any) -> Any:
    with serving(checkpoint, "--max-tokens", 20, "--max-streams", 8) as server:
        yield server.url


@schema.parametrize()
@settings(max_examples=40, phases=[Phase.explicit, Phase.generate], derandomize=True)
def test_requests_made_from_the_description(case: Any, limited: str) -> None:
    case.call_and_validate(
        base_url=limited.rstrip("/"),
        timeout=PATIENCE,
        # Fields may contradict each other, which no schema tells.
        excluded_checks=[positive_data_acceptance],
    )


def test_the_description_is_the_one_that_is_served(url: str) -> None:
    served = ask(url, "openapi.json")
    assert served.body == json.loads(
        json.dumps(description(ServingConfig(), needs_key=False))
    )


def test_with_a_key_the_description_says_so() -> None:
    locked = description(ServingConfig(), needs_key=True)
    assert locked["paths"]["/v1/completions"]["post"]["security"] == [{"key": []}]
    assert "401" in locked["paths"]["/v1/models"]["get"]["responses"]
    assert "security" not in locked["paths"]["/healthz"]["get"]
