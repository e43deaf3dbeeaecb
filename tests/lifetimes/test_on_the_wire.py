"""Fetches over real sockets: a dropped one frees its connection at once, and no end leaves one open."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from fetch_engine import FetchEngine, FetchResult, FetchTask, Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import Transport, WireRequest, WireResponse
from fetch_engine.model.transport_options import Client, TransportOptions
from fetch_engine.open_transport import http_opener
from tests.conftest import BACKENDS
from tests.lifetimes.waiting import all_let_go, until
from tests.wire.servers import Connection, RawServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

BODY = b"x" * 20_000
_ASYNCIO, _UVLOOP, _TRIO = (backend.values[0] for backend in BACKENDS)


class Peer:
    """A server with an answer for each path, that notes when a client has closed a connection under it."""

    def __init__(self) -> None:
        self.waiting = 0
        self.closed_at: list[float] = []

    def handle(self, connection: Connection) -> None:
        while request := connection.request():
            path = request.split()[1].decode()
            if path.startswith("/hang"):
                if path == "/hang-in-body":
                    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nxxx")
                self.waiting += 1
                if connection.gone():
                    self.closed_at.append(time.monotonic())
                return
            if path == "/reset":
                connection.reset()
                return
            if path == "/cut":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nxxx")
                return
            if path == "/garbage":
                connection.send(b"garbage\r\n\r\n")
                return
            if path == "/there":
                connection.answer(status="302 Found", headers="Location: /ok\r\n")
            elif path == "/404":
                connection.answer(b"none", status="404 Not Found")
            else:
                connection.answer(BODY)


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def url(peer: Peer) -> Iterator[Callable[[str], str]]:
    with RawServer(peer.handle) as server:
        yield server.url


class Counted:
    """A real client whose closing is counted."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.closes = 0

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        assert self.closes == 0
        stream: AbstractAsyncContextManager[WireResponse] = self.client.stream(request, timeouts, recorder)
        return stream

    async def aclose(self) -> None:
        self.closes += 1
        await self.client.aclose()


class Clients(list[Counted]):
    """Opens real clients and remembers them."""

    def __init__(self, client: Client, limits: Limits, options: TransportOptions | None = None) -> None:
        self.open_client = http_opener(replace(options or TransportOptions(), client=client), limits)

    async def __call__(self) -> Transport:
        self.append(Counted(await self.open_client()))
        return self[-1]


WAYS = [
    pytest.param((_ASYNCIO, "httpx"), id="asyncio"),
    pytest.param((_UVLOOP, "httpx"), id="uvloop"),
    pytest.param((_TRIO, "httpx"), id="trio"),
    pytest.param((_ASYNCIO, "fast"), id="fast-asyncio", marks=pytest.mark.once),
    pytest.param((_UVLOOP, "fast"), id="fast-uvloop"),
    pytest.param((_UVLOOP, "auto"), id="auto-uvloop", marks=pytest.mark.once),
]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[object, Client]:
    """An event loop, and what carries requests there."""
    chosen: tuple[object, Client] = request.param
    return chosen


@pytest.fixture
def anyio_backend(way: tuple[object, Client]) -> object:
    return way[0]


@pytest.fixture
def carrier(way: tuple[object, Client]) -> Client:
    return way[1]


@pytest.fixture
async def descriptors(carrier: Client) -> AsyncIterator[None]:
    """As many are open afterwards as before."""
    # What the process opens once, with its first connection, must not count.
    limits = Limits()
    async with FetchEngine(limits=limits, open_transport=Clients(carrier, limits)) as engine:
        await until(engine.submit("http://127.0.0.1:1/").done)
    before = len(os.listdir("/proc/self/fd"))
    yield
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before)


@pytest.mark.usefixtures("descriptors")
async def test_every_outcome_ends_at_nothing(carrier: Client, url: Callable[[str], str], peer: Peer) -> None:
    limits = Limits(concurrency=12, per_host=12)
    clients = Clients(carrier, limits)
    with socket.create_server(("127.0.0.1", 0)) as free:
        refused = f"http://127.0.0.1:{free.getsockname()[1]}/"
    states: Counter[str] = Counter()

    async def one_of_each() -> None:
        paths = ["/ok", "/404", "/there", "/reset", "/cut", "/garbage", "/hang", "/hang-in-body"]
        tasks = [(path, engine.submit(url(path))) for path in paths for _ in range(4)]
        tasks += [("", engine.submit(refused)), ("", engine.submit("http://"))]
        tasks += [("", engine.submit(url("/hang"), timeout=0.2))]
        await until(lambda: sum(task.done() for _, task in tasks) == 6 * 4 + 3)
        for path, task in tasks:
            if path == "/hang-in-body":
                task.cancel()
        tasks = [(path, task) for path, task in tasks if path != "/hang"]
        del task
        await engine.join()
        states.update(task.state for _, task in tasks)

    async with FetchEngine(limits=limits, open_transport=clients, grace=0.01) as engine:
        for _ in range(3):
            await one_of_each()
            await all_let_go(engine)
            await until(lambda: not engine.session.is_open)
    assert states == {"done": 36, "failed": 45, "cancelled": 12}
    assert [client.closes for client in clients] == [1] * len(clients)
    assert len(clients) == 3
    await until(lambda: len(peer.closed_at) == peer.waiting)


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("path", ["/hang", "/hang-in-body"])
@pytest.mark.timing
async def test_dropping_a_running_one_frees_its_connection(
    carrier: Client, path: str, url: Callable[[str], str], peer: Peer
) -> None:
    limits = Limits()
    state = "receiving" if path == "/hang-in-body" else "waiting"

    async def drop_eight() -> float:
        peer.waiting = 0
        peer.closed_at.clear()
        tasks = [engine.submit(url(path)) for _ in range(8)]
        await until(lambda: peer.waiting == 8 and all(task.state == state for task in tasks))
        dropped_at = time.monotonic()
        tasks.clear()
        await until(lambda: len(peer.closed_at) == 8)
        return max(peer.closed_at) - dropped_at

    async with FetchEngine(limits=limits, open_transport=Clients(carrier, limits)) as engine:
        delays = []
        for _ in range(3):
            delays.append(await drop_eight())
            await all_let_go(engine)
            assert (await engine.submit(url("/ok"))).status == 200
        assert min(delays) < 0.1  # the machine may be busy once


@pytest.mark.usefixtures("descriptors")
@pytest.mark.timing
async def test_dropping_one_that_connects(carrier: Client) -> None:
    limits = Limits()
    # A listener whose queue is full answers no further connection.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        async with FetchEngine(limits=limits, open_transport=Clients(carrier, limits)) as engine:
            tasks = [engine.submit(f"http://127.0.0.1:{address[1]}/") for _ in range(4)]
            await until(lambda: all(task.state == "connecting" for task in tasks))
            before = time.monotonic()
            tasks.clear()
            await all_let_go(engine)
            assert time.monotonic() - before < 2
        for filler in fillers:
            filler.close()


@pytest.mark.usefixtures("descriptors")
async def test_drops_in_all_phases_and_threads_harm_no_neighbour(carrier: Client, url: Callable[[str], str]) -> None:
    limits = Limits(concurrency=16, per_host=8)
    clients = Clients(carrier, limits)
    chance = random.Random(7)
    kept: list[FetchTask] = []
    threads: list[threading.Thread] = []
    async with FetchEngine(limits=limits, open_transport=clients, grace=0.0) as engine:

        async def submit_and_drop() -> None:
            for _ in range(30):
                host = chance.choice(["127.0.0.1", "localhost"])
                path = chance.choice(["/ok", "/ok", "/there", "/hang", "/hang-in-body"])
                doomed = [engine.submit(url(path).replace("127.0.0.1", host))]
                kept.append(engine.submit(url(chance.choice(["/ok", "/there"]))))
                await anyio.sleep(chance.choice([0, 0, 0.001, 0.003, 0.01]))
                if chance.random() < 0.15:
                    threads.append(threading.Thread(target=doomed.clear))
                    threads[-1].start()
                else:
                    doomed.clear()

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(submit_and_drop)
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
        await engine.join()
        failures = [task.outcome for task in kept if not isinstance(task.outcome, FetchResult)]
        assert failures == []
        assert len(kept) == 180
        assert all(isinstance(task.outcome, FetchResult) and task.outcome.body_size == len(BODY) for task in kept)
        kept.clear()
        await all_let_go(engine)
    assert [client.closes for client in clients] == [1] * len(clients)


@pytest.mark.usefixtures("descriptors")
async def test_cancels_under_pool_contention_leave_no_orphan(carrier: Client, url: Callable[[str], str]) -> None:
    """Sockets for 8, as many fetches at once, 25 origins: each new origin needs the place of another's connection."""
    limits = Limits(concurrency=8, per_host=2)
    origins = [f"origin{number}.test" for number in range(25)]
    port = int(url("").rpartition(":")[2])
    options = TransportOptions(max_sockets=8, resolve={(name, port): ["127.0.0.1"] for name in origins})
    clients = Clients(carrier, limits, options)
    chance = random.Random(49)
    async with FetchEngine(limits=limits, timeouts=Timeouts(pool=20), open_transport=clients, grace=0.0) as engine:

        def submit(origin: str, path: str) -> FetchTask:
            return engine.submit(url(path).replace("127.0.0.1", origin))

        kept: list[FetchTask] = []
        for _ in range(20):
            doomed = [submit(chance.choice(origins), chance.choice(["/hang", "/hang-in-body"])) for _ in range(6)]
            kept += [submit(origin, "/ok") for origin in chance.sample(origins, 10)]
            await anyio.sleep(chance.choice([0, 0.001, 0.003, 0.01]))
            for task in doomed[::2]:
                task.cancel()
            del task
            doomed.clear()
            await anyio.sleep(chance.choice([0, 0.002]))
        await engine.join()
        assert [task.outcome for task in kept if not isinstance(task.outcome, FetchResult)] == []
        assert clients[-1].client.connections <= 8
        kept.clear()
        await all_let_go(engine)
    assert [client.closes for client in clients] == [1] * len(clients)
    assert clients[-1].client.connections == 0
