"""Stopping a fetch has verbs of its own, and so has keeping one; dropping is the safety net under them."""

from __future__ import annotations

import contextlib
import gc
import math
import sys

import anyio
import pytest

from fetch_engine import (
    EngineClosed,
    ErrorKind,
    FetchCancelled,
    FetchEngine,
    FetchFailed,
    FetchState,
    Limits,
)
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"


async def test_a_block_cancels_what_still_runs_at_its_end() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            with engine.fetch(f"{HOST}/hang") as task:
                await until(lambda: bool(wire.started))
                assert not task.done()
            with pytest.raises(FetchCancelled):
                await task
            with engine.fetch(f"{HOST}/ok") as other:
                assert (await other).status == 200
            assert other.state is FetchState.DONE
            del task, other
            await all_let_go(engine)


async def test_a_block_cancels_where_its_body_fails() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.fetch(f"{HOST}/hang")

            async def fail() -> None:
                with task:
                    await until(lambda: bool(wire.started))
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await fail()
            with pytest.raises(FetchCancelled):
                await task


async def test_the_timeout_of_submit_counts_from_submit() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=1)) as engine:
            running = engine.submit(f"{HOST}/hang", timeout=0.2)
            queued = engine.submit(f"{HOST}/queued", timeout=0.1)
            for task in (queued, running):
                with pytest.raises(FetchFailed) as caught:
                    await task
                assert caught.value.error.kind is ErrorKind.TIMEOUT_TOTAL
                assert task.state is FetchState.FAILED
            assert (await engine.submit(f"{HOST}/ok", timeout=math.inf)).status == 200
            del task, running, queued, caught
            await all_let_go(engine)
    assert wire.started == [f"{HOST}/hang", f"{HOST}/ok"]


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan])
async def test_a_timeout_must_be_above_zero(seconds: float) -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            with pytest.raises(ValueError, match="above 0"):
                engine.submit(f"{HOST}/ok", timeout=seconds)
            assert engine.census().opened == 0


async def test_the_timeout_of_submit_leaves_no_handle() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:

            async def caller() -> None:
                task = engine.submit(f"{HOST}/hang", timeout=0.01)
                with contextlib.suppress(FetchFailed):
                    await task

            await caller()
            await all_let_go(engine)


async def test_fail_after_around_an_await_may_keep_the_handle_until_the_collector_runs() -> None:
    """Why `submit` has a timeout: on Python 3.12 and 3.13, a `@contextmanager` that translates an exception leaves the
    caller's frame in a cycle (python/cpython issue 129280, mended in 3.14)."""
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:

            async def caller() -> None:
                task = engine.submit(f"{HOST}/hang")
                try:
                    with anyio.fail_after(0.01):
                        await task
                except TimeoutError:
                    pass

            await caller()
            await turns(5)
            assert engine.alive == (1 if (3, 12) <= sys.version_info < (3, 14) else 0)
            gc.collect()
            await all_let_go(engine)


async def test_a_result_nobody_wants_is_counted() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            engine.submit(f"{HOST}/ok")
            await turns(3)
            census = engine.census()
            assert (census.opened, census.closed, census.dropped_before_start) == (1, 1, 1)
            assert (await engine.submit(f"{HOST}/ok")).status == 200
            assert engine.census().dropped_before_start == 1


async def test_pinned_at_submit_the_engine_owns_it_until_it_is_done() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            engine.submit(f"{HOST}/hang", pin=True)
            await until(lambda: bool(wire.started))
            census = engine.census()
            assert (census.alive, census.pinned, census.running) == (1, 1, 1)
            wire.release.set()
            await engine.join()
            await all_let_go(engine)
            assert engine.census().pinned == 0
    assert wire.finished == [f"{HOST}/hang"]


async def test_pin_one_of_ten_and_drop_all() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            tasks = [engine.submit(f"{HOST}/ok") for _ in range(10)]
            engine.pin(tasks[3])
            engine.pin(tasks[3])
            await engine.join()
            number = tasks[3].id
            tasks.clear()
            await until(lambda: engine.alive == 1)
            assert engine.census().pinned == 1
            assert engine.census().outlived == 0
            (held,) = engine.held()
            assert held.id == number
            assert held.pinned
            task = engine._registry[number]
            engine.unpin(task)
            assert engine.census().pinned == 0
            del task
            await all_let_go(engine)


async def test_pinning_by_hand_outlasts_the_pin_of_submit() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/ok", pin=True)
            engine.pin(task)
            other = engine.submit(f"{HOST}/ok", pin=True)
            engine.pin(other)
            await task
            del task
            await turns(5)
            assert (engine.alive, engine.census().pinned) == (2, 2)
        assert (engine.alive, engine.census().pinned) == (1, 0)
        assert other.done()


async def test_unpinning_a_running_one_nobody_else_holds_cancels_it() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/hang", pin=True)
            await until(lambda: bool(wire.started))
            engine.unpin(task)
            engine.unpin(task)
            assert engine.census().running == 1
            del task
            await all_let_go(engine)
    assert wire.cancelled == [f"{HOST}/hang"]


async def test_a_handle_of_another_engine_cannot_be_pinned() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as one, FetchEngine(open_transport=wire.open) as other:
            task = one.submit(f"{HOST}/ok")
            mine = other.submit(f"{HOST}/ok")
            assert task.id == mine.id
            with pytest.raises(ValueError, match="another engine"):
                other.pin(task)
            other.unpin(task)
        with pytest.raises(EngineClosed):
            one.pin(task)


async def test_two_engines_in_one_loop_count_apart() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as one, FetchEngine(open_transport=wire.open) as other:
            tasks = [one.submit(f"{HOST}/ok") for _ in range(3)]
            assert (await other.submit(f"{HOST}/ok")).status == 200
            await one.join()
            await all_let_go(other)
            assert (one.alive, other.alive) == (3, 0)
            tasks.clear()
            await all_let_go(one)


async def test_join_waits_for_what_unwinds_and_leaves_held_handles() -> None:
    with checked_wire() as wire:
        wire.shielded = 0.02
        async with FetchEngine(open_transport=wire.open) as engine:
            await engine.join()
            held = engine.submit(f"{HOST}/ok")
            dropped = engine.submit(f"{HOST}/hang")
            await until(lambda: len(wire.started) == 2)
            del dropped
            await engine.join()
            assert len(wire.cancelled) == 1
            assert held.done()
            assert engine.alive == 1


async def test_many_join_at_once() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            task = engine.submit(f"{HOST}/hang")
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(engine.join)
                await until(lambda: bool(wire.started))
                wire.release.set()
            assert task.done()
