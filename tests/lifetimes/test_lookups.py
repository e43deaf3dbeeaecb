"""Names that hang: threads stay bounded whatever is dropped, one look-up serves all who ask, other names go on."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from fetch_engine import ErrorKind, FetchEngine, FetchFailed, Limits
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.net import lookups
from fetch_engine.net.lookups import MOST_LOOKUPS, WITH_ABANDONED, Lookups
from tests.lifetimes.waiting import all_let_go, until
from tests.wire.servers import RawServer, echoing

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]


class Resolver:
    """The system's, but for names that begin with `hang`, which hang until `release`, and `good`, which is local."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.release = threading.Event()
        self.running = self.most = 0
        self._lock = threading.Lock()

    def getaddrinfo(self, host: bytes, *_: Any, **__: Any) -> list[Any]:
        name = host.decode()
        with self._lock:
            self.asked[name] += 1
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            if name.startswith("hang"):
                assert self.release.wait(120)
                raise socket.gaierror(socket.EAI_AGAIN, "try again")
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))]
        finally:
            with self._lock:
                self.running -= 1


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)
    yield resolver
    resolver.release.set()
    limit = threading.Event()
    for _ in range(600):
        if not lookups.LOOKUPS.running:
            break
        limit.wait(0.1)
    assert (lookups.LOOKUPS.running, lookups.LOOKUPS.wanted) == (0, 0)


def engine_of(concurrency: int) -> FetchEngine:
    limits = Limits(concurrency=concurrency, per_host=concurrency)
    return FetchEngine(limits=limits, transport=TransportOptions(client="httpx"), grace=0.0)


async def test_waves_of_dropped_fetches_of_one_name_are_one_thread(resolver: Resolver) -> None:
    with RawServer(echoing) as server:
        async with engine_of(80) as engine:
            for _ in range(6):
                held = [engine.submit("http://hang.test/") for _ in range(64)]
                await until(lambda: resolver.asked["hang.test"] == 1)
                await until(lambda: engine.census().running == 64)
                assert (await engine.submit(server.url(host="127.0.0.1"))).status == 200
                held.clear()
                await all_let_go(engine)
                assert (await engine.submit(server.url(host="good.test"))).status == 200
            assert resolver.asked["hang.test"] == 1
            assert resolver.most <= 2


async def test_waves_of_dropped_fetches_of_many_names_are_bounded(resolver: Resolver) -> None:
    with RawServer(echoing) as server:
        async with engine_of(80) as engine:
            for wave in range(3):
                held = [engine.submit(f"http://hang{wave}-{number}.test/") for number in range(30)]
                await until(lambda: resolver.running == 30 * (wave + 1))  # noqa: B023 - called at once
                assert (await engine.submit(server.url(host="good.test"))).status == 200  # the others go on
                held.clear()
                await all_let_go(engine)
            for wave in range(3, 9):
                held = [engine.submit(f"http://hang{wave}-{number}.test/", timeout=0.05) for number in range(64)]
                await engine.join()
                held.clear()
            assert resolver.most <= WITH_ABANDONED * MOST_LOOKUPS


async def test_all_who_ask_get_the_answer(resolver: Resolver) -> None:
    async with engine_of(8) as engine:
        tasks = [engine.submit("http://hang.test/") for _ in range(8)]
        await until(lambda: resolver.asked["hang.test"] == 1)
        await until(lambda: engine.census().running == 8)
        del tasks[0]
        resolver.release.set()
        for task in tasks:
            with pytest.raises(FetchFailed) as caught:
                await task
            assert caught.value.error.kind is ErrorKind.DNS
            del caught
        assert resolver.asked == {"hang.test": 1}


async def test_more_names_than_may_be_asked_for_wait_their_turn() -> None:
    """None is lost, none is asked twice, and those that left before their turn never are."""
    own = Lookups()
    asked: list[str] = []
    release = threading.Event()

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        assert release.wait(120)
        return [host]

    answers: list[list[str]] = []

    async def ask(number: int) -> None:
        answers.append(await own.look_up(str(number), 0, resolve, 4))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(ask, number)
        await until(lambda: len(asked) == 4)
        async with anyio.create_task_group() as impatient:
            for number in range(20, 30):
                impatient.start_soon(ask, number)
            await anyio.lowlevel.checkpoint()
            impatient.cancel_scope.cancel()
        assert own.wanted == own.running == 4
        release.set()
    assert sorted(int(answer[0]) for answer in answers) == [*range(20)]
    assert sorted(map(int, asked)) == [*range(20)]
    await until(lambda: own.running == own.wanted == 0)
    assert not own._lookups
    assert not own._queue
