"""By which names a server lets itself be called."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_own(host: str, names: Collection[str]) -> bool:
    """Whether a server answers to what a client calls it.

    A page of another host could otherwise use it, by giving its own name the address of
    this machine (DNS rebinding). That takes a name; addresses are harmless.

    >>> [is_own(host, {"localhost"}) for host in ("localhost:80", "[::1]:80", "evil.com")]
    [True, True, False]
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
