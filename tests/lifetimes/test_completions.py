"""as_completed: any source, a bounded number of handles, and nothing left running when the loop is left."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
import pytest

from fetch_engine import EngineClosed, FetchEngine, FetchState, Limits
from fetch_engine.core.as_completed import AsCompleted
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"
FEW = Limits(concurrency=4, per_host=4)


class Source:
    """An iterable of URLs that counts what has been taken from it."""

    def __init__(self, count: int, path: str = "ok") -> None:
        self.count = count
        self.path = path
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        for number in range(self.count):
            self.taken += 1
            yield f"{HOST}/{self.path}?{number}"


async def test_each_url_comes_out_once_and_done() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            source = Source(200)
            seen: list[str] = []
            async for task in engine.as_completed(source, window=8):
                assert task.done()
                seen.append(task.url)
                assert engine.alive <= 8 + 1
                assert source.taken <= len(seen) + 8
            assert sorted(seen) == sorted(Source(200))
            assert engine.alive == 1  # the loop variable
            assert engine.session.leases == 1
            del task
            await all_let_go(engine)


async def test_in_order_of_completion_failures_included() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            paths = ["hang", "ok", "fail", "bug", "status/500"]
            urls = [f"{HOST}/{path}" for path in paths] + [""]
            completed = engine.as_completed(urls)
            states = {}
            for _ in range(5):
                task = await anext(completed)
                states[task.url.removeprefix(f"{HOST}/")] = task.state
            assert "hang" not in states
            assert states == {"ok": "done", "fail": "failed", "bug": "failed", "status/500": "done", "": "failed"}
            wire.release.set()
            task = await anext(completed)
            assert task.url == f"{HOST}/hang"
            with pytest.raises(StopAsyncIteration):
                await anext(completed)
            with pytest.raises(StopAsyncIteration):
                await anext(completed)


async def test_breaking_out_cancels_the_window() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            source = Source(1_000_000)
            count = 0
            async for _task in engine.as_completed(source, window=16):
                count += 1
                if count == 200:
                    break
            assert source.taken <= 200 + 16
            del _task
            await all_let_go(engine)
            assert engine.census().opened == source.taken


async def test_dropping_the_iterator_while_all_of_its_fetches_run() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            completed = engine.as_completed(Source(100, "hang"), window=10)
            await consume_until(completed, lambda count: len(wire.started) == 4)
            assert engine.alive == 10
            del completed
            await all_let_go(engine)
            assert len(wire.cancelled) == 4


async def consume_until(completed: AsCompleted, condition: Callable[[int], bool]) -> None:
    """Take what comes out, and give up waiting for more once the condition holds for their number."""
    count = 0
    deadline = anyio.current_time() + 5
    while not condition(count):
        assert anyio.current_time() < deadline
        with anyio.move_on_after(0.005):
            await anext(completed)
            count += 1


async def test_a_cancelled_wait_loses_nothing() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            completed = engine.as_completed(Source(30, "hang"), window=10)
            for _ in range(5):
                with anyio.move_on_after(0.005):
                    await anext(completed)
            wire.release.set()
            assert len([task.id async for task in completed]) == 30


async def test_an_error_of_the_source_comes_out_and_cancels_the_window() -> None:
    def source() -> Iterator[str]:
        yield from Source(20, "hang")
        raise ZeroDivisionError

    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            completed = engine.as_completed(source(), window=50)
            with pytest.raises(ZeroDivisionError):
                await anext(completed)
            await all_let_go(engine)
            with pytest.raises(StopAsyncIteration):
                await anext(completed)


async def test_a_slow_consumer_reads_no_further_than_the_window() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            source = Source(50)
            completed = engine.as_completed(source, window=5)
            for number in range(1, 51):
                task = await anext(completed)
                await anyio.sleep(0.001)
                assert source.taken <= number + 5
            del task


async def test_any_number_in_the_room_of_a_window() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            objects = 0
            count = 0
            async for _task in engine.as_completed(("" for _ in range(6_000)), window=32):
                count += 1
                if count == 1_000:
                    objects = len(gc.get_objects())
            assert count == 6_000
            assert len(gc.get_objects()) - objects < 500


async def test_the_window_must_hold_something() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            with pytest.raises(ValueError, match="at least 1"):
                engine.as_completed([], window=0)
            assert [task async for task in engine.as_completed([])] == []


class AsyncSource:
    """URLs that come in time; `gate` holds up the one after `before`."""

    def __init__(self, count: int, before: int = -1, path: str = "ok") -> None:
        self.count = count
        self.before = before
        self.path = path
        self.taken = 0
        self.gate = anyio.Event()
        self.closed = False

    async def urls(self) -> AsyncIterator[str]:
        try:
            for number in range(self.count):
                if number == self.before:
                    await self.gate.wait()
                self.taken += 1
                yield f"{HOST}/{self.path}?{number}"
                await anyio.sleep(0)  # noqa: ASYNC115 - as a source would
        finally:
            self.closed = True


async def test_an_async_source() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            source = AsyncSource(100)
            seen = []
            async for task in engine.as_completed(source.urls(), window=6):
                seen.append(task.url)
                assert engine.alive <= 7
                assert source.taken <= len(seen) + 2 * 6 + 1
            assert len(set(seen)) == 100
            assert source.closed
            del task
            await all_let_go(engine)


async def test_results_come_while_an_async_source_stalls() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            source = AsyncSource(20, before=10)
            completed = engine.as_completed(source.urls(), window=4)
            with anyio.CancelScope(deadline=anyio.current_time() + 5):
                for _ in range(10):
                    task = await anext(completed)
                    assert task.state is FetchState.DONE
            assert source.taken == 10
            del task
            await until(lambda: engine.alive == 0)
            source.gate.set()
            assert len([task.id async for task in completed]) == 10


@pytest.mark.parametrize("path", ["ok", "hang"])
async def test_dropping_the_iterator_while_the_source_stalls(path: str) -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            source = AsyncSource(20, before=10, path=path)
            completed = engine.as_completed(source.urls(), window=20)
            expected = 10 if path == "ok" else 0
            await consume_until(completed, lambda count: source.taken == 10 and count == expected)
            del completed
            await all_let_go(engine)
            await until(lambda: source.closed)


async def test_breaking_out_closes_a_source_that_waits_for_room() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            source = AsyncSource(1000)
            async for _task in engine.as_completed(source.urls(), window=3):
                await turns(20)
                break
            del _task
            await all_let_go(engine)
            await until(lambda: source.closed)
            assert source.taken <= 1 + 3 + 3 + 1


async def test_dropping_the_iterator_before_the_first_turn() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            source = AsyncSource(10)
            engine.as_completed(source.urls())
            await turns(5)
            assert source.taken == 0
            assert engine.census().opened == 0


async def test_an_error_of_an_async_source_comes_out_once() -> None:
    gate = anyio.Event()

    async def source() -> AsyncIterator[str]:
        yield f"{HOST}/hang"
        yield f"{HOST}/ok"
        await gate.wait()
        raise ZeroDivisionError

    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            completed = engine.as_completed(source())
            assert (await anext(completed)).url == f"{HOST}/ok"
            gate.set()
            with pytest.raises(ZeroDivisionError):
                await anext(completed)
            await all_let_go(engine)
            with pytest.raises(StopAsyncIteration):
                await anext(completed)


async def test_a_consumer_that_outlives_the_engine_is_told() -> None:
    ended: list[str] = []
    with checked_wire() as wire:
        source = AsyncSource(10, before=3)
        async with anyio.create_task_group() as group:
            async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:

                async def consume() -> None:
                    try:
                        async for task in engine.as_completed(source.urls()):
                            ended.append(task.state)
                    except EngineClosed:
                        ended.append("closed")

                group.start_soon(consume)
                await until(lambda: len(ended) == 3)
            group.cancel_scope.deadline = anyio.current_time() + 5
        assert not group.cancel_scope.cancelled_caught
    assert ended == ["done"] * 3 + ["closed"]
    assert source.closed


async def test_a_cancelled_wait_does_not_keep_the_window_alive() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=FEW) as engine:
            owner = [engine.as_completed(Source(3, "hang"))]

            async def wait() -> None:
                await anext(owner[0])

            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await until(lambda: len(wire.started) == 3)
                group.cancel_scope.cancel()
            owner.clear()
            await all_let_go(engine)
