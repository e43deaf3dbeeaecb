"""Who awaits a handle owns it; what it raises keeps no handle alive."""

from __future__ import annotations

import gc
import sys
from typing import Any

import anyio
import pytest

from fetch_engine import ErrorKind, FetchCancelled, FetchEngine, FetchFailed, FetchState, FetchTask
from tests.lifetimes.fake_transport import FakeWire, checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"


async def test_the_awaiting_frame_owns_the_handle() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            statuses: list[int] = []

            async def sole_reference() -> None:
                statuses.append((await engine.submit(f"{HOST}/hang")).status)

            async with anyio.create_task_group() as group:
                group.start_soon(sole_reference)
                await until(lambda: bool(wire.started))
                gc.collect()
                gc.collect()
                assert engine.alive == 1
                wire.release.set()
            assert statuses == [200]
            await all_let_go(engine)


async def test_cancelling_the_awaiting_scope_drops_the_handle() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(engine.submit(f"{HOST}/hang").result)
                    await until(lambda: bool(wire.started))
                    scope.cancel()
            await all_let_go(engine)
    assert wire.cancelled == [f"{HOST}/hang"]


async def test_cancelling_one_who_waits_leaves_a_retained_fetch_running() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/hang")
            with anyio.move_on_after(0.01):
                await task
            assert not task.done()
            wire.release.set()
            assert (await task).status == 200


async def test_hundred_waiters_on_one_handle() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/hang")
            statuses: list[int] = []

            async def wait(task: FetchTask) -> None:
                statuses.append((await task).status)

            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(wait, task)
                await turns(3)
                wire.release.set()
            assert statuses == [200] * 100
            assert (await task) is (await task)
            del task
            await all_let_go(engine)


async def failure_of(task: FetchTask) -> FetchFailed | FetchCancelled:
    try:
        await task
    except (FetchFailed, FetchCancelled) as failure:
        return failure
    raise AssertionError("it did not fail")


async def test_every_await_raises_a_new_exception() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/fail")
            first, second = await failure_of(task), await failure_of(task)
            assert first is not second
            assert first.error is second.error is task.outcome
            assert first.__cause__ is first.__context__ is None


@pytest.mark.parametrize("path", ["/fail", "/bug", "/hang"])
async def test_a_kept_exception_keeps_no_handle(path: str) -> None:
    kept: list[BaseException] = []
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:

            async def fetch() -> None:
                try:
                    await engine.submit(HOST + path, timeout=0.01)
                except FetchFailed as failure:
                    kept.append(failure)

            await fetch()
            assert_no_handle_in_frames_of_the_engine(kept[0])
            await all_let_go(engine)


def assert_no_handle_in_frames_of_the_engine(failure: BaseException) -> None:
    traceback = failure.__traceback__
    frames = 0
    while traceback is not None:
        if "fetch_engine" in traceback.tb_frame.f_code.co_filename:
            frames += 1
            assert not any(isinstance(value, FetchTask) for value in traceback.tb_frame.f_locals.values())
        traceback = traceback.tb_next
    assert frames > 0


async def test_a_kept_exception_keeps_what_the_callers_own_frame_names() -> None:
    kept: list[BaseException] = []
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:

            async def fetch() -> None:
                task = engine.submit(f"{HOST}/fail")
                try:
                    await task
                except FetchFailed as failure:
                    kept.append(failure)

            await fetch()
            await turns(3)
            assert engine.alive == 1
            kept.clear()
            await all_let_go(engine)


async def test_cancelled_twice_running_and_queued() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            tasks = [engine.submit(f"{HOST}/hang") for _ in range(9)]
            await until(lambda: len(wire.started) == 8)
            for task in tasks:
                task.cancel()
                task.cancel()
            for task in tasks:
                failure = await failure_of(task)
                assert isinstance(failure, FetchCancelled)
                assert failure.error.kind is ErrorKind.CANCELLED
                assert task.state is FetchState.CANCELLED
            assert engine.census().finished == 9
            assert engine.census().dropped_before_start == 0
            del task, tasks, failure
            await all_let_go(engine)
    assert len(wire.started) == len(wire.cancelled) == 8


async def test_a_final_state_never_changes() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/ok", timeout=0.2)
            outcome = await task
            task.cancel()
            await anyio.sleep(0.25)
            assert task.outcome is outcome
            assert task.state is FetchState.DONE
        assert task.outcome is outcome


async def test_what_awaiting_holds_is_what_this_module_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """An `__await__` whose frame holds the job alone drops the handle under its awaiter."""

    def forgetful(task: FetchTask) -> Any:
        return task.job.wait().__await__()

    monkeypatch.setattr(FetchTask, "__await__", forgetful)
    wire = FakeWire()
    async with FetchEngine(open_transport=wire.open) as engine:
        with anyio.move_on_after(5):
            await engine.submit(f"{HOST}/hang")
        await all_let_go(engine)
    assert wire.finished == []


async def test_a_context_variable_that_holds_a_handle_is_not_kept_by_a_runner() -> None:
    from contextvars import ContextVar

    holder: ContextVar[FetchTask] = ContextVar("holder")
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:

            async def submitter() -> None:
                first = engine.submit(f"{HOST}/ok")
                await first
                holder.set(first)
                # A new runner starts here, and lives on.
                kept.append(engine.submit(f"{HOST}/hang", timeout=60))
                await until(lambda: f"{HOST}/hang" in wire.started)

            kept: list[FetchTask] = []
            async with anyio.create_task_group() as group:
                group.start_soon(submitter)
            await until(lambda: engine.alive == 1)
            assert engine.census().running == 1
            kept.clear()
            await all_let_go(engine)


def test_reference_counts_are_what_frees() -> None:
    """The other tests here say nothing where objects are freed in another way."""
    assert sys.implementation.name == "cpython"
    assert not gc.isenabled()
