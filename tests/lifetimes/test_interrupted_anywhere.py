"""The collector may run at any allocation and call, and `__del__` methods with it; the counts stay exact."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import anyio
import pytest

from fetch_engine import EngineClosed, FetchEngine, FetchState, FetchTask, Limits
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = pytest.mark.anyio

HOST = "http://a.test"


@pytest.fixture(autouse=True)
def collector_everywhere() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(1, 1, 1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.collect()


class Cycle:
    """Garbage that only the collector finds; `act` is what its `__del__` does."""

    def __init__(self, act: Callable[[], object], held: FetchTask | None = None) -> None:
        self.me = self
        self.act = act
        self.held = held

    def __del__(self) -> None:
        self.act()


async def test_handles_in_cycles() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=4)) as engine:
            for number in range(60):
                Cycle(lambda: None, engine.submit(f"{HOST}/{'hang' if number % 3 else 'ok'}"))
                if number % 7 == 0:
                    await turns(1)
            gc.collect()
            await all_let_go(engine)
            assert engine.census().opened == 60


def check(engine: FetchEngine, faults: list[str]) -> None:
    census = engine.census()
    if census.opened != census.closed + census.alive:
        faults.append(str(census))
    if min(census.queued, census.running, census.finished, census.dropping) < 0:
        faults.append(str(census))


async def test_a_census_in_del_is_always_exact() -> None:
    faults: list[str] = []
    asked = 0
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=4), outlived_after=0.0) as engine:

            def ask() -> None:
                nonlocal asked
                asked += 1
                check(engine, faults)

            tasks: list[FetchTask] = []
            for number in range(80):
                Cycle(ask)
                tasks.append(engine.submit(f"{HOST}/{('ok', 'fail', 'hang', 'to/b.test/ok')[number % 4]}"))
                Cycle(ask)
                if number % 3 == 0:
                    engine.pin(tasks[-1])
                if number % 5 == 0:
                    tasks[number // 2].cancel()
                if number % 4 == 0:
                    await turns(1)
                    Cycle(ask)
                if len(tasks) > 10 and number % 2:
                    engine.unpin(tasks[0])
                    del tasks[0]
            wire.release.set()
            while engine.census().running or engine.census().queued:
                Cycle(ask)
                await turns(1)
            for task in tasks:
                engine.unpin(task)
            tasks.clear()
            del task
            await all_let_go(engine)
    assert faults == []
    assert asked > 100


async def test_submit_and_cancel_in_del() -> None:
    """A `__del__` may use the engine: its calls come in between any two lines of the engine's own."""
    kept: list[FetchTask] = []
    submitted = 0
    faults: list[str] = []
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=3, per_host=2)) as engine:

            def use() -> None:
                nonlocal submitted
                if submitted < 150:
                    submitted += 1
                    kept.append(
                        engine.submit(f"http://{'abc'[submitted % 3]}.test/{'ok' if submitted % 2 else 'hang'}")
                    )
                if len(kept) > 5:
                    kept.pop(0).cancel()
                check(engine, faults)

            own = 0
            for number in range(100):
                Cycle(use)
                task = engine.submit(f"http://d.test/{'ok' if number % 3 else 'to/a.test/ok'}")
                own += 1
                Cycle(use)
                if number % 2:
                    Cycle(use, task)
                del task
                await turns(number % 3)
            assert submitted > 50
            for task in kept:
                task.cancel()
                await until(task.done)
            del task
            kept.clear()
            gc.collect()  # by itself it leaves the oldest cycles where they are few among all that the process holds
            await all_let_go(engine)
            assert engine.census().opened == own + submitted
    assert faults == []


async def test_finalizers_everywhere_while_the_engine_ends() -> None:
    refused = 0
    with checked_wire() as wire:
        engine = FetchEngine(open_transport=wire.open, limits=Limits(concurrency=3))

        def use() -> None:
            nonlocal refused
            try:
                engine.submit(f"{HOST}/hang")
            except EngineClosed:
                refused += 1
            engine.census()

        async def litter() -> None:
            while not refused:
                Cycle(use)
                await turns(1)

        async with anyio.create_task_group() as group, engine:
            tasks = [engine.submit(f"{HOST}/hang") for _ in range(30)]
            for task in tasks:
                Cycle(use, task)
            await turns(3)
            group.start_soon(litter)
            await turns(3)
        for task in tasks:
            assert task.state is FetchState.CANCELLED
            Cycle(use, task)
        tasks.clear()
        del task
        gc.collect()
        census = engine.census()
        assert census.opened == census.closed
        assert census.opened > 30
