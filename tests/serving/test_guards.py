"""Who may use the server: names, pages of other hosts, keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.serving.helpers import ask, serving
from textgen.errors import ConfigError
from textgen.serving.guards import read_keys
from textgen.serving.names import is_own

ASKED = {"prompt": "a", "max_tokens": 3}


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.168.1.7:8000", True),
        ("my.example:8000", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[::1", False),
        ("user@localhost", True),
    ],
)
def test_a_server_knows_its_names(host: str, is_known: bool) -> None:
    assert is_own(host, {"localhost", "my.example"}) is is_known


def test_a_foreign_name_is_refused(url: str) -> None:
    refused = ask(url, "v1/models", headers={"Host": "evil.example"})
    assert refused.status == 421
    assert "--allow-host" in refused.body["error"]["message"]


@pytest.mark.parametrize("path", ["v1/models", "v1/completions"])
def test_a_page_of_another_host_is_refused(url: str, path: str) -> None:
    data = ASKED if path == "v1/completions" else None
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://["):
        refused = ask(url, path, data, headers={"Origin": origin})
        assert refused.status == 403
        assert refused.body["error"]["code"] == "unknown_origin"
    assert ask(url, path, data, headers={"Origin": url.rstrip("/")}).status == 200


def test_a_form_of_another_page_is_no_request(url: str) -> None:
    sent = ask(url, data=ASKED, headers={"Content-Type": "text/plain"})
    assert (sent.status, "application/json" in sent.body["error"]["message"]) == (415, True)


@pytest.fixture(scope="module")
def guarded(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    keys = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys.write_text("first\n\nsécond\n", encoding="utf-8")
    flags = ["--cors-origin", "https://friend.example", "--allow-host", "my.example"]
    with serving(checkpoint, "--api-key-file", keys, *flags) as server:
        yield server.url


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}".encode().decode("latin-1")}


def test_only_who_has_a_key_is_answered(guarded: str) -> None:
    for path, data in (("v1/models", None), ("metrics", None), ("v1/completions", ASKED)):
        for wrong in ({}, with_key("firs"), with_key("first!"), {"Authorization": "first"}):
            refused = ask(guarded, path, data, wrong)
            assert refused.status == 401
            assert refused.body["error"]["code"] == "invalid_api_key"
            assert refused.headers["www-authenticate"] == "Bearer"
        for key in ("first", "sécond"):
            assert ask(guarded, path, data, with_key(key)).status == 200
    assert ask(guarded, "healthz").status == 200


def test_a_page_that_is_allowed_may_read_the_answer(guarded: str) -> None:
    origin = {"Origin": "https://friend.example"}
    allowed = ask(guarded, data=ASKED, headers={**origin, **with_key("first")})
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == "https://friend.example"
    other = ask(guarded, data=ASKED, headers={"Origin": "https://other.example"})
    assert other.status == 403
    assert "access-control-allow-origin" not in other.headers


def test_names_can_be_added(guarded: str) -> None:
    assert ask(guarded, "healthz", headers={"Host": "my.example"}).status == 200


def test_a_file_of_keys_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    for content, why in ((None, "No such file"), (b"\n", "no key"), (b"\xff", "not UTF-8")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=why):
            read_keys(str(path))


def test_a_file_of_keys_that_everybody_can_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys"
    path.write_text("a\n")
    path.chmod(0o644)
    assert read_keys(str(path)) == ["a"]
    assert "chmod 600" in capsys.readouterr().err
    path.chmod(0o600)
    assert read_keys(str(path)) == ["a"]
    assert capsys.readouterr().err == ""
