"""Bytes nobody asked for never become the answer to the next request."""

from __future__ import annotations

import ssl
import threading

import anyio
import pytest

from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import WireRequest

from .conftest import TIMEOUTS, Client
from .servers import PATIENCE, Connection, RawServer

pytestmark = pytest.mark.anyio

POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nPOISON!"

COMPLETE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
}


class Poisoner:
    """The first connection: a complete response, then poison in `parts`; all others answer properly."""

    def __init__(self, response: bytes, *, together: bool, parts: tuple[bytes, ...]) -> None:
        self.response = response
        self.together = together
        self.parts = parts
        self.proceed = threading.Event()
        self.poisoned = threading.Event()

    def __call__(self, connection: Connection) -> None:
        if connection.number > 1:
            while request := connection.request():
                connection.answer(b"" if request.startswith(b"HEAD") else b"good")
            return
        connection.request()
        if self.together:
            connection.send(self.response + b"".join(self.parts))
        else:
            connection.send(self.response)
            self.proceed.wait(PATIENCE)
            for part in self.parts:
                connection.send(part)
        self.poisoned.set()
        while connection.request():
            connection.answer(b"wrong")


@pytest.mark.parametrize("framing", COMPLETE)
@pytest.mark.parametrize("together", [True, False], ids=["same segment", "later"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_poison_behind_a_response_is_never_served(
    client: Client, tls_client: Client, server_tls: ssl.SSLContext, framing: str, together: bool, secure: bool
) -> None:
    chosen = tls_client if secure else client
    poisoner = Poisoner(COMPLETE[framing], together=together, parts=(POISON,))
    with RawServer(poisoner, tls=server_tls if secure else None) as server:
        method = "HEAD" if framing == "HEAD" else "GET"
        first = await chosen.get(server.url("/1"), method=method)
        assert first.body in (b"hello", b"")
        poisoner.proceed.set()
        assert await anyio.to_thread.run_sync(poisoner.poisoned.wait, PATIENCE)
        second = await chosen.get(server.url("/2"))
        assert second.body == b"good"
        assert (await chosen.get(server.url("/3"))).body == b"good"
        assert server.accepted == (2 if chosen.can.tls_kept or not secure else 3)


async def test_half_a_tls_record_of_poison_is_seen(tls_client: Client, server_tls: ssl.SSLContext) -> None:
    """OpenSSL cannot decrypt half a record, so the connection looks clean to whoever asks OpenSSL only."""
    poisoned = threading.Event()

    def handle(connection: Connection) -> None:
        if connection.number > 1:
            secure = Connection(server_tls.wrap_socket(connection.socket, server_side=True), connection.number)
            secure.request()
            secure.answer(b"good")
            secure.close()
            return
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server_tls.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.send(outgoing.read())
                incoming.write(connection.socket.recv(65536))
        connection.send(outgoing.read())
        request = b""
        while b"\r\n\r\n" not in request:
            try:
                request += tls.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(connection.socket.recv(65536))
        tls.write(COMPLETE["length"])
        answer = outgoing.read()
        tls.write(POISON)
        record = outgoing.read()
        connection.send(answer + record[:10])
        poisoned.set()
        connection.socket.recv(65536)  # the next request, or the end
        connection.send(record[10:])

    with RawServer(handle) as server:
        url = server.url().replace("http:", "https:")
        assert (await tls_client.get(url)).body == b"hello"
        assert await anyio.to_thread.run_sync(poisoned.wait, PATIENCE)
        assert (await tls_client.get(url)).body == b"good"
        assert server.accepted == 2


async def test_a_response_left_early_is_not_the_next_ones_answer(client: Client) -> None:
    def handle(connection: Connection) -> None:
        while connection.request():
            connection.answer(b"x" * 10_000_000 if connection.number == 1 else b"good")

    with RawServer(handle) as server:
        async with client.transport.stream(WireRequest("GET", server.url()), TIMEOUTS, Recorder()) as response:
            async for _ in response.chunks():
                break
        assert client.pool.idle == 0
        assert client.pool.budget.used == 0
        assert (await client.get(server.url())).body == b"good"


async def test_a_body_that_came_whole_need_not_be_read_to_keep_the_connection(client: Client) -> None:
    def handle(connection: Connection) -> None:
        while connection.request():
            connection.answer(b"moved", status="302 Found", headers="Location: /x\r\n")

    with RawServer(handle) as server:
        for _ in range(3):
            async with client.transport.stream(WireRequest("GET", server.url()), TIMEOUTS, Recorder()) as response:
                assert response.status == 302
        assert server.accepted == 1
