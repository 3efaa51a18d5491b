"""A slow network between two namespaces of this machine.

Each namespace has a TUN device. A thread reads the packets that leave one of them, loses
some, lets the others wait for the bandwidth and the delay of the link, and writes them into
the other one. So no support for this is needed in the kernel, but Linux, `ip`, and the
right to make namespaces and devices.
"""

from __future__ import annotations

import fcntl
import os
import random
import select
import shlex
import socket
import struct
import subprocess
from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic

NAMES = ("textgen0", "textgen1")
ADDRESSES = ("10.77.77.1", "10.77.77.2")

MTU = 60_000
"""Bytes of a packet: so many that Python forwards 1 Gbit/s in a few percent of a core."""

_SET_NAME = 0x400454CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000


class NotHere(Exception):  # noqa: N818 - not an error of a script
    """This machine, or this user, cannot make a link."""


class Link:
    """Two namespaces and what is between them, within the block.

    Args:
        delay_ms: one way.
        loss: of the packets, as a fraction.
        mbit: megabits per second, each way.
        seed: of the choice of the packets that are lost.

    Attributes:
        prefixes: words in front of a command that is to run in each namespace.
        is_cut: whether every packet is lost; may be changed at any time.

    Raises:
        NotHere: such a link cannot be made here.
    """

    def __init__(self, *, delay_ms: float, mbit: float, loss: float = 0, seed: int = 0):
        self.is_cut = False
        self.prefixes = [["ip", "netns", "exec", name] for name in NAMES]
        self._loss = loss
        self._rng = random.Random(seed)
        self._directions = (_Direction(delay_ms, mbit), _Direction(delay_ms, mbit))
        self._devices: list[int] = []
        self._thread = Thread(target=self._forward)

    def __enter__(self) -> Link:
        self._remove()  # what a killed process has left
        try:
            for name, address in zip(NAMES, ADDRESSES, strict=True):
                self._devices.append(_namespace(name, address))
            self._waker = os.pipe()
        except (OSError, subprocess.CalledProcessError) as error:
            self._remove()
            reason = getattr(error, "stderr", None) or str(error)
            raise NotHere(reason.strip()) from error
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._waker[1])
        self._thread.join()
        os.close(self._waker[0])
        self._remove()

    def _remove(self) -> None:
        while self._devices:
            os.close(self._devices.pop())
        for name in NAMES:
            with suppress(OSError, subprocess.CalledProcessError):
                _shell(f"ip netns del {name}")
            with suppress(OSError):
                _hosts(name).unlink()

    def _forward(self) -> None:
        ways = list(zip(self._devices, self._directions, self._devices[::-1], strict=True))
        while True:
            for _, direction, target in ways:
                direction.deliver(target)
            due = min(direction.due for direction in self._directions)
            seconds = None if due == float("inf") else max(0.0, due - monotonic())
            ready, _, _ = select.select([*self._devices, self._waker[0]], [], [], seconds)
            if self._waker[0] in ready:
                return
            for source, direction, _ in ways:
                if source in ready:
                    self._take(source, direction)

    def _take(self, source: int, direction: _Direction) -> None:
        with suppress(BlockingIOError):
            while True:
                packet = os.read(source, MTU)
                if not self.is_cut and self._rng.random() >= self._loss:
                    direction.send(packet)


class _Direction:
    """Packets on their way from one end to the other."""

    def __init__(self, delay_ms: float, mbit: float) -> None:
        self._delay = delay_ms / 1e3
        self._bytes_per_second = mbit * 1e6 / 8
        self._free_at = 0.0
        self._packets: deque[tuple[float, bytes]] = deque()

    @property
    def due(self) -> float:
        """When the next packet arrives."""
        return self._packets[0][0] if self._packets else float("inf")

    def send(self, packet: bytes) -> None:
        begin = max(monotonic(), self._free_at)
        self._free_at = begin + len(packet) / self._bytes_per_second
        self._packets.append((self._free_at + self._delay, packet))

    def deliver(self, target: int) -> None:
        while self.due <= monotonic():
            # A device that is full loses packets, as one of hardware does.
            with suppress(OSError):
                os.write(target, self._packets.popleft()[1])


def _namespace(name: str, address: str) -> int:
    """Make a namespace with a device in it; return what reads and writes its packets."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        request = struct.pack("16sH14x", name.encode(), _TUN_WITHOUT_HEADER)
        fcntl.ioctl(device, _SET_NAME, request)
        _shell(f"ip netns add {name}")
        # Each finds its own address by the name of the host.
        _hosts(name).parent.mkdir(parents=True, exist_ok=True)
        _hosts(name).write_text(f"127.0.0.1 localhost\n{address} {socket.gethostname()}\n")
        _shell(f"ip link set {name} netns {name} mtu {MTU}")
        inside = f"ip netns exec {name} ip"
        _shell(f"{inside} addr add {address}/24 dev {name}")
        _shell(f"{inside} link set lo up")
        _shell(f"{inside} link set {name} up")
    except BaseException:
        os.close(device)
        raise
    return device


def _hosts(name: str) -> Path:
    return Path("/etc/netns", name, "hosts")


def _shell(line: str) -> None:
    subprocess.run(shlex.split(line), check=True, capture_output=True, text=True)
