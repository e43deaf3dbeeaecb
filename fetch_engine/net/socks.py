"""A connection through a SOCKS5 proxy (RFC 1928), with user and password where it asks for them (RFC 1929)."""

from __future__ import annotations

import ipaddress

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.net.failures import describe
from fetch_engine.net.proxies import Proxy
from fetch_engine.net.streams import ByteStream

_VERSION = 5
_NO_LOGIN, _LOGIN = 0, 2
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_REFUSALS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "it knows no CONNECT",
    8: "it knows no such kind of address",
}


async def open_socks(proxy: Proxy, stream: ByteStream, host: str, port: int) -> None:
    """Make `stream`, connected to `proxy`, a connection to the target; `host` is a name or an IP address.

    Reads not one byte more than the proxy's replies. Has no timeout of its own. Raises AttemptFailed (proxy).
    """
    try:
        await _log_in(proxy, stream)
        await _connect(proxy, stream, host, port)
    except OSError as error:
        why = describe(error)[1]
    else:
        return
    raise _failed(proxy, why)


async def _log_in(proxy: Proxy, stream: ByteStream) -> None:
    methods = bytes([_NO_LOGIN]) if proxy.login is None else bytes([_NO_LOGIN, _LOGIN])
    await stream.write(bytes([_VERSION, len(methods)]) + methods, None)
    version, method = await _read(proxy, stream, 2)
    if version != _VERSION:
        raise _failed(proxy, "it does not speak SOCKS5")
    if method not in methods:
        why = "it wants a user and a password" if proxy.login is None else "it takes none of our ways to log in"
        raise _failed(proxy, why)
    if method == _LOGIN and proxy.login is not None:
        user, password = proxy.login
        await stream.write(bytes([1, len(user)]) + user + bytes([len(password)]) + password, None)
        _, status = await _read(proxy, stream, 2)
        if status:
            raise _failed(proxy, "it refused user and password")


async def _connect(proxy: Proxy, stream: ByteStream, host: str, port: int) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        where = bytes([_NAME, len(name)]) + name
    else:
        where = bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed
    await stream.write(bytes([_VERSION, _CONNECT, 0]) + where + port.to_bytes(2, "big"), None)
    version, status, _, kind = await _read(proxy, stream, 4)
    if version != _VERSION:
        raise _failed(proxy, "it does not speak SOCKS5")
    if status:
        raise _failed(proxy, f"no connection to {host}:{port}: {_REFUSALS.get(status, f'error {status}')}")
    sizes = {_IPV4: 4, _IPV6: 16}
    if kind == _NAME:
        (size,) = await _read(proxy, stream, 1)
    elif kind in sizes:
        size = sizes[kind]
    else:
        raise _failed(proxy, "its reply is not valid")
    await _read(proxy, stream, size + 2)


async def _read(proxy: Proxy, stream: ByteStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = await stream.read(count - len(data), None)
        if not piece:
            raise _failed(proxy, "it closed the connection")
        data += piece
    return data


def _failed(proxy: Proxy, why: str) -> AttemptFailed:
    return AttemptFailed(ErrorKind.PROXY, f"{proxy}: {why}", unsent=True)
