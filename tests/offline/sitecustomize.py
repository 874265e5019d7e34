"""Put this folder on a Python process's path and it can reach this machine only: loopback and unix sockets.

pytest-socket guards the test process; this guards the processes that tests start (commands, servers, notebook kernels,
gloo ranks), which inherit PYTHONPATH. Looking up a foreign name is refused too, as it is a question to the network.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

_connect, _connect_ex, _lookup = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo
_sendto = socket.socket.sendto


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(str(name).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or str(address) in _own_addresses()


def _own_addresses() -> set[str]:
    """Addresses that this machine's own name stands for: gloo ranks meet there."""
    try:
        return {str(entry[4][0]) for entry in _lookup(socket.gethostname(), None)}
    except OSError:
        return set()


def _refuse_foreign(host: object) -> None:
    if not _is_local(host):
        raise OSError(f"tests may not reach the network, but {host!r} was asked for")


def _refuse_foreign_peer(peer: Any) -> None:
    if isinstance(peer, tuple):
        _refuse_foreign(peer[0])


def connect(self: socket.socket, address: Any) -> None:
    """Like socket.connect, on this machine only."""
    _refuse_foreign_peer(address)
    _connect(self, address)


def connect_ex(self: socket.socket, address: Any) -> int:
    """Like socket.connect_ex, on this machine only."""
    _refuse_foreign_peer(address)
    return _connect_ex(self, address)


def sendto(self: socket.socket, data: bytes, *rest: Any) -> int:
    """Like socket.sendto, on this machine only."""
    _refuse_foreign_peer(rest[-1])
    return _sendto(self, data, *rest)


def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
    """Like socket.getaddrinfo, for names of this machine only."""
    _refuse_foreign(host)
    return _lookup(host, *rest, **named)


socket.socket.connect = connect  # type: ignore[method-assign]
socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]
socket.socket.sendto = sendto  # type: ignore[method-assign]
socket.getaddrinfo = getaddrinfo
