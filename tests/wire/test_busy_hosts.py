"""Hosts that ask for less, over real sockets and every transport: who waits for what, and who does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

import anyio
import pytest

from fetch_engine import ErrorKind, FetchEngine, FetchError, FetchRequest, FetchResult, FetchTask, Limits, RetryPolicy
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import Transport, WireRequest, WireResponse
from tests.lifetimes.waiting import until

from .conftest import Client
from .servers import Connection, RawServer

pytestmark = pytest.mark.anyio


class Host:
    """A host with an address of its own. .../slow is answered when `finish` is set, /busy... once as `asked`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []  # status and headers of the next answers to /busy
        self.finish = threading.Event()
        self.seen: list[tuple[float, str]] = []

    def __call__(self, connection: Connection) -> None:
        while request := connection.request():
            path = request.split()[1].decode()
            self.seen.append((time.monotonic(), path))
            if path.endswith("/slow"):
                self.finish.wait(60)
            if path.startswith("/busy") and self.asked:
                status, headers = self.asked.pop(0)
                connection.answer(b"busy", status=status, headers=headers)
            elif path.startswith("/to/"):
                connection.answer(status="302 Found", headers=f"Location: http://{path[4:]}\r\n")
            else:
                connection.answer(b"fine")

    @property
    def paths(self) -> list[str]:
        return [path for _, path in self.seen]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def url(host: Host) -> Iterator[str]:
    with RawServer(host) as server:
        yield server.url("")
        host.finish.set()


@pytest.fixture
def other() -> Iterator[str]:
    with RawServer(Host(), host="127.0.0.2") as server:
        yield server.url("")


class Lent:
    """The transport of a fixture, which closes it: an engine may have it as its own."""

    def __init__(self, client: Client) -> None:
        self._transport = client.transport

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        return self._transport.stream(request, timeouts, recorder)

    async def aclose(self) -> None:
        return None

    async def open(self) -> Transport:
        return self


def outcome(task: FetchTask) -> FetchResult | FetchError:
    assert task.outcome is not None
    return task.outcome


def failure(task: FetchTask) -> FetchError:
    found = outcome(task)
    assert isinstance(found, FetchError)
    return found


async def test_a_rest_keeps_back_neither_others_nor_what_is_under_way(
    client: Client, host: Host, url: str, other: str
) -> None:
    host.asked = [("429 Too Many Requests", "Retry-After: 2\r\n")]
    async with FetchEngine(open_transport=Lent(client).open, limits=Limits(per_host=2)) as engine:
        slow = engine.submit(f"{url}/slow")
        await until(lambda: host.paths == ["/slow"], 60)
        busy = await engine.submit(f"{url}/busy")
        assert (busy.status, busy.retry_after) == (429, 2.0)
        waiting = [engine.submit(f"{url}/{number}") for number in range(4)]
        (rest,) = engine.hosts.resting()
        assert (rest.host, rest.status, rest.asked, rest.waiting, rest.refused) == ("127.0.0.1", 429, 2.0, 4, False)
        assert engine.hosts.rest_of(waiting[0]) is not None
        assert engine.hosts.rest_of(slow) is None
        assert (engine.hosts.held, engine.hosts.in_flight) == (4, 1)
        assert (await engine.submit(f"{other}/fine")).status == 200
        host.finish.set()
        assert (await slow).status == 200
        assert not any(task.done() for task in waiting)
        with anyio.fail_after(60):
            await engine.join()
        for task in waiting:
            found = outcome(task)
            assert (found.status, found.retry_after) == (200, None)
            assert 0.5 < (found.timings.host_rest or 0) <= (found.timings.queued or 0)
        assert busy.timings.host_rest is None
        assert (engine.hosts.resting(), engine.hosts.held) == ([], 0)
    asked = next(at for at, path in host.seen if path == "/busy")
    assert min(at for at, path in host.seen if path[1:].isdigit()) - asked > 1.99


async def test_a_wait_that_is_too_long_is_nobodys(client: Client, host: Host, url: str, other: str) -> None:
    host.asked = [("503 Busy", "Retry-After: 3600\r\n")]
    retry = RetryPolicy(retries=3)
    async with FetchEngine(open_transport=Lent(client).open, limits=Limits(per_host=2), retry=retry) as engine:
        slow = engine.submit(f"{url}/slow")
        await until(lambda: host.paths == ["/slow"], 60)
        busy = engine.submit(f"{url}/busy")
        queued = [engine.submit(f"{url}/queued") for _ in range(20)]
        found = await busy
        assert (found.status, found.attempts, found.preview, found.retry_after) == (503, 1, b"busy", 3600.0)
        with anyio.fail_after(60):
            await until(lambda: all(task.done() for task in queued), 60)
        later = engine.submit(f"{url}/later")
        led_there = engine.submit(f"{other}/to/{url.removeprefix('http://')}/there")
        fine = engine.submit(f"{other}/fine")
        host.finish.set()
        with anyio.fail_after(60):
            await engine.join()
        assert outcome(slow).status == outcome(fine).status == 200
        for task in (*queued, later, led_there):
            error = failure(task)
            assert (error.kind, error.retry_after) == (ErrorKind.HOST_BUSY, 3600.0)
            assert (
                error.message
                == "not sent: 127.0.0.1 answered 503 and asked to wait 3600 s, longer than the 60 s allowed"
            )
            assert (error.attempts, len(error.redirects)) == ((1, 1) if task is led_there else (0, 0))
        notice = engine.hosts.pop()
        assert notice is not None
        assert (notice.waiting, notice.refused) == (20, True)
        assert engine.hosts.pop() is None
    assert sorted(host.paths) == ["/busy", "/slow"]


async def test_what_was_done_before_a_redirect_to_a_refused_host_is_not_called_unsent(
    client: Client, host: Host, url: str, other: str
) -> None:
    host.asked = [("429 Too Many Requests", "Retry-After: 3600\r\n")]
    there = f"{other}/to/{url.removeprefix('http://')}/there"
    async with FetchEngine(open_transport=Lent(client).open) as engine:
        assert (await engine.submit(f"{url}/busy")).status == 429
        tasks = [engine.submit(FetchRequest(there, method)) for method in ("POST", "PUT", "GET")]
        with anyio.fail_after(60):
            await engine.join()
        errors = [failure(task) for task in tasks]
        assert [error.kind for error in errors] == ["redirect-refused", "host-busy", "host-busy"]
        assert errors[0].message.startswith("redirect not followed: 127.0.0.1 answered 429 and asked to wait 3600 s")
        assert {error.retry_after for error in errors} == {3600.0}
    assert host.paths == ["/busy"]


async def test_a_retry_waits_and_goes_first(client: Client, host: Host, url: str) -> None:
    host.asked = [("429 Too Many Requests", "Retry-After: 1\r\n")]
    retry = RetryPolicy(retries=1, delay=0.1)
    async with FetchEngine(open_transport=Lent(client).open, limits=Limits(per_host=1), retry=retry) as engine:
        busy, after = engine.submit(f"{url}/busy"), engine.submit(f"{url}/after")
        await until(lambda: engine.hosts.held == 2, 60)
        assert engine.hosts.rest_of(busy) is not None
        assert (busy.recorder.retry_cause, engine.hosts.in_flight) == ("429", 0)
        with anyio.fail_after(60):
            await engine.join()
        found = outcome(busy)
        assert (found.status, found.attempts, found.retried[0].retry_after) == (200, 2, 1.0)
        assert 0.5 < (found.timings.host_rest or 0) <= found.retried[0].waited
        assert outcome(after).status == 200
    (first, _), (second, _), _ = host.seen
    assert second - first > 0.99
    assert host.paths == ["/busy", "/busy", "/after"]


async def test_a_host_may_come_to_be_refused_while_a_retry_waits_for_it(client: Client, host: Host, url: str) -> None:
    host.asked = [("429 Too Many Requests", "Retry-After: 30\r\n"), ("429 Too Many Requests", "Retry-After: 90\r\n")]
    async with FetchEngine(open_transport=Lent(client).open, retry=RetryPolicy(retries=1)) as engine:
        slow = engine.submit(f"{url}/busy/slow")
        await until(lambda: host.paths == ["/busy/slow"], 60)
        retried = engine.submit(f"{url}/busy")
        await until(lambda: engine.hosts.held == 1, 60)
        host.finish.set()
        with anyio.fail_after(60):
            await engine.join()
        busy, error = outcome(slow), failure(retried)
        assert (busy.status, busy.attempts, busy.retry_after) == (429, 1, 90.0)
        assert (error.kind, error.attempts, error.retry_after) == (ErrorKind.HOST_BUSY, 1, 90.0)
        assert 0 < (error.timings.host_rest or 0) < 30
    assert host.paths == ["/busy/slow", "/busy"]
