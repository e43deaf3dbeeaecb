"""A stall in any phase ends in time, with the name of the phase."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import anyio
import pytest

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind, FetchState

from .conftest import Client, Opener, until
from .servers import PATIENCE, Connection, RawServer

pytestmark = pytest.mark.anyio

SHORT = 0.3


def timeouts(**short: float) -> Timeouts:
    return Timeouts(**{"connect": 10, "read": 10, "write": 10, "pool": 10, **short})


async def failure(client: Client, url: str, kind: ErrorKind, limits: Timeouts, **request: object) -> Recorder:
    recorder = Recorder()
    started = time.monotonic()
    with pytest.raises(AttemptFailed) as caught:
        await client.get(url, timeouts=limits, recorder=recorder, **request)  # type: ignore[arg-type]
    assert caught.value.kind is kind
    assert "0.3 s" in caught.value.message
    assert SHORT * 0.9 <= time.monotonic() - started < 60
    assert client.pool.idle == 0
    return recorder


@contextlib.contextmanager
def full_backlog(host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The URL of a listener that takes no more connections: the kernel drops the SYN."""
    with contextlib.ExitStack() as stack:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = stack.enter_context(socket.socket(family))
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"


def silent(connection: Connection) -> None:
    connection.gone()


async def test_stall_while_connecting(client: Client) -> None:
    with full_backlog() as url:
        recorder = await failure(client, url, ErrorKind.TIMEOUT_CONNECT, timeouts(connect=SHORT))
    assert recorder.state is FetchState.CONNECTING
    assert client.pool.budget.used == 0


async def test_stall_in_the_tls_handshake(client: Client) -> None:
    with RawServer(silent) as server:
        url = server.url().replace("http:", "https:")
        await failure(client, url, ErrorKind.TIMEOUT_CONNECT, timeouts(connect=SHORT))
    assert client.pool.budget.used == 0


async def test_stall_before_the_headers(client: Client) -> None:
    with RawServer(silent) as server:
        recorder = await failure(client, server.url(), ErrorKind.TIMEOUT_READ, timeouts(read=SHORT))
    assert recorder.state is FetchState.WAITING


async def test_stall_inside_the_headers(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-")
        connection.gone()

    with RawServer(handle) as server:
        await failure(client, server.url(), ErrorKind.TIMEOUT_READ, timeouts(read=SHORT))


async def test_stall_inside_the_body(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        connection.gone()

    with RawServer(handle) as server:
        recorder = await failure(client, server.url(), ErrorKind.TIMEOUT_READ, timeouts(read=SHORT))
    assert recorder.state is FetchState.RECEIVING


async def test_the_read_timeout_is_between_bytes_not_in_all(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(0.1)
            connection.send(b"x")
        connection.gone()

    with RawServer(handle) as server:
        assert (await client.get(server.url(), timeouts=timeouts(read=0.5))).body == b"x" * 8


async def test_stall_while_sending(client: Client) -> None:
    over = threading.Event()

    def handle(connection: Connection) -> None:
        over.wait(PATIENCE)

    with RawServer(handle) as server:
        recorder = await failure(
            client,
            server.url(),
            ErrorKind.TIMEOUT_WRITE,
            timeouts(write=SHORT),
            method="POST",
            body=b"x" * 30_000_000,
        )
        over.set()
    assert recorder.state is FetchState.SENDING


async def test_no_free_socket(open_client: Opener) -> None:
    client = open_client(TransportOptions(max_sockets=1))
    with RawServer(silent) as server:
        async with anyio.create_task_group() as fetches:
            fetches.start_soon(client.get, server.url())
            await until(lambda: server.accepted)
            recorder = await failure(client, server.url(), ErrorKind.TIMEOUT_POOL, timeouts(pool=SHORT))
            fetches.cancel_scope.cancel()
    assert recorder.state is FetchState.QUEUED


async def test_no_limit_means_none(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        time.sleep(0.2)
        connection.answer(b"ok")
        connection.gone()

    with RawServer(handle) as server:
        fetched = await client.get(server.url(), timeouts=Timeouts(None, None, None, None, None))
    assert fetched.body == b"ok"


async def test_phases_and_wire_bytes_reach_the_recorder(client: Client) -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

    def handle(connection: Connection) -> None:
        while connection.request():
            time.sleep(0.15)
            connection.send(response[:-2])
            time.sleep(0.15)
            connection.send(response[-2:])

    with RawServer(handle) as server:
        first = (await client.get(server.url(host="localhost"))).recorder
        second = (await client.get(server.url(host="localhost"))).recorder
    sent = ["send"] if client.can.framing else []
    assert list(first.phases) == ["dns", "connect", *sent, "wait", "receive"]
    assert list(second.phases) == [*sent, "wait", "receive"]
    for recorder in (first, second):
        assert recorder.phases["wait"] > 0.04
        assert recorder.phases["receive"] > 0.04
        assert recorder.bytes_received == len(response)
        assert recorder.remote_address in (f"127.0.0.1:{server.port}", f"[::1]:{server.port}")
