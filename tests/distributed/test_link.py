"""A link carries what is sent through it, until it is cut."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.distributed.link import ADDRESSES, Link, NotHere
from tests.patience import PATIENCE

SERVER = """
import socket
with socket.create_server((%r, 5000)) as server:
    print("ready", flush=True)
    connection, _ = server.accept()
    while data := connection.recv(1 << 16):
        connection.sendall(data)
"""
CLIENT = """
import socket, sys
with socket.create_connection((%r, 5000), timeout=%d) as connection:
    sent = bytes(range(256)) * 2000
    connection.sendall(sent)
    connection.shutdown(socket.SHUT_WR)
    found = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    print(found == sent, flush=True)
"""
WITHOUT_ANSWER = """
import socket
try:
    socket.create_connection((%r, 5000), timeout=2)
except TimeoutError:
    print("nothing")
"""


@pytest.fixture
def link() -> Iterator[Link]:
    try:
        with Link(delay_ms=1, loss=0.05, mbit=100) as link:
            yield link
    except NotHere as error:
        pytest.skip(f"no link can be made here: {error}")


def inside(link: Link, index: int, script: str) -> subprocess.Popen[str]:
    command = [*link.prefixes[index], sys.executable, "-c", script]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_is_lost_is_sent_again_until_the_link_is_cut(link: Link) -> None:
    server = inside(link, 1, SERVER % ADDRESSES[1])
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    assert inside(link, 0, CLIENT % (ADDRESSES[1], PATIENCE)).communicate()[0] == "True\n"
    assert server.wait() == 0
    link.is_cut = True
    assert inside(link, 0, WITHOUT_ANSWER % ADDRESSES[1]).communicate()[0] == "nothing\n"
