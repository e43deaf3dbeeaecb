"""Messages over a stream socket between a process and its own child: pickles, each after its length.

Both ends are the same program of the same user, and nobody else has the socket.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Iterator
from typing import Any

import anyio

_LENGTH = struct.Struct(">I")
_MOST = 256 * 1024  # bytes received at a time


class Frames:
    """One end. `send` is for one task at a time, as is `receive`."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._received = bytearray()

    async def receive(self) -> list[Any]:
        """Wait for messages; returns those that have come, none at the end. Raises OSError."""
        while True:
            await anyio.wait_readable(self._socket)
            try:
                data = self._socket.recv(_MOST)
            except BlockingIOError:
                continue
            if not data:
                return []
            self._received += data
            if messages := list(self._complete()):
                return messages

    def send_now(self, message: Any) -> memoryview:
        """Send as much as the socket takes; returns the rest of it, for `send_rest`. Raises OSError."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        rest = memoryview(_LENGTH.pack(len(data)) + data)
        return rest[self._sent(rest) :]

    async def send_rest(self, rest: memoryview) -> None:
        """Wait until everything is sent. Raises OSError."""
        while rest:
            await anyio.wait_writable(self._socket)
            rest = rest[self._sent(rest) :]

    async def send(self, message: Any) -> None:
        """Wait until it is sent. Raises OSError."""
        await self.send_rest(self.send_now(message))

    def close(self) -> None:
        """Close this end; the other one receives what was sent, then the end."""
        anyio.notify_closing(self._socket)
        self._socket.close()

    def _sent(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def _complete(self) -> Iterator[Any]:
        while len(self._received) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._received)[0]
            if len(self._received) < end:
                return
            message = pickle.loads(memoryview(self._received)[_LENGTH.size : end])
            del self._received[:end]
            yield message
