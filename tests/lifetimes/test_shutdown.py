"""Leaving the engine's block cancels and drains everything, closes the client, and returns, whatever made it leave."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import anyio
import pytest

from fetch_engine import (
    EngineClosed,
    FetchCancelled,
    FetchEngine,
    FetchError,
    FetchResult,
    FetchState,
    FetchTask,
    Limits,
)
from fetch_engine.core import mailbox
from tests.lifetimes.fake_transport import FakeWire, checked_wire
from tests.lifetimes.waiting import turns, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"


def assert_ended(engine: FetchEngine) -> None:
    """What is true after every end."""
    census = engine.census()
    assert census.opened == census.closed + census.alive
    assert (census.queued, census.running, census.dropping, census.pinned) == (0, 0, 0, 0)
    session = engine.session
    assert (session.is_open, session.leases) == (False, 0)
    assert session.generation == session.closed_generations
    scheduler: Any = engine._opened
    for table in (scheduler.running, scheduler.granted, scheduler.pins, scheduler.mailbox, scheduler.lanes._lanes):
        assert len(table) == 0
    assert scheduler.executor._workers == scheduler.executor._free_workers == 0


async def test_handles_that_outlive_the_engine() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=2)) as engine:
            done = engine.submit(f"{HOST}/ok")
            await done
            failed = engine.submit(f"{HOST}/fail")
            await until(failed.done)
            running = [engine.submit(f"{HOST}/hang") for _ in range(2)]
            queued = [engine.submit(f"{HOST}/hang") for _ in range(3)]
            pinned = engine.submit(f"{HOST}/hang", pin=True)
            await until(lambda: len(wire.started) == 4)
        assert_ended(engine)
        assert isinstance(done.outcome, FetchResult)
        assert (await done).status == 200
        assert failed.state is FetchState.FAILED
        for task in (*running, *queued, pinned):
            with pytest.raises(FetchCancelled, match="engine was closed"):
                await task
        assert engine.alive == 8
        failed.cancel()
        del done, failed, task
        assert engine.alive == 6
        running.clear()
        queued.clear()
        del pinned
        assert engine.census().closed == 8
        assert_ended(engine)


async def test_who_awaits_is_told() -> None:
    with checked_wire() as wire:
        outcomes: list[str] = []

        async def wait(task: FetchTask) -> None:
            try:
                await task
            except FetchCancelled as cancelled:
                outcomes.append(cancelled.error.message)

        async with anyio.create_task_group() as group, FetchEngine(open_transport=wire.open) as engine:
            for _ in range(3):
                group.start_soon(wait, engine.submit(f"{HOST}/hang"))
            await turns(5)
        assert outcomes == ["the engine was closed"] * 3
        assert_ended(engine)
        assert engine.alive == 0


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
async def test_an_error_of_the_body_comes_out_as_it_is(error: BaseException) -> None:
    with checked_wire() as wire:
        engine = FetchEngine(open_transport=wire.open)
        kept: list[FetchTask] = []

        async def use() -> None:
            async with engine:
                kept.append(engine.submit(f"{HOST}/hang"))
                await until(lambda: bool(wire.started))
                raise error

        with pytest.raises(type(error)) as caught:
            await use()
        assert caught.value is error
        assert kept[0].state is FetchState.CANCELLED
        assert_ended(engine)


async def test_an_outer_cancellation() -> None:
    with checked_wire() as wire:
        with anyio.move_on_after(0.02) as scope:
            async with FetchEngine(open_transport=wire.open) as engine:
                kept = [engine.submit(f"{HOST}/hang") for _ in range(20)]
                await anyio.sleep(60)
        assert scope.cancelled_caught
        assert {task.state for task in kept} == {FetchState.CANCELLED}
        assert_ended(engine)


async def test_a_shielded_body_under_an_outer_cancellation_keeps_its_fetches() -> None:
    """The scope is the caller's: the engine's own tasks hang on none of it."""
    with checked_wire() as wire, anyio.CancelScope() as scope:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=2)) as engine:
            tasks = [engine.submit(f"{HOST}/hang") for _ in range(4)]
            await until(lambda: len(wire.started) == 2)
            scope.cancel()
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 30) as limit:
                assert not any(task.done() for task in tasks)
                wire.release.set()
                await engine.join()
            assert not limit.cancelled_caught
            assert {task.state for task in tasks} == {FetchState.DONE}
    assert_ended(engine)


async def test_runners_that_take_their_time_are_waited_for() -> None:
    with checked_wire() as wire:
        wire.shielded = 0.05
        async with FetchEngine(open_transport=wire.open) as engine:
            kept = [engine.submit(f"{HOST}/hang") for _ in range(3)]
            await until(lambda: len(wire.started) == 3)
        assert len(wire.cancelled) == 3
        assert len(kept) == 3
        assert_ended(engine)


@pytest.mark.parametrize("count", [1, 2, 3, 10])
async def test_native_cancellation_does_not_break_the_end_half_way(count: int, anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("trio has no native cancellation of a task")
    with checked_wire() as wire:
        wire.shielded = 0.03
        engines: list[FetchEngine] = []

        async def host() -> None:
            async with FetchEngine(open_transport=wire.open) as engine:
                engines.append(engine)
                kept = [engine.submit(f"{HOST}/hang") for _ in range(3)]
                await until(lambda: len(wire.started) == 3)
                leaving.set()
            assert kept

        leaving = asyncio.Event()
        before = asyncio.all_tasks()
        task = asyncio.create_task(host())
        await leaving.wait()
        for _ in range(count):
            await asyncio.sleep(0.002)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert_ended(engines[0])
        assert asyncio.all_tasks() == before


async def test_native_cancellation_of_the_body(anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("trio has no native cancellation of a task")
    with checked_wire() as wire:
        engines: list[FetchEngine] = []

        async def host() -> None:
            async with FetchEngine(open_transport=wire.open) as engine:
                engines.append(engine)
                await engine.submit(f"{HOST}/hang")

        task = asyncio.create_task(host())
        await until(lambda: bool(wire.started))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert_ended(engines[0])


async def test_more_drops_than_one_round_of_the_mailbox_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "AT_ONCE", 7)
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            dropped = [engine.submit(f"{HOST}/hang") for _ in range(100)]
            for _ in range(100):
                engine.submit(f"{HOST}/hang", pin=True)
            dropped.clear()
        census = engine.census()
        assert (census.opened, census.closed, census.alive) == (200, 200, 0)
        assert_ended(engine)


async def test_a_client_being_closed_is_waited_for() -> None:
    with checked_wire() as wire:
        wire.closing = anyio.Event()
        async with anyio.create_task_group() as group:

            async def finish_closing() -> None:
                await anyio.sleep(0.02)
                assert engine.session.is_open
                assert wire.closing is not None
                wire.closing.set()

            async with FetchEngine(open_transport=wire.open, grace=0.0) as engine:
                await engine.submit(f"{HOST}/ok")
                await until(lambda: wire.closes == [1])
                group.start_soon(finish_closing)
            assert_ended(engine)


async def test_nothing_is_submitted_before_and_after() -> None:
    with checked_wire() as wire:
        engine = FetchEngine(open_transport=wire.open)
        for use in (lambda: engine.submit(HOST), lambda: engine.fetch(HOST), lambda: engine.as_completed([HOST])):
            with pytest.raises(EngineClosed):
                use()
        async with engine:
            pass
        with pytest.raises(EngineClosed):
            engine.submit(HOST)
        with pytest.raises(EngineClosed):
            async with engine:
                pass
        assert_ended(engine)
    assert wire.clients == []


async def test_submitting_while_it_ends() -> None:
    with checked_wire() as wire:
        wire.shielded = 0.03
        async with anyio.create_task_group() as group:

            async def late() -> None:
                await anyio.sleep(0.01)
                with pytest.raises(EngineClosed):
                    engine.submit(HOST)

            async with FetchEngine(open_transport=wire.open) as engine:
                task = engine.submit(f"{HOST}/hang")
                await until(lambda: bool(wire.started))
                group.start_soon(late)
            assert isinstance(task.outcome, FetchError)


async def test_an_ended_engine_is_freed_though_a_handle_is_kept() -> None:
    wire = FakeWire()

    async def use() -> tuple[FetchTask, weakref.ref[FetchEngine], weakref.ref[Any]]:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/ok", timeout=60)
            await task
            return task, weakref.ref(engine), weakref.ref(engine._opened)

    task, engine, scheduler = await use()
    await turns(3)
    gc.collect()
    assert engine() is None
    assert scheduler() is None
    assert (await task).status == 200


async def test_it_may_be_left_in_another_task_than_it_was_entered_in() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/hang")
            await until(lambda: bool(wire.started))
            async with anyio.create_task_group() as group:
                group.start_soon(engine.__aexit__, None, None, None)
            assert_ended(engine)
            assert task.state is FetchState.CANCELLED
        assert_ended(engine)
