"""A transport without a wire: answers by the path of the URL, and counts what a real one must get right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from urllib.parse import urlsplit

import anyio

from fetch_engine.errors import AttemptFailed
from fetch_engine.limits import Timeouts
from fetch_engine.recorder import Recorder
from fetch_engine.results import ErrorKind
from fetch_engine.transports.protocol import Transport, WireRequest, WireResponse


class FakeWire:
    """Opens fake clients and remembers them. Paths: /ok, /status/N, /fail, /bug, /hang (answered by `release`)."""

    def __init__(self) -> None:
        self.clients: list[FakeClient] = []
        self.started: list[str] = []
        self.finished: list[str] = []
        self.cancelled: list[str] = []
        self.running = 0
        self.peak = 0
        self.release = anyio.Event()
        self.shielded = 0.0  # seconds that a cancelled request takes to unwind
        self.opening: anyio.Event | None = None  # set to hold up the opening of clients

    async def open(self) -> Transport:
        if self.opening is not None:
            await self.opening.wait()
        client = FakeClient(self)
        self.clients.append(client)
        return client

    @property
    def closes(self) -> list[int]:
        return [client.closes for client in self.clients]


class FakeClient:
    def __init__(self, wire: FakeWire) -> None:
        self.wire = wire
        self.closes = 0
        self.running = 0

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        return _Exchange(self, request.url, recorder)

    async def aclose(self) -> None:
        assert self.running == 0, "closed under a running request"
        self.closes += 1
        await anyio.lowlevel.checkpoint()


class _Exchange(AbstractAsyncContextManager[WireResponse]):
    def __init__(self, client: FakeClient, url: str, recorder: Recorder) -> None:
        self.client = client
        self.url = url
        self.recorder = recorder

    async def __aenter__(self) -> WireResponse:
        client, wire = self.client, self.client.wire
        assert client.closes == 0, "a request on a closed client"
        client.running += 1
        wire.running += 1
        wire.peak = max(wire.peak, wire.running)
        wire.started.append(self.url)
        try:
            self.recorder.begin("connect")
            await anyio.lowlevel.checkpoint()
            self.recorder.begin("wait")
            path = urlsplit(self.url).path
            if path.startswith("/hang"):
                await wire.release.wait()
            elif path.startswith("/fail"):
                raise AttemptFailed(ErrorKind.CONNECT, "connection refused")
            elif path.startswith("/bug"):
                raise KeyError("a bug of the transport")
        except BaseException:
            await self._leave(anyio.get_cancelled_exc_class())
            raise
        status = int(path.rpartition("/")[2]) if path.startswith("/status/") else 200
        return FakeResponse(status, self.recorder)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(anyio.get_cancelled_exc_class() if exc_type else None)

    async def _leave(self, cancelled: type[BaseException] | None) -> None:
        wire = self.client.wire
        try:
            if cancelled is not None and wire.shielded:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(wire.shielded)
        finally:
            (wire.finished if cancelled is None else wire.cancelled).append(self.url)
            self.client.running -= 1
            wire.running -= 1


class FakeResponse:
    reason = "Fake"
    http_version = "HTTP/1.1"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain"),)

    def __init__(self, status: int, recorder: Recorder) -> None:
        self.status = status
        self.recorder = recorder

    async def chunks(self) -> AsyncIterator[bytes]:
        self.recorder.begin("receive")
        await anyio.lowlevel.checkpoint()
        self.recorder.bytes_received += 5
        yield b"hello"
