"""Kept connections: used again while they are good, replaced unseen when they are not, bounded in number and age."""

from __future__ import annotations

import threading

import anyio
import pytest

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind

from .conftest import Client, Opener, until
from .servers import PATIENCE, Connection, RawServer, echoing

pytestmark = pytest.mark.anyio


async def wait_for(event: threading.Event) -> None:
    assert await anyio.to_thread.run_sync(event.wait, PATIENCE)


async def test_one_connection_serves_one_after_the_other(client: Client) -> None:
    with RawServer(echoing) as server:
        for number in range(20):
            assert f"/{number} ".encode() in (await client.get(server.url(f"/{number}"))).body
        assert server.accepted == 1
        assert client.pool.idle == 1


async def test_as_many_connections_as_run_at_once(client: Client) -> None:
    with RawServer(echoing) as server:

        async def fetch_some(worker: int) -> None:
            for turn in range(10):
                path = f"/{worker}-{turn}"
                assert f"{path} ".encode() in (await client.get(server.url(path))).body

        async with anyio.create_task_group() as workers:
            for worker in range(8):
                workers.start_soon(fetch_some, worker)
        assert server.accepted <= 8
        assert client.pool.idle == server.accepted


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_an_idle_connection_the_server_closed_is_replaced(client: Client, how: str) -> None:
    closed = threading.Event()

    def handle(connection: Connection) -> None:
        connection.request()
        connection.answer(b"ok")
        if connection.number == 1:
            getattr(connection, how)()
            closed.set()
        else:
            connection.gone()

    with RawServer(handle) as server:
        await client.get(server.url())
        await wait_for(closed)
        recorder = Recorder()
        assert (await client.get(server.url(), recorder=recorder)).body == b"ok"
        assert server.accepted == 2
        assert "connect" in recorder.phases


def closes_on_second_request(connection: Connection) -> None:
    """The first connection looks good while idle and dies under its second request."""
    connection.request()
    connection.answer(b"ok")
    if connection.number == 1:
        connection.request()
        connection.reset() if connection.unread else connection.close()
    else:
        connection.gone()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_a_kept_connection_that_dies_under_the_request_is_replaced_once(client: Client, method: str) -> None:
    with RawServer(closes_on_second_request) as server:
        await client.get(server.url())
        assert (await client.get(server.url(), method=method)).status == 200
        assert server.accepted == 2


async def test_a_request_that_may_have_acted_is_not_repeated(client: Client) -> None:
    with RawServer(closes_on_second_request) as server:
        await client.get(server.url())
        if not client.can.exact:
            # It would be repeated on such a connection, and so gets one of its own.
            assert (await client.get(server.url(), method="POST", body=b"order")).status == 200
            assert server.accepted == 2
            return
        with pytest.raises(AttemptFailed) as caught:
            await client.get(server.url(), method="POST", body=b"order")
        assert caught.value.kind is ErrorKind.RESET
        assert not caught.value.unsent
        assert server.accepted == 1


async def test_a_fresh_connection_that_dies_is_not_replaced(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.close()

    with RawServer(handle) as server:
        with pytest.raises(AttemptFailed) as caught:
            await client.get(server.url())
        assert caught.value.kind is ErrorKind.RESET
        assert server.accepted == 1


async def test_a_kept_connection_that_dies_inside_the_answer_is_not_replaced(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.answer(b"ok")
        connection.request()
        connection.send(b"HTTP/1.1 2")
        connection.close()

    with RawServer(handle) as server:
        await client.get(server.url())
        if not client.can.exact:
            # A part of a line is nothing yet.
            assert (await client.get(server.url())).body == b"ok"
            assert server.accepted == 2
            return
        with pytest.raises(AttemptFailed) as caught:
            await client.get(server.url())
        assert caught.value.kind is ErrorKind.RESET
        assert server.accepted == 1


async def test_an_answer_before_the_whole_request_was_sent_counts(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.socket.recv(1000)
        connection.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        connection.socket.shutdown(1)
        connection.gone()

    with RawServer(handle) as server:
        fetched = await client.get(server.url(), method="POST", body=b"x" * 8_000_000)
    assert (fetched.status, fetched.body) == (413, b"big")
    assert client.pool.idle == 0


async def test_idle_connections_age(open_client: Opener) -> None:
    client = open_client(limits=Limits(keepalive=0.2))
    with RawServer(echoing) as server, RawServer(echoing) as other:
        await client.get(server.url())
        await anyio.sleep(0.3)
        await client.get(server.url())
        assert server.accepted == 2
        await anyio.sleep(0.3)
        # Whoever uses the pool clears out what is too old, whatever its origin.
        await client.get(other.url())
        assert client.pool.idle == 1
        assert client.pool.budget.used == (1 if client.can.exact else 2)


async def test_idle_connections_are_bounded_the_oldest_goes_first(open_client: Opener) -> None:
    client = open_client(limits=Limits(concurrency=2))
    with RawServer(echoing) as one, RawServer(echoing) as two, RawServer(echoing) as three:
        for server in (one, two, three):
            await client.get(server.url())
        assert client.pool.idle == 2
        await client.get(two.url())
        await client.get(three.url())
        assert (two.accepted, three.accepted) == (1, 1)
        await client.get(one.url())
        assert one.accepted == 2


async def test_the_one_used_last_is_used_next(client: Client) -> None:
    """So that those not needed any more grow old."""

    def handle(connection: Connection) -> None:
        while connection.request():
            connection.answer(b"%d" % connection.number)

    with RawServer(handle) as server:
        async with anyio.create_task_group() as fetches:
            for _ in range(3):
                fetches.start_soon(client.get, server.url())
        assert client.pool.idle == server.accepted > 1
        numbers = {(await client.get(server.url())).body for _ in range(6)}
        assert len(numbers) == 1


async def test_a_connection_of_another_origin_is_not_used(client: Client) -> None:
    with RawServer(echoing) as server:
        await client.get(server.url())
        await client.get(server.url(host="localhost"))
        assert server.accepted == 2


async def test_at_the_bound_of_sockets_an_idle_one_makes_room(open_client: Opener) -> None:
    client = open_client(TransportOptions(max_sockets=1))
    with RawServer(echoing) as one, RawServer(echoing) as two:
        for _ in range(3):
            await client.get(one.url())
            await client.get(two.url())
        assert client.pool.budget.used == 1


async def test_at_the_bound_of_sockets_others_wait_in_turn(open_client: Opener) -> None:
    client = open_client(TransportOptions(max_sockets=2))
    done: list[int] = []
    with RawServer(echoing) as one, RawServer(echoing) as two:

        async def fetch(number: int) -> None:
            await client.get((one, two)[number % 2].url())
            done.append(number)

        async with anyio.create_task_group() as fetches:
            for number in range(40):
                fetches.start_soon(fetch, number)
    assert sorted(done) == list(range(40))
    assert client.pool.budget.used <= 2


async def test_closing_gives_back_what_is_still_in_use_later(open_client: Opener) -> None:
    client = open_client()
    release = threading.Event()

    def handle(connection: Connection) -> None:
        connection.request()
        release.wait(PATIENCE)
        connection.answer(b"ok")
        connection.gone()

    with RawServer(handle) as server:
        async with anyio.create_task_group() as fetches:
            fetches.start_soon(client.get, server.url())
            await until(lambda: server.accepted)
            await client.transport.aclose()
            release.set()
    assert client.pool.idle == 0
    assert client.pool.budget.used == 0
