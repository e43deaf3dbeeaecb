"""A cancelled request lets go of its connection at once, and nothing else notices."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Awaitable, Callable

import anyio
import pytest

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import FetchState
from fetch_engine.model.transport import WireRequest
from fetch_engine.net.socket_budget import DescriptorBudget

from .conftest import TIMEOUTS, Client, Opener, until
from .servers import PATIENCE, Connection, RawServer
from .test_timeouts import full_backlog

pytestmark = pytest.mark.anyio


class Stalling:
    """Sends `before` on its first `count` connections, then waits to see the client go; others are answered."""

    def __init__(self, before: bytes, count: int = 1) -> None:
        self.before = before
        self.count = count
        self.gone: list[bool] = []
        self.all_gone = threading.Event()

    def __call__(self, connection: Connection) -> None:
        if connection.number > self.count:
            connection.request()
            connection.answer(b"good")
            connection.gone()
            return
        connection.request()
        connection.send(self.before)
        self.gone.append(connection.gone())
        if len(self.gone) == self.count:
            self.all_gone.set()


async def cancel_in(state: FetchState, fetch: Callable[[Recorder], Awaitable[object]]) -> None:
    """Run `fetch`, cancel it once its recorder says `state`; the cancellation must come out as it went in."""
    recorder = Recorder()
    came_out = False

    async def run() -> None:
        nonlocal came_out
        try:
            await fetch(recorder)
        except anyio.get_cancelled_exc_class():
            came_out = True
            raise

    async with anyio.create_task_group() as fetches:
        fetches.start_soon(run)
        await until(lambda: recorder.state is state)
        await anyio.sleep(0.02)
        started = time.monotonic()
        fetches.cancel_scope.cancel()
    assert time.monotonic() - started < PATIENCE / 2  # nothing else would have ended it so early
    assert came_out


@pytest.mark.parametrize(
    ("before", "state"),
    [
        (b"", FetchState.WAITING),
        (b"HTTP/1.1 200 OK\r\nContent-", FetchState.WAITING),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", FetchState.RECEIVING),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", FetchState.RECEIVING),
    ],
)
async def test_the_server_sees_the_end_at_once(client: Client, before: bytes, state: FetchState) -> None:
    stalling = Stalling(before)
    with RawServer(stalling) as server:
        await cancel_in(state, lambda recorder: client.get(server.url(), recorder=recorder))
        assert client.pool.budget.used == 0
        assert await anyio.to_thread.run_sync(stalling.all_gone.wait, PATIENCE)
        assert stalling.gone == [True]
        assert (await client.get(server.url())).body == b"good"


async def test_while_connecting(client: Client) -> None:
    with full_backlog() as url:
        await cancel_in(FetchState.CONNECTING, lambda recorder: client.get(url, recorder=recorder))
    assert client.pool.budget.used == 0


async def test_in_the_tls_handshake(client: Client) -> None:
    stalling = Stalling(b"")
    with RawServer(stalling) as server:
        url = server.url().replace("http:", "https:")
        await cancel_in(FetchState.CONNECTING, lambda recorder: client.get(url, recorder=recorder))
        assert client.pool.budget.used == 0
        assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)


async def test_while_sending(client: Client) -> None:
    def handle(connection: Connection) -> None:
        time.sleep(0.2)
        connection.gone()

    with RawServer(handle) as server:
        await cancel_in(
            FetchState.SENDING,
            lambda recorder: client.get(server.url(), method="POST", body=b"x" * 30_000_000, recorder=recorder),
        )
        assert client.pool.budget.used == 0


async def test_while_waiting_for_a_socket_leaves_no_slot_behind(open_client: Opener) -> None:
    """Waiters cancelled in any order, also at the very moment they are let in, block nobody behind them."""
    client = open_client(TransportOptions(max_sockets=2))
    stalling = Stalling(b"", count=2)
    with RawServer(stalling) as server:
        async with anyio.create_task_group() as blockers:
            for _ in range(2):
                blockers.start_soon(client.get, server.url())
            await until(lambda: server.accepted == 2)
            async with anyio.create_task_group() as waiters:
                scopes: list[anyio.CancelScope] = []

                async def wait() -> None:
                    with anyio.CancelScope() as scope:
                        scopes.append(scope)
                        await client.get(server.url())

                for _ in range(20):
                    waiters.start_soon(wait)
                await until(lambda: len(scopes) == 20)
                for scope in scopes[::2]:
                    scope.cancel()
                blockers.cancel_scope.cancel()
                for scope in scopes[1:8:2]:
                    scope.cancel()
        assert (await client.get(server.url())).body == b"good"
    assert not client.pool.budget.contended


async def test_one_cancelled_when_it_was_its_turn_passes_the_turn_on() -> None:
    budget = DescriptorBudget(1, 16, lambda: False)
    assert budget.try_take()
    woken: list[int] = []
    scopes = [anyio.CancelScope() for _ in range(3)]

    async def wait(number: int) -> None:
        with scopes[number]:
            await budget.wait(again=False)
            woken.append(number)

    async with anyio.create_task_group() as waiters:
        for number in range(3):
            waiters.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
        scopes[0].cancel()
        budget.release()
        scopes[1].cancel()
        with anyio.fail_after(PATIENCE):
            while not woken:
                await anyio.lowlevel.checkpoint()
    assert woken == [2]
    assert not budget.contended


async def test_a_fast_server_does_not_hold_up_the_loop(client: Client) -> None:
    """Nor a cancellation: there is always more to read."""

    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                connection.socket.sendall(b"x" * 1_000_000)

    read, ticks = 0, 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.lowlevel.checkpoint()
            ticks += 1

    with RawServer(handle) as server:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            request = WireRequest("GET", server.url())
            async with client.transport.stream(request, TIMEOUTS, Recorder()) as response:
                async for _ in response.chunks():
                    time.sleep(0.002)  # noqa: ASYNC251  (the reader is the slower one)
                    read += 1
                    if read == 100:
                        break
            tasks.cancel_scope.cancel()
    assert ticks > 80


async def test_many_cancelled_at_random_leave_nothing(
    open_client: Opener, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    client = open_client(TransportOptions(ca_file=ca_file, max_sockets=8))

    def handle(connection: Connection) -> None:
        while connection.request():
            time.sleep(0.002)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
            time.sleep(0.002)
            connection.send(b"lo")

    with RawServer(handle) as plain, RawServer(handle, tls=server_tls) as secure:

        async def fetch(number: int) -> None:
            with anyio.move_on_after((number % 17) * 0.002):
                assert (await client.get((plain, secure)[number % 2].url())).body == b"hello"

        async with anyio.create_task_group() as fetches:
            for number in range(120):
                fetches.start_soon(fetch, number)
        assert client.pool.budget.used == client.pool.idle
        for server in (plain, secure):
            assert (await client.get(server.url())).body == b"hello"
