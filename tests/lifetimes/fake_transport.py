"""A transport without a wire: answers by the path of the URL, and notes what a real one would suffer from."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import Transport, WireRequest, WireResponse


class FakeWire:
    """Opens fake clients and remembers them.

    Paths: /ok, /status/N, /fail, /bug, /hang (answered when `release` is set), /to/HOST/REST (a redirect there),
    /busy (429 `busy` times, then 200; with `retry_after`).
    `violations` lists every use of a client that no engine may make.
    """

    def __init__(self) -> None:
        self.clients: list[FakeClient] = []
        self.started: list[str] = []
        self.finished: list[str] = []
        self.cancelled: list[str] = []
        self.violations: list[str] = []
        self.running: Counter[str] = Counter()  # by host
        self.peak: Counter[str] = Counter()
        self.peak_in_all = 0
        self.release = anyio.Event()
        self.busy = 0
        self.retry_after: str | None = None
        self.shielded = 0.0  # seconds that a cancelled request takes to unwind
        self.opening: anyio.Event | None = None  # holds up the opening of clients
        self.closing: anyio.Event | None = None  # holds up the closing of clients

    async def open(self) -> Transport:
        if self.opening is not None:
            await self.opening.wait()
        client = FakeClient(self)
        self.clients.append(client)
        return client

    @property
    def closes(self) -> list[int]:
        return [client.closes for client in self.clients]

    @property
    def in_flight(self) -> int:
        return sum(self.running.values())


@contextmanager
def checked_wire() -> Iterator[FakeWire]:
    """A wire that has seen no violation at the end, and every client closed once."""
    wire = FakeWire()
    yield wire
    assert wire.violations == []
    assert wire.in_flight == 0
    assert wire.closes == [1] * len(wire.clients)


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
        if self.running:
            self.wire.violations.append("closed under a running request")
        self.closes += 1
        if self.closes > 1:
            self.wire.violations.append("closed twice")
        await anyio.lowlevel.checkpoint()
        if self.wire.closing is not None:
            await self.wire.closing.wait()


class _Exchange(AbstractAsyncContextManager[WireResponse]):
    def __init__(self, client: FakeClient, url: str, recorder: Recorder) -> None:
        self.client = client
        self.url = url
        self.host = urlsplit(url).hostname or ""
        self.recorder = recorder

    async def __aenter__(self) -> WireResponse:
        client, wire = self.client, self.client.wire
        if client.closes:
            wire.violations.append("a request on a closed client")
        client.running += 1
        wire.running[self.host] += 1
        wire.peak[self.host] = max(wire.peak[self.host], wire.running[self.host])
        wire.peak_in_all = max(wire.peak_in_all, wire.in_flight)
        wire.started.append(self.url)
        try:
            return await self._answer(urlsplit(self.url).path)
        except BaseException:
            await self._leave(cancelled=True)
            raise

    async def _answer(self, path: str) -> WireResponse:
        self.recorder.begin("connect")
        await anyio.lowlevel.checkpoint()
        self.recorder.begin("wait")
        first, _, rest = path[1:].partition("/")
        if first.startswith("hang"):
            await self.client.wire.release.wait()
        elif first == "fail":
            raise AttemptFailed(ErrorKind.CONNECT, "connection refused")
        elif first == "bug":
            raise KeyError("a bug of the transport")
        elif first == "to":
            return FakeResponse(302, self.recorder, location=f"http://{rest}")
        elif first == "busy" and self.client.wire.busy:
            self.client.wire.busy -= 1
            return FakeResponse(429, self.recorder, retry_after=self.client.wire.retry_after)
        return FakeResponse(int(rest) if first == "status" else 200, self.recorder)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(cancelled=exc_type is not None)

    async def _leave(self, *, cancelled: bool) -> None:
        wire = self.client.wire
        try:
            if cancelled and wire.shielded:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(wire.shielded)
        finally:
            (wire.cancelled if cancelled else wire.finished).append(self.url)
            self.client.running -= 1
            wire.running[self.host] -= 1


class FakeResponse:
    reason = "Fake"
    http_version = "HTTP/1.1"

    def __init__(
        self, status: int, recorder: Recorder, location: str | None = None, retry_after: str | None = None
    ) -> None:
        self.status = status
        self.recorder = recorder
        self.headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain"),)
        if location is not None:
            self.headers += (("Location", location),)
        if retry_after is not None:
            self.headers += (("Retry-After", retry_after),)

    async def chunks(self) -> AsyncIterator[bytes]:
        self.recorder.begin("receive")
        await anyio.lowlevel.checkpoint()
        self.recorder.bytes_received += 5
        yield b"hello"
