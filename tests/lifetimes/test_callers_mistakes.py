"""What a caller brings along may raise: its own fetch fails as `internal`, and the rest goes on."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import pickle
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest

from fetch_engine import (
    CompletionQueue,
    EngineClosed,
    FetchCancelled,
    FetchEngine,
    FetchError,
    FetchFailed,
    FetchRequest,
    FetchResult,
    Limits,
)
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest, WireResponse
from tests.lifetimes.fake_transport import FakeClient, FakeWire, checked_wire
from tests.lifetimes.waiting import all_let_go, until

pytestmark = pytest.mark.usefixtures("collector_off")

HOST = "http://a.test"


class Unspeakable(Exception):
    """Its text cannot be had either."""

    def __str__(self) -> str:
        raise ValueError


ERRORS = [KeyError("x"), RecursionError(), MemoryError(), RuntimeError("Event loop is closed"), Unspeakable()]


class Failing(CompletionQueue):
    """A completion queue with a bug."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def add(self, task_id: int, outcome: Any) -> None:
        raise self.error


@pytest.mark.anyio
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_watcher(error: Exception) -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=2)) as engine:
            watcher = Failing(error)
            neighbours = [engine.submit(f"{HOST}/hang")]
            failing = [engine.submit(f"{HOST}/{path}", watcher=watcher) for path in ("ok", "fail", "status/404")]
            failing.append(engine.submit(f"{HOST}/ok", watcher=watcher, timeout=600))
            for task in failing:
                with pytest.raises(FetchFailed) as caught:
                    await task
                assert caught.value.error.kind is ErrorKind.INTERNAL
                assert type(error).__name__ in caught.value.error.message
                del caught, task
            engine.submit(f"{HOST}/ok", watcher=watcher)  # dropped at once
            assert not neighbours[0].done()
            assert (await engine.submit(f"{HOST}/ok")).status == 200
            wire.release.set()
            assert (await neighbours[0]).status == 200
            neighbours.clear()
            failing.clear()
            await all_let_go(engine)


class BadClient(FakeClient):
    """A transport that fails where the path says so."""

    def __init__(self, wire: FakeWire, error: BaseException) -> None:
        super().__init__(wire)
        self.error = error

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        if request.url.endswith("/bad"):
            raise self.error
        return super().stream(request, timeouts, recorder)


@pytest.mark.anyio
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_transport(error: Exception) -> None:
    await use_bad_transport(error)


@pytest.mark.anyio
async def test_a_transport_that_raises_the_cancellation_of_asyncio(anyio_backend_name: str) -> None:
    """As a library does that awaits a future which somebody else cancelled."""
    if anyio_backend_name != "asyncio":
        pytest.skip("of asyncio")
    await use_bad_transport(asyncio.CancelledError())


async def use_bad_transport(error: BaseException) -> None:
    with checked_wire() as wire:

        async def open_bad() -> BadClient:
            client = BadClient(wire, error)
            wire.clients.append(client)
            return client

        async with FetchEngine(open_transport=open_bad, limits=Limits(concurrency=2)) as engine:
            neighbour = engine.submit(f"{HOST}/hang")
            for _ in range(3):
                with pytest.raises(FetchFailed) as caught:
                    await engine.submit(f"{HOST}/bad")
                assert caught.value.error.kind is ErrorKind.INTERNAL
                del caught
                assert (await engine.submit(f"{HOST}/ok")).status == 200
            wire.release.set()
            assert (await neighbour).status == 200
            del neighbour
            await all_let_go(engine)


VALUE: contextvars.ContextVar[str] = contextvars.ContextVar("value", default="none")


class SeeingClient(FakeClient):
    """Notes the context of each request, before and after it has waited."""

    def __init__(self, wire: FakeWire, seen: list[str]) -> None:
        super().__init__(wire)
        self.seen = seen

    def stream(
        self, request: WireRequest, timeouts: Timeouts, recorder: Recorder
    ) -> AbstractAsyncContextManager[WireResponse]:
        self.seen.append(VALUE.get())
        return super().stream(request, timeouts, recorder)


@pytest.mark.anyio
async def test_requests_run_in_the_context_of_their_submit() -> None:
    seen: list[str] = []
    with checked_wire() as wire:

        async def open_seeing() -> SeeingClient:
            client = SeeingClient(wire, seen)
            wire.clients.append(client)
            return client

        VALUE.set("opened")
        async with FetchEngine(open_transport=open_seeing, limits=Limits(concurrency=1)) as engine:
            await engine.submit(f"{HOST}/ok")
            VALUE.set("first")
            first = engine.submit(f"{HOST}/hang")
            VALUE.set("second")
            second = engine.submit(f"{HOST}/to/b.test/ok")
            VALUE.set("opened")
            third = engine.submit(f"{HOST}/ok")
            third_cancelled = engine.submit(f"{HOST}/hang")
            VALUE.set("later")
            wire.release.set()
            for task in (first, second, third):
                assert (await task).status == 200
            third_cancelled.cancel()
            assert sorted(seen[:5]) == ["first", "opened", "opened", "second", "second"]  # two hops
            assert VALUE.get() == "later"
            del first, second, third, third_cancelled, task
            await all_let_go(engine)


@pytest.mark.anyio
async def test_one_that_runs_in_a_context_of_its_own_is_cancelled_and_timed_out_as_any() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            VALUE.set("mine")
            held = [engine.submit(f"{HOST}/hang") for _ in range(3)]
            held.append(engine.submit(f"{HOST}/hang", timeout=0.05))
            await until(lambda: wire.in_flight == 4)
            held[0].cancel()
            del held[1]
            await until(lambda: sum(task.done() for task in held) == 2)
            held.clear()
            await all_let_go(engine)
            assert wire.in_flight == 0
            with pytest.raises(FetchFailed) as caught:
                await engine.submit(f"{HOST}/fail")
            assert caught.value.__cause__ is caught.value.__context__ is None
            del caught
            await all_let_go(engine)


class Drained:
    """A frontier as crawlers have it: an iterator that has nothing for now, and more later."""

    def __init__(self, todo: deque[str]) -> None:
        self.todo = todo

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.todo:
            raise StopIteration
        return self.todo.popleft()


def popping(todo: deque[str]) -> Iterator[str | None]:
    while True:
        yield todo.popleft() if todo else None


@pytest.mark.anyio
@pytest.mark.parametrize("source", [Drained, popping, "list"])
@pytest.mark.parametrize("window", [1, 4, 128])
async def test_a_source_that_grows_is_read_to_its_end(source: Any, window: int) -> None:
    """A page with twelve links, each of which has two: 37 in all."""
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            found = [f"{HOST}/ok?"]
            todo: Any = found if source == "list" else deque(found)
            seen = []
            async for task in engine.as_completed(todo if source == "list" else source(todo), window=window):
                seen.append(task.url)
                depth = task.url.count("-")
                if depth < 2:
                    todo.extend(f"{task.url}-{number}" for number in range(12 if depth == 0 else 2))
                del task
            assert len(seen) == len(set(seen)) == 37
            await all_let_go(engine)


@pytest.mark.anyio
async def test_an_asynchronous_source_may_give_nothing_too() -> None:
    async def source() -> AsyncIterator[str | None]:
        yield f"{HOST}/ok"
        yield None
        yield f"{HOST}/ok"

    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            assert len([task.url async for task in engine.as_completed(source())]) == 2


ERROR = FetchError(ErrorKind.CONNECT, "refused", attempts=2)


@pytest.mark.parametrize(
    "error",
    [
        FetchFailed(ERROR),
        FetchCancelled(FetchError(ErrorKind.CANCELLED, "the engine was closed")),
        EngineClosed("the engine is closed"),
        AttemptFailed(ErrorKind.DNS, "no such name", unsent=True),
    ],
)
@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_exceptions_are_copied_and_pickled(error: Exception, make: Callable[[Any], Any]) -> None:
    error.add_note("a note")
    again = make(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.anyio
async def test_results_are_pickled() -> None:
    async with FetchEngine(open_transport=FakeWire().open) as engine:
        result = await engine.submit(f"{HOST}/ok")
        records: list[Any] = [result, engine.census(), FetchRequest(HOST), engine.session.generations()]
    for record in records:
        assert pickle.loads(pickle.dumps(record)) == record
    assert isinstance(result, FetchResult)


@pytest.mark.anyio
async def test_urls_headers_and_bodies_of_other_kinds() -> None:
    request = FetchRequest(HOST, headers={"A": "1", "B": "2"}, body="ä")  # type: ignore[arg-type]
    assert (request.headers, request.body) == ((("A", "1"), ("B", "2")), "ä".encode())
    assert FetchRequest(HOST, headers=[["A", "1"]]).headers == (("A", "1"),)  # type: ignore[arg-type]
    assert FetchRequest(HOST, body=bytearray(b"x")).body == b"x"  # type: ignore[arg-type]
    assert FetchRequest(httpx.URL(HOST)).url == HOST  # type: ignore[arg-type]
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            assert (await engine.submit(httpx.URL(f"{HOST}/ok"))).status == 200
            assert (await engine.submit(FetchRequest(f"{HOST}/ok", headers={"A": "1"}))).status == 200  # type: ignore[arg-type]
            for wrong in (None, 7, b"http://a.test", ["http://a.test"]):
                with pytest.raises(TypeError, match="a URL must be"):
                    engine.submit(wrong)  # type: ignore[arg-type]
            assert engine.census().opened == 2


@pytest.mark.parametrize("headers", ["A: 1", b"A: 1", 7, ["A: 1"], [("A",)], {"A": 1}, [("A", b"1")]])
def test_headers_that_are_none(headers: Any) -> None:
    with pytest.raises(TypeError, match="headers must be"):
        FetchRequest(HOST, headers=headers)


@pytest.mark.parametrize("body", [7, None, {"a": 1}, ["x"]])
def test_bodies_that_are_none(body: Any) -> None:
    with pytest.raises(TypeError, match="a body must be"):
        FetchRequest(HOST, body=body)


def test_an_engine_that_could_not_be_made_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ignored: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", ignored.append)
    with pytest.raises(TypeError, match="bad"):
        FetchEngine(bad=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="concurrency"):
        FetchEngine(limits=Limits(concurrency=0))
    assert ignored == []


@pytest.mark.anyio
async def test_a_handle_shows_no_password() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit("http://me:hunter2@a.test/ok?token=abc&q=1")
            assert "hunter2" not in repr(task)
            assert "abc" not in repr(task)
            assert "q=1" in repr(task)


@pytest.mark.anyio
async def test_a_subclass_stays_itself() -> None:
    @dataclass(frozen=True, slots=True)
    class Numbered(FetchRequest):
        number: int = 0

    class Mine(FetchEngine):
        def mine(self) -> int:
            return self.census().opened

    with checked_wire() as wire:
        async with Mine(open_transport=wire.open) as engine:
            task = engine.submit(Numbered(f"{HOST}/ok", number=7))
            await task
            assert isinstance(task.request, Numbered)
            assert engine.mine() == 1
            with anyio.move_on_after(1):
                await engine.join()
