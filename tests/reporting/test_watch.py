"""The page of a training that goes on: complete, safe, and kept up to date."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE, wait_until
from tests.reporting.helpers import HISTORY, HOSTILE, parsed, width_at
from textgen.checkpoint.previews import Preview, add_preview
from textgen.checkpoint.runs import RunDirectory
from textgen.checkpoint.status import Status, write_status
from textgen.errors import ConfigError
from textgen.reporting.page import asset
from textgen.reporting.serving import PageServer
from textgen.reporting.watching import SILENCE, Watch, moment_of

TRAINING = Status(25, 2.5, 0.25, 12.0, seconds_left=83, chars_per_second=1234.5)


def write_history(run: RunDirectory, more: str = "") -> None:
    run.history_csv.write_text(HISTORY.replace("broken\r\n", more))


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run that trains: two evaluations, with a preview each."""
    run = RunDirectory(tmp_path / "my <b>run")
    run.path.mkdir()
    write_history(run)
    write_status(run.status, TRAINING)
    for step, text in ((10, "aab"), (20, HOSTILE)):
        add_preview(run.previews, Preview(step, text))
    return run


# --- what is said of a moment ---


def state_of(run: RunDirectory, seconds_later: float = 0) -> str:
    return moment_of(run, time.time() + seconds_later).state


def test_a_run_that_has_not_begun(tmp_path: Path) -> None:
    assert state_of(RunDirectory(tmp_path)) == "It has not begun yet."
    page = Watch(RunDirectory(tmp_path)).page()
    assert "The first evaluation begins them." in page
    assert "<svg" not in page


def test_a_run_that_trains_shows_its_speed_and_the_time_left(run: RunDirectory) -> None:
    bits = "2.250 bits per character on held-out text"
    assert state_of(run) == f"Training. Last evaluation: {bits}, the best so far."
    figures = dict(moment_of(run, time.time()).figures)
    assert figures["time left"] == "1:23"
    assert figures["characters a second"] == "1,234"
    assert figures["learning rate"] == "0.005"


def test_a_worse_score_is_not_the_best(run: RunDirectory) -> None:
    write_history(run, "30,3.0,2,2.5,0.001,15\r\n")
    assert "2.500 bits per character on held-out text." in state_of(run)
    assert dict(moment_of(run, time.time()).figures)["best held-out bits"] == "2.250"


def test_a_run_that_is_silent_may_have_been_killed(run: RunDirectory) -> None:
    assert "was killed" in state_of(run, SILENCE + 5)


def test_a_run_that_has_ended_says_why(run: RunDirectory) -> None:
    write_status(run.status, Status(20, 2.0, 1.0, seconds=10, ended="patience"))
    expected = "It has ended: the score no longer got better, after 0:10 and 2.0 epochs."
    assert state_of(run, 10 * SILENCE).startswith(expected)


def test_a_run_of_an_earlier_version_has_no_status(run: RunDirectory) -> None:
    run.status.unlink()
    assert state_of(run).startswith("Whether it trains is not known.")
    assert "<svg" in Watch(run).page()


def test_the_latest_preview_is_the_first_of_a_few(run: RunDirectory) -> None:
    for step in range(30, 400, 10):
        add_preview(run.previews, Preview(step, str(step)))
    steps = [each.step for each in moment_of(run, time.time()).previews]
    assert steps[0] == 390
    assert steps == sorted(steps, reverse=True)
    assert len(steps) == len(set(steps)) == 9
    assert steps[-1] == 10


def test_lines_that_are_being_written_are_left_out(run: RunDirectory) -> None:
    with run.history_csv.open("a") as file:
        file.write("30,3.0,2,2.")
    with run.previews.open("a") as file:
        file.write('{"step": 30, "te')
    run.status.write_text('{"step": 3')
    moment = moment_of(run, time.time())
    assert [row["step"] for row in moment.rows] == [10, 20]
    assert [each.step for each in moment.previews] == [20, 10]
    assert moment.status is None


# --- the page ---


def test_the_page_asks_no_other_host_and_obeys_no_text(run: RunDirectory) -> None:
    page = Watch(run).page()
    elements = parsed(page).found
    scripts = [attributes for tag, attributes in elements if tag == "script"]
    assert scripts == [{"src": "watch.js"}]
    assert not any(tag == "img" for tag, _ in elements)
    links = [a["href"] for _, a in elements if a.get("href")]
    assert {link for link in links if not str(link).startswith("#")} == {"data:,"}
    assert "http" not in asset("watch.js") + asset("theme.js")
    assert "\u202e" not in page
    assert "my &lt;b&gt;run" in page


def test_every_picture_has_words_and_progress_a_name(run: RunDirectory) -> None:
    elements = parsed(Watch(run).page()).found
    pictures = [a for _, a in elements if a.get("role") == "img"]
    bars = [a for tag, a in elements if tag == "progress"]
    assert len(pictures) == len(bars) == 1
    assert all(attributes.get("aria-label") for attributes in (*pictures, *bars))


def test_curves_are_drawn_again_only_when_there_is_more_to_draw(run: RunDirectory) -> None:
    watch = Watch(run)
    before = watch.page()
    assert watch.page() == before
    write_history(run, "30,3.0,2,2.125,0.001,15\r\n")
    assert "best: 2.125" in watch.page()


def test_watching_imports_no_keras(run: RunDirectory) -> None:
    code = (
        "import sys\n"
        "from textgen.cli.inside import watch\n"
        "from textgen.reporting import serving, watching\n"
        "from textgen.checkpoint.runs import find_run\n"
        "page = watching.Watch(find_run(sys.argv[1])).page()\n"
        "print({'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules))"
    )
    (run.path / ".lock").touch()
    command = [sys.executable, "-c", code, str(run.path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


# --- the server ---


@pytest.fixture
def server(run: RunDirectory) -> Iterator[PageServer]:
    script = asset("theme.js") + asset("watch.js")
    with PageServer(Watch(run).page, script, port=0) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server: PageServer, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(
        "127.0.0.1", server.server_port, timeout=PATIENCE
    )
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "LOCALHOST"])
def test_the_page_is_served_to_this_machine(server: PageServer, host: str) -> None:
    answer = get(server, "/", Host=host)
    assert answer.status == 200
    assert "script-src 'self'" in str(answer.headers["Content-Security-Policy"])
    assert answer.headers["Access-Control-Allow-Origin"] is None
    assert "Last evaluation" in answer.read().decode()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80", "[", ""])
def test_a_name_that_another_host_has_given_this_machine_is_refused(
    server: PageServer, host: str
) -> None:
    assert get(server, "/", Host=host).status == 421


def test_nothing_else_is_served(server: PageServer) -> None:
    for path in ("/status.json", "/../history.csv", "/watch.html"):
        assert get(server, path).status == 404


def test_a_browser_that_waits_for_nothing_does_no_harm(
    server: PageServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port)) as idle:
        assert get(server, "/watch.js").status == 200
        idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert get(server, "/").status == 200
    assert capfd.readouterr().err == ""


def test_a_port_in_use_is_named(server: PageServer) -> None:
    port = server.server_port
    with pytest.raises(ConfigError, match=f"port={port} cannot be used .* 0 for one"):
        PageServer(str, "", port)


# --- in a browser ---


@pytest.fixture
def watching(browser: Any, server: PageServer) -> Iterator[Any]:
    """A browser that shows the page."""
    browser.get(server.url)
    yield browser
    # Otherwise the page would go on to ask a server that has ended.
    browser.get("about:blank")


def text_of(browser: Any, part: str) -> str:
    return str(browser.find_element("css selector", f"[data-part={part}]").text)


def test_a_browser_keeps_up_with_the_run(watching: Any, run: RunDirectory) -> None:
    assert watching.title == "25% my <b>run"
    assert "1:23" in text_of(watching, "now")
    assert "document.title" in text_of(watching, "latest")
    watching.find_element("css selector", "summary").click()
    write_history(run, "30,3.0,2,2.125,0.001,15\r\n")
    add_preview(run.previews, Preview(30, "</pre><script>document.title='broken'</script>"))
    write_status(run.status, Status(30, 3.0, 1.0, seconds=15, ended="epochs"))
    wait_until(lambda: "all epochs were done" in text_of(watching, "state"))
    assert "best: 2.125" in text_of(watching, "curves")
    assert "document.title" in text_of(watching, "latest")
    assert "2.1250" in text_of(watching, "history")  # it is still open
    assert watching.title == "100% my <b>run"
    assert watching.get_log("browser") == []


def test_both_themes_and_narrow_windows(watching: Any) -> None:
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = watching.execute_script(colour)
    watching.find_element("id", "theme").click()
    assert watching.execute_script(colour) != before
    assert width_at(watching, 400) <= 400
    assert watching.get_log("browser") == []


def test_a_page_without_its_server_says_so(watching: Any, server: PageServer) -> None:
    gone = watching.find_element("id", "gone")
    assert not gone.is_displayed()
    server.shutdown()
    server.socket.close()
    wait_until(gone.is_displayed)
    assert "does not stop the training" in gone.text
    watching.get("about:blank")
    watching.get_log("browser")
