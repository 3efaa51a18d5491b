"""`textgen serve` as a person meets it."""

from __future__ import annotations

import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.cli.helpers import textgen
from tests.patience import PATIENCE
from tests.serving.helpers import ask, model, rest_of, serving, streaming
from textgen.__main__ import run

Output = pytest.CaptureFixture[str]


def test_it_ends_on_ctrl_c(checkpoint: Path) -> None:
    with serving(checkpoint) as server:
        server.process.send_signal(signal.SIGINT)
        rest, notes = server.process.communicate(timeout=PATIENCE)
    assert server.process.returncode == 0
    assert rest == ""
    assert notes.splitlines() == [
        "Serving my_book. Ctrl-C ends the server.",
        "The server has ended.",
    ]


def test_sigterm_lets_the_requests_that_have_begun_end(checkpoint: Path) -> None:
    with serving(checkpoint) as server:
        with streaming(server.url, max_tokens=10_000) as connection:
            server.process.send_signal(signal.SIGTERM)
            assert "data: [DONE]" in rest_of(connection)[-60:]
        server.process.communicate(timeout=PATIENCE)
        assert server.process.returncode == 0
        with pytest.raises(OSError, match="refused"):
            ask(server.url, "healthz")


def test_several_models_are_served(checkpoint: Path, tmp_path: Path) -> None:
    other = model(tmp_path / "poems" / "best").parent
    with serving(checkpoint, other) as server:
        listed = ask(server.url, "v1/models").body["data"]
        assert [each["id"] for each in listed] == ["my_book", "poems"]
        asked = {"prompt": "a", "max_tokens": 5}
        assert ask(server.url, data={**asked, "model": "poems"}).body["model"] == "poems"
        missing = ask(server.url, data=asked)
        assert missing.status == 400
        assert "There are: my_book, poems." in missing.body["error"]["message"]


def test_a_checkpoint_that_changes_or_vanishes_is_served_on(tmp_path: Path) -> None:
    run_directory = model(tmp_path / "my_book" / "best").parent
    with serving(run_directory) as server:
        asked = {"prompt": "a", "max_tokens": 9, "seed": 1}
        before = ask(server.url, data=asked).body["choices"]
        for change, expected in (
            (lambda: None, "same"),
            (lambda: model(run_directory / "best"), "changed"),
            (lambda: shutil.rmtree(run_directory), "gone"),
        ):
            change()
            assert ask(server.url, "healthz").body["on_disk"] == {"my_book": expected}
            (listed,) = ask(server.url, "v1/models").body["data"]
            assert listed["on_disk"] == expected
            assert ask(server.url, data=asked).body["choices"] == before


def test_mistakes_are_one_line(
    checkpoint: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, why in (
            (
                [checkpoint, "--port", port],
                f"--port {port} cannot be used",
            ),
            ([checkpoint, "--host", "no.such.invalid"], "--host no.such.invalid"),
            ([checkpoint, checkpoint], "is named twice"),
            ([checkpoint, "--max-streams", "0"], "--max-streams 0 must be at least 1"),
            ([checkpoint, "--cors-origin", "x"], "must be a scheme and a host"),
            (
                [checkpoint, "--allow-host", "my.example:8000"],
                "--allow-host 'my.example:8000' must be a name alone",
            ),
            ([checkpoint, "--allow-host", "http://my.example"], "must be a name alone"),
            ([checkpoint, "--api-key-file", "nix"], "--api-key-file nix: No such file"),
            (["nix"], "not a checkpoint"),
        ):
            code = run(["serve", "--port", "0", *map(str, arguments)])
            shown = capsys.readouterr()
            assert why in shown.err
            assert code in (1, 2)
            assert (shown.out, shown.err.count("\n")) == ("", 1)


def test_a_missing_extra_is_named(
    checkpoint: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run(["serve", str(checkpoint)]) == 2
    assert 'pip install "keras-textgen[serve]"' in capsys.readouterr().err


def test_a_server_for_everybody_without_a_key_is_said(checkpoint: Path) -> None:
    with serving(checkpoint, "--host", "0.0.0.0") as server:
        server.process.send_signal(signal.SIGTERM)
        _, notes = server.process.communicate(timeout=PATIENCE)
    assert "Warning: everybody who can reach 0.0.0.0 can use this server." in notes


def test_the_key_may_be_in_the_environment(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTGEN_API_KEY", "secret")
    with serving(checkpoint) as server:
        assert ask(server.url, "v1/models").status == 401
        key = {"Authorization": "Bearer secret"}
        assert ask(server.url, "v1/models", headers=key).status == 200


def test_help_has_examples() -> None:
    shown = textgen("serve", "--help").stdout
    assert "textgen serve my_book\n" in shown
    assert "--max-streams" in shown
