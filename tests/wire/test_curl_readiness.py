"""What libcurl is told of its sockets, by the system's epoll or, where there is none, by the loop itself."""

from __future__ import annotations

import gc
import os
import select
import socket
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.libcurl.readiness import IN, OUT, EpollReadiness, LoopReadiness, OnReady, Readiness
from fetch_engine.libcurl.transport import FastTransport
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.results import ErrorKind
from tests.conftest import BACKENDS

from .conftest import Client, until
from .servers import Connection, RawServer, echoing

pytestmark = pytest.mark.anyio

KINDS = [
    pytest.param(EpollReadiness, marks=pytest.mark.skipif(not hasattr(select, "epoll"), reason="a system without")),
    LoopReadiness,
]
Kind = Callable[[OnReady], Readiness]


@pytest.fixture(params=BACKENDS[:2])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    with ours, theirs:
        yield ours, theirs


class Told:
    """Each descriptor with all that was told of it."""

    def __init__(self, kind: Kind) -> None:
        self.of: dict[int, int] = {}
        self.times = 0
        self.readiness = kind(self._on_ready)

    def _on_ready(self, ready: list[tuple[int, int]]) -> None:
        self.times += 1
        for descriptor, what in ready:
            self.of[descriptor] = self.of.get(descriptor, 0) | what


@pytest.mark.parametrize("kind", KINDS)
async def test_told_of_what_is_wanted_and_of_nothing_else(
    kind: Kind, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    told = Told(kind)
    told.readiness.watch(ours.fileno(), IN)
    told.readiness.watch(theirs.fileno(), OUT)
    await until(lambda: told.of == {theirs.fileno(): OUT})
    theirs.send(b"x")
    await until(lambda: told.of == {ours.fileno(): IN, theirs.fileno(): OUT})

    told.readiness.watch(theirs.fileno(), 0)
    told.readiness.watch(ours.fileno(), OUT)  # what is there to be read is not asked for any more
    told.of.clear()
    await until(lambda: told.of == {ours.fileno(): OUT})
    told.readiness.watch(ours.fileno(), IN | OUT)
    await until(lambda: told.of == {ours.fileno(): IN | OUT})

    told.readiness.watch(ours.fileno(), 0)
    told.readiness.watch(ours.fileno(), 0)
    times = told.times
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert told.times == times
    told.readiness.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_told_as_long_as_it_is_ready(kind: Kind, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    told = Told(kind)
    told.readiness.watch(ours.fileno(), IN)
    theirs.send(b"x")
    await until(lambda: told.times > 3)
    ours.recv(1)
    await anyio.lowlevel.checkpoint()
    times = told.times
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert told.times <= times + 1
    told.readiness.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", [IN, OUT])
async def test_an_error_is_told_as_what_was_wanted(kind: Kind, wanted: int) -> None:
    with socket.socket() as listener, socket.socket() as ours:
        listener.bind(("127.0.0.1", 0))
        refused = listener.getsockname()
        listener.close()
        ours.setblocking(False)
        ours.connect_ex(refused)
        told = Told(kind)
        told.readiness.watch(ours.fileno(), wanted)
        await until(lambda: told.of.get(ours.fileno(), 0) & wanted)
        told.readiness.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_kept_after_the_end(
    kind: Kind, pair: tuple[socket.socket, socket.socket], collector_off: None
) -> None:
    ours, theirs = pair
    before = len(os.listdir("/dev/fd"))
    told = Told(kind)
    told.readiness.watch(ours.fileno(), IN)
    told.readiness.close()
    theirs.send(b"x")
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert told.times == 0
    assert len(os.listdir("/dev/fd")) == before
    gone = weakref.ref(told)
    del told
    assert gc.isenabled() is False
    assert gone() is None


def answering_by_path(connection: Connection) -> None:
    path = connection.request().split()[1]
    if path == b"/cut":
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        connection.close()
    elif path == b"/silent":
        connection.gone()
    else:
        echoing(connection)


async def test_fetches_without_the_systems_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll", raising=False)
    before = len(os.listdir("/dev/fd"))
    transport = FastTransport(TransportOptions(), Limits())
    client = Client(transport)
    with RawServer(echoing) as server:

        async def fetch_some(worker: int) -> None:
            for turn in range(10):
                path = f"/{worker}-{turn}"
                assert f"{path} ".encode() in (await client.get(server.url(path))).body

        async with anyio.create_task_group() as workers:
            for worker in range(8):
                workers.start_soon(fetch_some, worker)
        assert server.accepted <= 8
    with RawServer(answering_by_path) as server:
        with pytest.raises(AttemptFailed) as cut:
            await client.get(server.url("/cut"))
        assert cut.value.kind is ErrorKind.INCOMPLETE
        with anyio.move_on_after(0.2) as scope:
            await client.get(server.url("/silent"))
        assert scope.cancelled_caught
    await transport.aclose()
    assert transport.connections == 0
    await until(lambda: len(os.listdir("/dev/fd")) == before)
