"""Bodies long enough to be read past the protocol's state machine, and hashed in a thread: the same rules hold."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading

import pytest

from fetch_engine import FetchEngine, FetchResult, Limits
from fetch_engine.bodies import write_behind
from fetch_engine.model.checksum import Checksum
from fetch_engine.model.errors import AttemptFailed, FetchFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest

from .conftest import Client, until
from .servers import Connection, RawServer, answering, closing

pytestmark = pytest.mark.anyio

SIZE = 3_000_000
BODY = os.urandom(SIZE)


def head(length: int, fields: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{fields}\r\n".encode()


def answer(connection: Connection) -> None:
    while connection.request():
        connection.answer(BODY)


async def test_they_come_whole_and_the_connection_is_used_again(client: Client) -> None:
    with RawServer(answer) as server:
        for _ in range(3):
            fetched = await client.get(server.url())
            assert fetched.body == BODY
            assert fetched.recorder.bytes_received == SIZE + len(head(SIZE))
        assert server.accepted == 1


async def test_the_first_bytes_may_come_with_the_head_or_each_alone(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        message = head(SIZE) + BODY
        for place in range(len(head(SIZE)) + 3):
            connection.send(message[place : place + 1])
        connection.send(message[len(head(SIZE)) + 3 :])
        connection.gone()

    with RawServer(handle) as server:
        assert (await client.get(server.url())).body == BODY


@pytest.mark.parametrize("fields", ["Connection: close\r\n", "Connection: Keep-Alive, Close\r\n"])
async def test_a_connection_that_is_to_be_closed_is(client: Client, fields: str) -> None:
    with RawServer(answering(head(SIZE, fields) + BODY)) as server:
        assert (await client.get(server.url())).body == BODY
        assert client.pool.idle == 0


async def test_bytes_behind_the_body_are_no_answer_to_the_next_request(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" if connection.number == 1 else b""
        connection.send(head(SIZE) + BODY + surplus)
        connection.gone()

    with RawServer(handle) as server:
        assert (await client.get(server.url("/1"))).body == BODY
        assert (await client.get(server.url("/2"))).body == BODY
        assert server.accepted == 2


async def test_a_body_that_ends_early_is_incomplete(client: Client) -> None:
    with RawServer(closing(head(SIZE) + BODY[:-1])) as server:
        with pytest.raises(AttemptFailed) as caught:
            await client.get(server.url())
        assert caught.value.kind is ErrorKind.INCOMPLETE
        assert client.pool.idle == 0


async def test_leaving_a_body_in_its_middle_closes_the_connection(client: Client) -> None:
    closed = []

    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(head(SIZE) + BODY[:1_000_000])
        closed.append(connection.gone())

    with RawServer(handle) as server:
        async with client.transport.stream(WireRequest("GET", server.url()), Timeouts(), Recorder()) as response:
            async for _ in response.chunks():
                break
        await until(lambda: closed == [True])
        assert client.pool.idle == 0


@pytest.mark.once
async def test_of_a_body_that_nobody_reads_little_is_received(client: Client) -> None:
    stuck = threading.Event()

    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(head(100 * SIZE))
        connection.socket.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:
                connection.socket.sendall(BODY)
        stuck.set()

    recorder = Recorder()
    with RawServer(handle) as server:
        async with client.transport.stream(WireRequest("GET", server.url()), Timeouts(), recorder) as response:
            async for _ in response.chunks():
                break
            await until(stuck.is_set)
            assert recorder.bytes_received < 5_000_000


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified")])
async def test_a_length_without_a_body_is_waited_for_by_nobody(client: Client, method: str, status: str) -> None:
    answers = [f"HTTP/1.1 {status}\r\nContent-Length: {SIZE}\r\n\r\n".encode()] * 2
    with RawServer(answering(*answers)) as server:
        for _ in range(2):
            assert (await client.get(server.url(), method=method)).body == b""
        assert server.accepted == 1


@pytest.mark.parametrize("ahead", [0, write_behind.MOST_AHEAD])
async def test_the_hash_is_that_of_all_bytes(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_behind, "MOST_AHEAD", ahead)
    with RawServer(answer) as server:
        async with FetchEngine(limits=Limits(preview_size=10)) as engine:
            tasks = [engine.submit(server.url(f"/{number}")) for number in range(4)]
            results: list[FetchResult] = [await task for task in tasks]
        assert {result.sha256 for result in results} == {hashlib.sha256(BODY).hexdigest()}
        assert {(result.body_size, result.preview) for result in results} == {(SIZE, BODY[:10])}


@pytest.mark.parametrize("changed", [False, True])
async def test_a_checksum_of_a_long_body(changed: bool) -> None:
    digest = hashlib.md5(BODY[:-1] + b"?" if changed else BODY, usedforsecurity=False).hexdigest()
    with RawServer(answer) as server:
        async with FetchEngine() as engine:
            request = FetchRequest(server.url(), checksum=Checksum.parse(f"md5:{digest}"))
            if changed:
                with pytest.raises(FetchFailed, match="not what was expected"):
                    await engine.submit(request)
            else:
                assert (await engine.submit(request)).sha256 == hashlib.sha256(BODY).hexdigest()


async def test_a_fetch_that_is_dropped_while_it_is_hashed_leaves_nothing() -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(head(10 * SIZE) + BODY)
        connection.gone()

    with RawServer(handle) as server:
        async with FetchEngine() as engine:
            task = engine.submit(server.url())
            recorder = task.recorder
            await until(lambda: recorder.bytes_received >= SIZE)
            del task
            await engine.join()
            assert engine.census().alive == 0
