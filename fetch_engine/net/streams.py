"""Byte streams on non-blocking sockets.

Nothing below reads ahead: what the peer sent and nobody asked for stays in the kernel, so that `readable()` says
exactly whether an idle connection has something unread, on asyncio, uvloop and trio alike.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

import anyio
import anyio.lowlevel

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.tls_facts import TlsFacts

_SLICE = 64 * 1024


class ByteStream(Protocol):
    """A connected stream. `recorder`, if set, is credited with the bytes read from the socket."""

    recorder: Recorder | None

    @property
    def remote_address(self) -> str: ...

    @property
    def tls(self) -> TlsFacts | None:
        """What the outermost TLS connection is; None without one."""
        ...

    @property
    def sent(self) -> int:
        """Bytes the kernel has taken so far."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether the stream ended in a way that cannot be told from an attacker cutting it off."""
        ...

    async def read(self, max_bytes: int, seconds: float | None) -> bytes:
        """Some bytes, or none at the end. Raises OSError, ssl.SSLError, or AttemptFailed after `seconds`."""
        ...

    async def write(self, data: bytes, seconds: float | None) -> None:
        """Send all of `data`. Of up to 64 KiB, what a cancelled write has not sent goes out first with the next."""
        ...

    def read_nowait(self, max_bytes: int) -> bytes | None:
        """As `read`, but None where it would have to wait."""
        ...

    def write_nowait(self, data: bytes) -> None:
        """Send what the kernel takes at once, keep the rest for the next write."""
        ...

    def readable(self) -> bool:
        """Whether anything is unread: bytes, the end, an error, or a record not yet decrypted."""
        ...

    def close(self) -> None:
        """Close at once. Does nothing if closed."""
        ...


class SocketStream:
    """A connected non-blocking socket. `on_close` is called once, after its descriptor is free."""

    __slots__ = ("_on_close", "_outbox", "_socket", "_waiting", "recorder", "remote_address", "sent")

    truncated = False
    tls = None

    def __init__(self, connected: socket.socket, remote_address: str, on_close: Callable[[], None]) -> None:
        self._socket = connected
        self._on_close: Callable[[], None] | None = on_close
        self._outbox = b""
        self._waiting = 0
        self.recorder: Recorder | None = None
        self.remote_address = remote_address
        self.sent = 0

    async def read(self, max_bytes: int, seconds: float | None) -> bytes:
        # A peer that is always ahead of us must not keep the loop, nor a cancellation, waiting. Before the read: what
        # was taken from the socket is never lost to a cancellation.
        await anyio.lowlevel.checkpoint()
        data = self.read_nowait(max_bytes)
        if data is not None:
            return data
        with anyio.CancelScope(deadline=deadline_in(seconds)):
            while True:
                await self._wait(anyio.wait_readable)
                data = self.read_nowait(max_bytes)
                if data is not None:
                    return data
        raise AttemptFailed(ErrorKind.TIMEOUT_READ, f"nothing received for {seconds:g} s")

    async def write(self, data: bytes, seconds: float | None) -> None:
        for start in range(0, max(len(data), 1), _SLICE):
            self.write_nowait(data[start : start + _SLICE])
            while self._outbox:
                with anyio.CancelScope(deadline=deadline_in(seconds)) as scope:
                    await self._wait(anyio.wait_writable)
                if scope.cancelled_caught:
                    raise AttemptFailed(ErrorKind.TIMEOUT_WRITE, f"nothing could be sent for {seconds:g} s")
                self.write_nowait(b"")

    def read_nowait(self, max_bytes: int) -> bytes | None:
        try:
            data = self._socket.recv(max_bytes)
        except BlockingIOError:
            return None
        if self.recorder is not None:
            self.recorder.bytes_received += len(data)
        return data

    def write_nowait(self, data: bytes) -> None:
        if self._outbox:
            data = self._outbox + data
        if not data:
            return
        try:
            count = self._socket.send(data)
        except BlockingIOError:
            count = 0
        self.sent += count
        self._outbox = data[count:] if count < len(data) else b""

    def readable(self) -> bool:
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        on_close, self._on_close = self._on_close, None
        if on_close is None:
            return
        if self._waiting:
            anyio.notify_closing(self._socket)
        self._socket.close()
        self.recorder = None
        on_close()

    async def _wait(self, until: Callable[[socket.socket], object]) -> None:
        self._waiting += 1
        try:
            await until(self._socket)  # type: ignore[misc]
        finally:
            self._waiting -= 1


def deadline_in(seconds: float | None) -> float:
    """The loop's time in `seconds`; never for None."""
    return float("inf") if seconds is None else anyio.current_time() + seconds
