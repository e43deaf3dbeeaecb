"""What holds wherever fetches run. Over real sockets: a child process cannot be given a fake wire."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from fetch_engine import FetchCancelled, FetchEngine, FetchError, FetchRequest, FetchTask, Limits, RetryPolicy, Timings
from fetch_engine.core.executor import Executor
from fetch_engine.core.local_executor import LocalExecutor
from fetch_engine.core.task import Outcome
from fetch_engine.executors.processes.executor import ProcessExecutor
from tests.executors.peer import Peer
from tests.lifetimes.waiting import all_let_go, until
from tests.wire.servers import RawServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

Url = Callable[[str], str]
Make = Callable[[int], Executor]

# Starting a process takes half a second of CPU, so that there are two only where that makes a difference.
EXECUTORS: dict[str, Make] = {"local": lambda _: LocalExecutor(), "processes": ProcessExecutor}


@pytest.fixture(params=["local", pytest.param("processes", marks=pytest.mark.once)])
def executor(request: pytest.FixtureRequest) -> Make:
    return EXECUTORS[request.param]


@pytest.fixture
def nap() -> float:
    """Seconds that are long beside the way to where fetches run."""
    return 0.02


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def url(peer: Peer) -> Iterator[Url]:
    with RawServer(peer.handle) as server:
        yield server.url


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@asynccontextmanager
async def opened(executor: Executor, **options: Any) -> AsyncIterator[FetchEngine]:
    """An engine that has nothing left at the end, here or there."""
    async with FetchEngine(executor=executor, grace=0.0, **options) as engine:
        yield engine
    census, session = engine.census(), engine.session
    assert (census.opened, census.alive, census.dropping) == (census.closed, 0, 0)
    assert (session.leases, session.is_open, session.generation) == (0, False, session.closed_generations)
    assert executor.idle
    if engine.processes is not None:
        assert engine.processes.all_ended, engine.processes
        assert engine.processes.lost == 0


def timeless(outcome: Outcome | None) -> Outcome:
    """Without what differs between any two fetches."""
    assert outcome is not None
    hops = tuple(replace(hop, timings=Timings(), url=hop.url.partition("?")[0]) for hop in outcome.redirects)
    retried = tuple(replace(attempt, elapsed=0.0, waited=0.0) for attempt in outcome.retried)
    return replace(outcome, elapsed=0.0, timings=Timings(), redirects=hops, retried=retried)


async def outcomes(make: Make, url: Url) -> list[Outcome]:
    """Of one of each kind, without what differs between any two fetches."""
    here = url("/ok").removeprefix("http://")
    requests = [
        FetchRequest(url("/ok")),
        FetchRequest(url("/ok"), method="POST", body=b"abc", headers=(("X-Own", "1"),)),
        FetchRequest(url("/ok"), method="HEAD"),
        FetchRequest(url("/404")),
        FetchRequest(url(f"/there/{here}")),
        FetchRequest(url(f"/there/{here}"), follow_redirects=False),
        FetchRequest(url("/reset"), method="POST"),
        FetchRequest(url("/cut"), method="POST"),
        FetchRequest("http://127.0.0.1:1/"),
        FetchRequest("no url at all"),
        FetchRequest(url("/big")),
    ]
    async with opened(make(1), retry=RetryPolicy(retries=1, delay=0.0)) as engine:
        tasks = [engine.submit(request) for request in requests]
        await engine.join()
        found = [timeless(task.outcome) for task in tasks]
        # What the screen and the lints look at.
        assert [task.recorder.attempts for task in tasks] == [each.attempts for each in found]
        assert [task.recorder.bytes_received for task in tasks] == [each.bytes_received for each in found]
        assert all(task.recorder.state.is_final for task in tasks)
        del tasks
    return found


@pytest.mark.once
async def test_outcomes_are_the_same_here_and_there(url: Url) -> None:
    assert await outcomes(EXECUTORS["processes"], url) == await outcomes(EXECUTORS["local"], url)


async def test_however_it_is_dropped_it_is_cancelled_there(executor: Make, peer: Peer, url: Url) -> None:
    async with opened(executor(2), limits=Limits(concurrency=4, per_host=4)) as engine:
        tasks: dict[int, FetchTask] = {number: engine.submit(url("/hang")) for number in range(4)}
        queued = [engine.submit(url("/never")) for _ in range(50)]
        await until(lambda: peer.hanging == 4, 20)
        queued.clear()  # while they wait for a place
        del tasks[0]
        await until(lambda: peer.gone == 1)
        thread = threading.Thread(target=tasks.__delitem__, args=(1,))
        thread.start()
        thread.join()
        await until(lambda: peer.gone == 2)
        cycle: list[Any] = [tasks.pop(2)]
        cycle.append(cycle)
        del cycle
        gc.collect(0)
        await until(lambda: peer.gone == 3)
        tasks[3].cancel()
        await until(tasks[3].done)
        with pytest.raises(FetchCancelled, match="cancelled"):
            await tasks[3]
        tasks.clear()
        await all_let_go(engine)
        assert engine.census().dropped_before_start == 50
        await until(lambda: not engine.session.is_open)
        assert peer.started["/never"] == 0
        # The next one opens the next generation.
        assert (await engine.submit(url("/ok"))).status == 200
        assert engine.session.generation == 2


async def test_places_are_those_of_all_together_also_after_a_redirect(
    executor: Make, peer: Peer, url: Url, nap: float
) -> None:
    there = url(f"/sleep/{nap}").replace("127.0.0.1", "localhost").removeprefix("http://")
    limits = Limits(concurrency=6, per_host=2)
    async with opened(executor(2), limits=limits) as engine:
        urls = [url(f"/sleep/{nap}") if number % 2 else url(f"/there/{there}") for number in range(30)]
        async for task in engine.as_completed(urls):
            assert task.outcome is not None
            assert task.outcome.status == 200
            del task
        await all_let_go(engine)
    assert {name: peer.peak[name] for name in ("127.0.0.1", "localhost")} == {"127.0.0.1": 2, "localhost": 2}


async def test_what_has_come_is_seen_while_it_comes(executor: Make, url: Url) -> None:
    async with opened(executor(1)) as engine:
        task = engine.submit(url("/half"))
        recorder = task.recorder
        await until(lambda: recorder.bytes_received >= 1000 and recorder.body_size == 1000, 20)
        assert (recorder.status, recorder.expected_size) == (200, 2000)
        assert not task.done()
        del task
        await all_let_go(engine)


async def test_a_rate_is_that_of_all_together(executor: Make, peer: Peer, url: Url) -> None:
    async with opened(executor(1), limits=Limits(concurrency=20, per_host=20, host_rate=20)) as engine:
        await engine.submit(url("/ok"))  # by now there is somebody to fetch
        async for task in engine.as_completed(url(f"/ok?{number}") for number in range(13)):
            assert task.outcome is not None
            assert task.outcome.status == 200
            del task
    times = sorted(at for at, path in peer.begun_at if "?" in path)
    assert times[-1] - times[0] > 0.35  # twelve times 0.05; a first one that came late makes it less


async def test_a_host_that_asks_for_less_rests_for_all(executor: Make, peer: Peer, url: Url) -> None:
    limits, retry = Limits(concurrency=8, per_host=2), RetryPolicy(retries=1)
    async with opened(executor(1), limits=limits, retry=retry) as engine:
        async for task in engine.as_completed([url("/busy"), *(url(f"/sleep/0.05?{n}") for n in range(8))]):
            assert task.outcome is not None
            assert task.outcome.status == 200
            assert task.outcome.attempts == (2 if task.url == url("/busy") else 1)
            del task
    asked = next(at for at, path in peer.begun_at if path == "/busy")
    # Those under way when it asked may have begun shortly after.
    assert not [path for at, path in peer.begun_at if asked + 0.5 < at < asked + 0.9]
    assert peer.started["/busy"] == 2


async def test_what_waited_for_a_host_says_how_long(executor: Make, peer: Peer, url: Url) -> None:
    async with opened(executor(1), limits=Limits(per_host=1), retry=RetryPolicy(retries=1)) as engine:
        tasks = [engine.submit(url("/busy")), engine.submit(url("/ok"))]
        await engine.join()
        for task in tasks:
            assert task.outcome is not None
            assert (task.outcome.status, task.outcome.retry_after) == (200, None)
            assert 0.5 < (task.outcome.timings.host_rest or 0) < 30
        assert [attempt.retry_after for attempt in tasks[0].outcome.retried] == [1.0]  # type: ignore[union-attr]
        notice = engine.hosts.pop()
        assert notice is not None
        assert (notice.host, notice.status, notice.waiting, notice.refused) == ("127.0.0.1", 429, 2, False)
        del task, tasks


async def test_a_host_that_asks_for_too_much_is_asked_nothing_more(executor: Make, peer: Peer, url: Url) -> None:
    async with opened(executor(1), limits=Limits(per_host=1), retry=RetryPolicy(retries=1)) as engine:
        busy = engine.submit(url("/busy/3600"))
        tasks = [engine.submit(url("/ok")) for _ in range(5)]
        result = await busy
        assert (result.status, result.attempts, result.retry_after) == (429, 1, 3600.0)
        led_there = url(f"/there/{url('/ok').removeprefix('http://')}").replace("127.0.0.1", "localhost", 1)
        tasks += [engine.submit(url("/ok")), engine.submit(led_there)]
        await engine.join()
        for task in tasks:
            assert isinstance(task.outcome, FetchError)
            assert (task.outcome.kind, task.outcome.retry_after) == ("host-busy", 3600.0)
            assert "asked to wait 3600 s, longer than the 60 s allowed" in task.outcome.message
            assert task.outcome.attempts == (1 if task is tasks[-1] else 0)
        assert (await engine.submit(url("/404").replace("127.0.0.1", "localhost"))).status == 404
        del task, tasks, busy
    assert [path.partition("/127")[0] for _, path in peer.begun_at] == ["/busy/3600", "/there", "/404"]


async def test_cancelling_what_the_engine_runs_in(executor: Make, peer: Peer, url: Url) -> None:
    before = descriptors()
    with anyio.CancelScope() as scope:
        async with opened(executor(1)) as engine:
            tasks = [engine.submit(url("/hang")) for _ in range(3)]
            await until(lambda: peer.hanging == 3, 20)
            scope.cancel()
            with anyio.CancelScope(shield=True):
                assert (await engine.submit(url("/ok"))).status == 200  # the scope is the caller's, not the engine's
            assert not any(task.done() for task in tasks)
            await anyio.sleep(60)
    assert scope.cancelled_caught
    assert {task.outcome and task.outcome.kind for task in tasks} == {"cancelled"}  # type: ignore[union-attr]
    del tasks
    await until(lambda: peer.gone == 3)
    await until(lambda: descriptors() <= before + 1)
