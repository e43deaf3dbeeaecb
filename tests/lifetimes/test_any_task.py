"""An engine hangs on no scope and no task of its caller: opened here, left there, whatever was done in between."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
import threading
import unittest
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from fetch_engine import EngineClosed, FetchCancelled, FetchEngine, FetchState
from tests.lifetimes.fake_transport import FakeWire, checked_wire
from tests.lifetimes.processes import run_script
from tests.lifetimes.test_shutdown import assert_ended
from tests.lifetimes.waiting import turns, until

pytestmark = pytest.mark.usefixtures("collector_off")

HOST = "http://a.test"

on_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
on_all = pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def run(function: Callable[[], Any], loop: str) -> Any:
    if loop == "trio":
        return anyio.run(function, backend="trio")
    return anyio.run(function, backend_options={"use_uvloop": loop == "uvloop"})


@pytest.mark.anyio
async def test_a_task_group_that_failed_inside_leaves_no_cancellation(anyio_backend_name: str) -> None:
    """On 3.11 and 3.12 `cancelling()` of the host grows with each such group."""
    if anyio_backend_name != "asyncio":
        pytest.skip("of asyncio")

    async def fails() -> None:
        raise ValueError

    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            for _ in range(3):
                with contextlib.suppress(BaseExceptionGroup):
                    async with asyncio.TaskGroup() as group:
                        group.create_task(fails())
                        await asyncio.sleep(60)
            assert (await engine.submit(f"{HOST}/ok")).status == 200
        assert_ended(engine)


@pytest.mark.anyio
async def test_a_cancellation_that_was_swallowed_inside_stays_so(anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("of asyncio")
    with checked_wire() as wire:
        task: Any = asyncio.current_task()
        before = task.cancelling()
        async with FetchEngine(open_transport=wire.open) as engine:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            assert task.cancelling() == before + 1
            assert (await engine.submit(f"{HOST}/ok")).status == 200
        assert_ended(engine)
        task.uncancel()


@pytest.mark.anyio
@pytest.mark.parametrize("count", [1, 4])
async def test_closed_by_any_task_and_by_several(count: int) -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/hang")
            await until(lambda: bool(wire.started))
            async with anyio.create_task_group() as group:
                for _ in range(count):
                    group.start_soon(engine.aclose)
            assert_ended(engine)
            with pytest.raises(FetchCancelled, match="engine was closed"):
                await task
            with pytest.raises(EngineClosed):
                engine.submit(HOST)
            await engine.aclose()
        assert_ended(engine)


@pytest.mark.anyio
async def test_one_that_was_never_opened_is_closed_without_a_word() -> None:
    engine = FetchEngine(open_transport=FakeWire().open)
    await engine.aclose()
    with pytest.raises(EngineClosed):
        async with engine:
            pass


@pytest.mark.anyio
async def test_entered_in_a_task_that_is_gone() -> None:
    with checked_wire() as wire:
        engine = FetchEngine(open_transport=wire.open)
        async with anyio.create_task_group() as group:
            group.start_soon(engine.__aenter__)
        with anyio.move_on_after(0):  # a scope that came and went since
            await anyio.sleep(1)
        assert (await engine.submit(f"{HOST}/ok")).status == 200
        stack = contextlib.AsyncExitStack()
        stack.push_async_exit(engine)
        async with anyio.create_task_group() as group:
            group.start_soon(stack.aclose)
        assert_ended(engine)


@pytest.mark.anyio
async def test_entered_in_a_scope_that_was_cancelled() -> None:
    with checked_wire() as wire:
        engine = FetchEngine(open_transport=wire.open)
        with anyio.CancelScope() as scope:
            await engine.__aenter__()
            scope.cancel()
            await anyio.sleep(60)
        async with anyio.create_task_group() as group:
            group.cancel_scope.cancel()
        assert (await engine.submit(f"{HOST}/ok")).status == 200
        await engine.aclose()
        assert_ended(engine)


@pytest.mark.anyio
async def test_closing_in_a_cancelled_scope_closes_all() -> None:
    with checked_wire() as wire:
        engine = FetchEngine(open_transport=wire.open)
        await engine.__aenter__()
        wire.shielded = 0.05
        kept = engine.submit(f"{HOST}/hang")
        await until(lambda: bool(wire.started))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await engine.aclose()
            assert_ended(engine)
        assert kept.state is FetchState.CANCELLED


@pytest.mark.anyio
async def test_closing_from_the_source_of_requests_is_an_error_not_a_hang() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:

            async def source() -> AsyncIterator[str]:
                yield f"{HOST}/ok"
                await engine.aclose()

            async def read() -> None:
                async for task in engine.as_completed(source()):
                    assert task.done()

            with pytest.raises(RuntimeError, match="one of its own tasks"), anyio.fail_after(30):
                await read()
            assert (await engine.submit(f"{HOST}/ok")).status == 200
        assert_ended(engine)


@on_loops
def test_two_cells_of_a_notebook(loop: str) -> None:
    """Each cell is a run of its own of the same loop, in a task of its own."""
    cells = new_loop(loop)
    with checked_wire() as wire:
        engine = FetchEngine(open_transport=wire.open)
        cells.run_until_complete(engine.__aenter__())

        async def use() -> int:
            return (await engine.submit(f"{HOST}/ok")).status

        assert cells.run_until_complete(use()) == 200
        assert cells.run_until_complete(use()) == 200
        cells.run_until_complete(engine.__aexit__(None, None, None))
        assert_ended(engine)
    assert asyncio.all_tasks(cells) == set()
    cells.close()


@on_loops
def test_a_fixture_that_yields(loop: str) -> None:
    """pytest-asyncio begins and ends an async generator in two tasks; so did many a dependency of FastAPI."""
    with checked_wire() as wire:

        async def fixture() -> AsyncIterator[FetchEngine]:
            async with FetchEngine(open_transport=wire.open) as engine:
                yield engine

        cells = new_loop(loop)
        generator = fixture()
        engine = cells.run_until_complete(anext(generator))

        async def test() -> None:
            assert (await engine.submit(f"{HOST}/ok")).status == 200

        cells.run_until_complete(test())
        with pytest.raises(StopAsyncIteration):
            cells.run_until_complete(anext(generator))
        assert_ended(engine)
        cells.close()


def test_a_test_case_of_the_standard_library() -> None:
    engines = []
    with checked_wire() as wire:

        class Case(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self) -> None:
                self.engine = await self.enterAsyncContext(FetchEngine(open_transport=wire.open))
                engines.append(self.engine)

            async def test_it(self) -> None:
                assert (await self.engine.submit(f"{HOST}/ok")).status == 200

        result = unittest.TestResult()
        Case("test_it").run(result)
        assert (result.errors, result.failures, result.testsRun) == ([], [], 1)
        assert_ended(engines[0])


@on_all
@pytest.mark.parametrize("order", ["first", "second"])
def test_two_engines_end_each_by_itself(loop: str, order: str) -> None:
    async def main() -> None:
        one, other = FakeWire(), FakeWire()
        first, second = FetchEngine(open_transport=one.open), FetchEngine(open_transport=other.open)
        await first.__aenter__()
        await second.__aenter__()
        leaving, staying, wire = (first, second, other) if order == "first" else (second, first, one)
        kept = staying.submit(f"{HOST}/hang")
        gone = leaving.submit(f"{HOST}/hang")
        await until(lambda: bool(one.started and other.started))
        await leaving.__aexit__(None, None, None)
        assert_ended(leaving)
        assert gone.state is FetchState.CANCELLED
        assert not kept.done()
        wire.release.set()
        assert (await kept).status == 200
        await staying.__aexit__(None, None, None)
        assert_ended(staying)
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep(60)
        assert scope.cancelled_caught

    run(main, loop)


@on_loops
def test_another_loop_is_refused_at_once(loop: str) -> None:
    """Not a wait for ever, and nothing happens to the engine and its other fetches, in debug mode neither."""

    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)
        with checked_wire() as wire:
            async with FetchEngine(open_transport=wire.open) as engine:
                tasks = [engine.submit(f"{HOST}/hang") for _ in range(3)]
                completions = engine.as_completed([f"{HOST}/hang"])
                done = engine.submit(f"{HOST}/ok")
                await done
                refused: list[str] = []

                async def elsewhere() -> None:
                    for use in (tasks[0].result, engine.join, engine.aclose, completions.__anext__):
                        try:
                            await use()
                        except RuntimeError as error:
                            refused.append(str(error))
                    assert (await done).status == 200  # there is nothing to wait for

                thread = threading.Thread(target=lambda: asyncio.run(elsewhere(), debug=True))
                thread.start()
                await anyio.to_thread.run_sync(thread.join)
                assert len(refused) == 4
                assert all("event loop" in message for message in refused)
                assert not any(task.done() for task in tasks)
                wire.release.set()
                assert [(await task).status for task in tasks] == [200] * 3
            assert_ended(engine)

    run(main, loop)


@on_all
def test_an_engine_that_is_never_left_is_one_warning_with_its_place(loop: str) -> None:
    ended = run_script(
        """
        async def main():
            engine = FetchEngine(open_transport=wire.open, grace=60)
            await engine.__aenter__()
            await engine.submit(f"{HOST}/ok")
            kept.append(engine.submit(f"{HOST}/hang"))
            await until(lambda: wire.in_flight == 1)

        kept = []
        loop = sys.argv[1]
        options = {} if loop == "trio" else {"use_uvloop": loop == "uvloop"}
        anyio.run(main, backend="trio" if loop == "trio" else "asyncio", backend_options=options)
        print(wire.closes, wire.in_flight, kept[0].state)
        """,
        loop,
        warnings="always",
    )
    assert (ended.returncode, ended.stdout) == (0, "[1] 0 cancelled\n"), ended.stderr
    assert ended.stderr.count("Warning") == 1, ended.stderr
    assert "ResourceWarning: unclosed FetchEngine, made at <string>:" in ended.stderr
    assert "never awaited" not in ended.stderr


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_loop_that_is_closed_under_an_engine(loop: str) -> None:
    """With a queued and a finished fetch and one whose session waits out its grace."""
    ended = run_script(
        """
        async def main():
            engine = FetchEngine(open_transport=wire.open, grace=60, limits=Limits(concurrency=1))
            await engine.__aenter__()
            await engine.submit(f"{HOST}/ok")
            kept.append(engine.submit(f"{HOST}/ok"))
            await kept[0]
            await asyncio.sleep(0.01)
            kept.append(engine.submit(f"{HOST}/ok"))
            return engine

        kept = []
        if sys.argv[1] == "uvloop":
            import uvloop
            loop = uvloop.new_event_loop()
        else:
            loop = asyncio.new_event_loop()
        engine = loop.run_until_complete(main())
        loop.close()
        census = engine.census()
        print(census.opened, census.alive, census.finished, kept[1].state, engine.session.leases)
        kept.clear()
        print(engine.census().closed)
        asyncio.run(engine.aclose())
        """,
        loop,
        warnings="always",
    )
    assert (ended.returncode, ended.stdout) == (0, "3 2 2 cancelled 0\n3\n"), ended.stderr
    assert "never awaited" not in ended.stderr
    assert ended.stderr.count("Warning") == 0, ended.stderr


@on_all
def test_a_generator_with_an_engine_in_it_that_is_abandoned(loop: str) -> None:
    """A ResourceWarning, not a hang; all of the engine is closed."""
    ended = run_script(
        """
        async def statuses(paths):
            async with FetchEngine(open_transport=wire.open) as engine:
                async for task in engine.as_completed([f"{HOST}/{path}" for path in paths]):
                    yield (await task).status

        async def main():
            async for status in statuses(["ok", "hang", "hang"]):
                break
            with anyio.fail_after(30):
                await until(lambda: wire.closes == [1])
            print(status, wire.in_flight)

        loop = sys.argv[1]
        options = {} if loop == "trio" else {"use_uvloop": loop == "uvloop"}
        anyio.run(main, backend="trio" if loop == "trio" else "asyncio", backend_options=options)
        """,
        loop,
        warnings="always",
    )
    assert (ended.returncode, ended.stdout) == (0, "200 0\n"), ended.stderr
    assert ended.stderr.count(": ResourceWarning: ") == 1, ended.stderr


@on_all
def test_a_generator_that_is_closed_by_hand_is_no_warning(loop: str) -> None:
    ended = run_script(
        """
        import contextlib

        async def statuses():
            async with FetchEngine(open_transport=wire.open) as engine:
                async for task in engine.as_completed([f"{HOST}/ok", f"{HOST}/hang"]):
                    yield (await task).status

        async def main():
            async with contextlib.aclosing(statuses()) as source:
                async for status in source:
                    break
            print(status, wire.closes, wire.in_flight)

        loop = sys.argv[1]
        options = {} if loop == "trio" else {"use_uvloop": loop == "uvloop"}
        anyio.run(main, backend="trio" if loop == "trio" else "asyncio", backend_options=options)
        """,
        loop,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "200 [1] 0\n", "")


@on_loops
def test_eager_tasks(loop: str) -> None:
    if sys.version_info < (3, 12):
        pytest.skip("came with 3.12")
    factory = asyncio.eager_task_factory
    taken = {"eager_start", "kwargs"} & inspect.signature(factory).parameters.keys()
    if loop == "uvloop" and not taken:
        pytest.skip("uvloop hands eager_start to the factory, and that of this Python does not take it")

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        with checked_wire() as wire:
            async with FetchEngine(open_transport=wire.open) as engine:
                assert (await engine.submit(f"{HOST}/ok")).status == 200
                kept = engine.submit(f"{HOST}/hang")
                await turns(10)
            assert kept.state is FetchState.CANCELLED
            assert_ended(engine)

    run(main, loop)
