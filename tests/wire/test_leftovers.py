"""With the garbage collector off, a request leaves nothing behind: not an object, not its recorder."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import weakref
from collections.abc import Awaitable, Callable, Iterator

import anyio
import pytest
import trustme

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import WireRequest

from .conftest import TIMEOUTS, Client, Opener
from .http2_server import Http2Side, http2_context, speaking_http2
from .servers import Connection, RawServer, closing, echoing

pytestmark = pytest.mark.anyio

TURNS = 50


class Watched(Recorder):
    """A recorder whose death can be seen."""

    __slots__ = ("__weakref__",)


@contextlib.contextmanager
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def grows(fetch: Callable[[Recorder], Awaitable[object]]) -> int:
    """By how many objects memory grows in TURNS turns; each recorder must be gone when its turn is over."""

    async def turn() -> None:
        recorder = Watched()
        gone = weakref.ref(recorder)
        with contextlib.suppress(AttemptFailed):
            await fetch(recorder)
        del recorder
        # What was cancelled, and what the loop still had in its hands, needs a turn of the loop.
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        assert gone() is None

    for _ in range(10):
        await turn()
    with collector_off():
        before = len(gc.get_objects())
        for _ in range(TURNS):
            await turn()
        return len(gc.get_objects()) - before


class Forgetful(RawServer):
    """Its threads and sockets must not count."""

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self._serve(accepted, 1)


async def test_complete_responses(client: Client) -> None:
    def handle(connection: Connection) -> None:
        number = 0
        while connection.request():
            number += 1
            connection.answer(b"x", headers=f"Set-Cookie: name-{number}=value\r\n")

    with RawServer(handle) as server:
        assert await grows(lambda recorder: client.get(server.url(), recorder=recorder)) < TURNS / 2


async def test_complete_responses_over_tls(tls_client: Client, server_tls: ssl.SSLContext) -> None:
    with Forgetful(echoing, tls=server_tls) as server:
        assert await grows(lambda recorder: tls_client.get(server.url(), recorder=recorder)) < TURNS / 2


@pytest.mark.only_httpx(reason="Capabilities.http2")
async def test_complete_responses_over_http2(open_client: Opener, authority: trustme.CA, ca_file: str) -> None:
    client = open_client(TransportOptions(ca_file=ca_file, http2=True))

    def respond(side: Http2Side, stream: int) -> None:
        side.requests.clear()  # the server's own memory must not count
        side.respond(stream, b"x")

    with RawServer(speaking_http2(respond), tls=http2_context(authority)) as server:

        async def fetch(recorder: Recorder) -> None:
            await client.get(server.url(), recorder=recorder)

        assert await grows(fetch) < TURNS * 2  # h2, on both sides, remembers the streams it had
        assert server.accepted == 1


async def test_refused_connections(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    assert await grows(lambda recorder: client.get(url, recorder=recorder)) < TURNS / 2


@pytest.mark.parametrize("response", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
async def test_failed_responses(client: Client, response: bytes) -> None:
    with Forgetful(closing(response)) as server:
        assert await grows(lambda recorder: client.get(server.url(), recorder=recorder)) < TURNS / 2


async def test_responses_left_early_and_cancelled(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")
        connection.gone()

    async def leave(recorder: Recorder) -> None:
        async with client.transport.stream(WireRequest("GET", server.url()), TIMEOUTS, recorder) as response:
            async for _ in response.chunks():
                break

    async def cancelled(recorder: Recorder) -> None:
        with anyio.CancelScope(deadline=anyio.current_time() + 0.01):
            await client.get(server.url(), recorder=recorder)

    async def timed_out(recorder: Recorder) -> None:
        await client.get(server.url(), recorder=recorder, timeouts=Timeouts(read=0.01))

    with RawServer(handle) as server:
        for way in (leave, cancelled, timed_out):
            recorders: list[weakref.ref[Watched]] = []
            with collector_off():
                for _ in range(10):
                    recorder = Watched()
                    recorders.append(weakref.ref(recorder))
                    with contextlib.suppress(AttemptFailed):
                        await way(recorder)
                    del recorder
                    for _ in range(3):
                        await anyio.lowlevel.checkpoint()
            assert [gone() for gone in recorders] == [None] * 10, way.__name__
