"""Train in two network namespaces, with delay and loss between them, as over a network.

    python tests/distributed/namespaces.py --delay 1ms --loss 0.1% --rate 1gbit

Needs Linux, root, and the commands `ip` and `tc`; where namespaces cannot be made it says
so. The scores must be those of one process, and the time of a step is shown beside that
over loopback.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.training.conftest import write_book
from tests.training.distributed.jobs import SETTINGS, SMALL, alone, flags, wait
from tests.training.helpers import rows_of

NAMES = ("textgen0", "textgen1")
ADDRESSES = ("10.77.77.1", "10.77.77.2")
PORT = 12345


@click.command()
@click.option("--delay", default="1ms", show_default=True, help="One way.")
@click.option("--loss", default="0.1%", show_default=True, help="Of packets.")
@click.option("--rate", default="1gbit", show_default=True, help="Of the link.")
def main(delay: str, loss: str, rate: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = ["train", str(write_book(folder)), *flags(SMALL)]
        with namespaces(delay, loss, rate) as prefixes:
            alone([*command[1:], "--out", str(folder / "one")])
            seconds = trained(command, folder / "apart", prefixes)
        print(f"delay {delay}, loss {loss}, {rate}: {1e3 * seconds:.1f} ms per step")
        seconds = trained(command, folder / "loopback", [[], []])
        print(f"loopback: {1e3 * seconds:.1f} ms per step")
        for run in ("apart", "loopback"):
            differ = difference(folder / run, folder / "one")
            print(f"{run}: scores differ from those of one process by {differ:.1e}")
            assert differ < 1e-5


@contextmanager
def namespaces(delay: str, loss: str, rate: str) -> Iterator[list[list[str]]]:
    """Two namespaces with a link between them; yields what runs a command in each."""
    try:
        connect(f"delay {delay} loss {loss} rate {rate}")
        yield [["ip", "netns", "exec", name] for name in NAMES]
    except NotHere as error:
        print(f"No such network can be made here, so nothing was tried in it: {error}")
        sys.exit(0)
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
            Path("/etc/netns", name, "hosts").unlink(missing_ok=True)


def connect(quality: str) -> None:
    """Make the namespaces, and a link of this quality (words of `tc`) between them."""
    for name in NAMES:
        shell(f"ip netns add {name}")
    shell(f"ip link add {NAMES[0]} type veth peer name {NAMES[1]}")
    for name, address in zip(NAMES, ADDRESSES, strict=True):
        # Each finds its own address by the name of the host.
        hosts = Path("/etc/netns", name, "hosts")
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text(f"127.0.0.1 localhost\n{address} {socket.gethostname()}\n")
        shell(f"ip link set {name} netns {name}")
        inside = f"ip netns exec {name}"
        shell(f"{inside} ip addr add {address}/24 dev {name}")
        shell(f"{inside} ip link set lo up")
        shell(f"{inside} ip link set {name} up")
        shell(f"{inside} tc qdisc add dev {name} root netem {quality}")


class NotHere(Exception):  # noqa: N818 - not an error of this script
    """A command of the network is missing, or may not do its work here."""


def shell(line: str) -> None:
    try:
        subprocess.run(shlex.split(line), check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotHere(f"{line}: {getattr(error, 'stderr', error)}".strip()) from error


def trained(command: list[str], run: Path, prefixes: list[list[str]]) -> float:
    """Train in two processes, each where its prefix says; return the seconds of a step."""
    host = ADDRESSES[0] if prefixes[0] else "127.0.0.1"
    processes = []
    for index, prefix in enumerate(prefixes):
        places = {
            "COORDINATOR_ADDRESS": f"{host}:{PORT}",
            "NUM_PROCESSES": "2",
            "PROCESS_ID": str(index),
        }
        words = [sys.executable, "-m", "textgen", *command, "--out", str(run)]
        processes.append(
            subprocess.Popen(
                [*prefix, *words, "--distributed"],
                env={**os.environ, **SETTINGS, **places},
                stdout=subprocess.DEVNULL,
            )
        )
    assert [wait(process) for process in processes] == [0, 0]
    status = json.loads((run / "status.json").read_text())
    chars = SMALL["--batch-size"] * SMALL["--seq-length"]
    return float(chars / status["chars_per_second"])


def difference(ours: Path, theirs: Path) -> float:
    name = "val_bits_per_char"
    pairs = zip(rows_of(ours), rows_of(theirs), strict=True)
    return max(abs(float(a[name]) / float(b[name]) - 1) for a, b in pairs)


if __name__ == "__main__":
    main()
