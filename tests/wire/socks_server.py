"""A SOCKS5 server for tests: a handler for RawServer."""

from __future__ import annotations

import ipaddress
import socket

from .servers import Connection
from .test_proxies import pipe


class SocksProxy:
    """Connects whatever is asked for to 127.0.0.1 at `port`. `targets` holds what it was asked for, `logins` with whom.

    login: user and password it insists on. bytewise: its replies come one byte at a time. status: of its reply.
    """

    def __init__(
        self, port: int, *, login: tuple[bytes, bytes] | None = None, bytewise: bool = False, status: int = 0
    ) -> None:
        self._port = port
        self._login = login
        self._bytewise = bytewise
        self._status = status
        self.targets: list[tuple[str, int]] = []
        self.logins: list[tuple[bytes, bytes]] = []

    def __call__(self, connection: Connection) -> None:
        if not self._log_in(connection):
            connection.gone()
            return
        version, command, _, kind = read(connection, 4)
        assert (version, command) == (5, 1)
        if kind == 3:
            host = read(connection, read(connection, 1)[0]).decode("ascii")
        else:
            host = str(ipaddress.ip_address(read(connection, 4 if kind == 1 else 16)))
        self.targets.append((host, int.from_bytes(read(connection, 2), "big")))
        bound = b"\x01\x7f\x00\x00\x01" if kind == 1 else b"\x03\x05bound"
        self._reply(connection, bytes([5, self._status, 0]) + bound + b"\x12\x34")
        if self._status:
            connection.gone()
            return
        with socket.create_connection(("127.0.0.1", self._port)) as onward:
            pipe(connection.socket, onward)

    def _log_in(self, connection: Connection) -> bool:
        version, count = read(connection, 2)
        assert version == 5
        methods = read(connection, count)
        wanted = 0 if self._login is None else 2
        if wanted not in methods:
            self._reply(connection, b"\x05\xff")
            return False
        self._reply(connection, bytes([5, wanted]))
        if self._login is None:
            return True
        assert read(connection, 1) == b"\x01"
        user = read(connection, read(connection, 1)[0])
        self.logins.append((user, read(connection, read(connection, 1)[0])))
        self._reply(connection, bytes([1, self.logins[-1] != self._login]))
        return self.logins[-1] == self._login

    def _reply(self, connection: Connection, data: bytes) -> None:
        if self._bytewise:
            for byte in data:
                connection.send(bytes([byte]))
        else:
            connection.send(data)


def read(connection: Connection, count: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < count:
        piece = connection.socket.recv(count - len(data))
        assert piece, "the client left in the middle of a message"
        data += piece
    return data
