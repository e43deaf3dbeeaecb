"""The ledger: opened == closed + alive, at the same cost whatever the number of handles."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from fetch_engine import FetchEngine, FetchRequest, FetchTask
from fetch_engine.core.ledger import Ledger
from fetch_engine.core.mailbox import Mailbox
from fetch_engine.core.task import Job
from fetch_engine.model.results import ErrorKind, FetchError
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, until

HOST = "http://a.test"


def lines_run(function: Any) -> int:
    """How many lines of Python a call runs."""
    lines = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.anyio
@pytest.mark.usefixtures("collector_off")
async def test_the_cost_does_not_depend_on_the_number_of_handles() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            tasks = [engine.submit(f"{HOST}/ok") for _ in range(10)]
            await engine.join()
            engine.census()
            few = lines_run(engine.census), lines_run(lambda: engine.alive)
            tasks += [engine.submit("") for _ in range(5_000)]
            await engine.join()
            engine.census()
            many = lines_run(engine.census), lines_run(lambda: engine.alive)
            assert few == many
            assert engine.alive == 5_010
            tasks.clear()
            await all_let_go(engine, limit=30)


@pytest.mark.anyio
@pytest.mark.usefixtures("collector_off")
async def test_late_drops_are_counted_at_the_same_cost() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            tasks = [engine.submit("") for _ in range(5000)]
        del tasks[10:]
        engine.census()
        few = lines_run(engine.census)
        tasks.clear()
        engine.census()
        assert lines_run(engine.census) == few
        assert engine.census().closed == 5000


@pytest.mark.anyio
@pytest.mark.usefixtures("collector_off")
async def test_every_number_of_the_census() -> None:
    with checked_wire() as wire:
        wire.shielded = 0.05
        async with FetchEngine(open_transport=wire.open, outlived_after=0.0) as engine:
            running = [engine.submit(f"{HOST}/hang") for _ in range(8)]
            queued = [engine.submit(f"{HOST}/ok") for _ in range(4)]
            finished = [engine.submit("") for _ in range(3)]
            await until(lambda: len(wire.started) == 8 and all(task.done() for task in finished))
            engine.pin(finished[0])
            del running[3:], queued[3:]
            census = engine.census()
            assert (census.opened, census.closed, census.alive) == (15, 6, 9)
            assert (census.running, census.dropping) == (3, 5)
            assert (census.queued, census.dropped_before_start) == (3, 1)
            assert (census.finished, census.pinned, census.outlived) == (3, 1, 2)
            assert {held.id for held in engine.held()} == {task.id for task in finished}
            assert [held.id for held in engine.held() if held.pinned] == [finished[0].id]


@pytest.mark.anyio
@pytest.mark.usefixtures("collector_off")
async def test_three_hundred_fetches_without_a_census_leave_no_entry_in_any_table() -> None:
    """What only a census tidied up would grow without end where nobody asks for one."""
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, outlived_after=0.0) as engine:
            for number in range(300):
                task = engine.submit(f"{HOST}/{('ok', 'fail', 'ok')[number % 3]}", timeout=60 if number % 2 else None)
                await until(task.done)
                del task
            scheduler: Any = engine._scheduler
            await until(lambda: scheduler.ledger.closed == 300)
            ledger, lanes = scheduler.ledger, scheduler.lanes
            tables = [ledger._fresh, ledger._outlived, ledger._kept, ledger._pinned, lanes._lanes, lanes._ready]
            tables += [scheduler.running, scheduler._owed, scheduler.mailbox, engine._registry]
            tables += [scheduler.granted, scheduler.executor._granted]
            assert [len(table) for table in tables] == [0] * len(tables)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def ended_job(ledger: Ledger, number: int) -> Job:
    job = Job(number, FetchRequest(""), "", mailbox=None, timeout=None, watcher=None)  # type: ignore[arg-type]
    ledger.admit()
    job.conclude(FetchError(ErrorKind.INVALID_URL, ""))
    ledger.end(job)
    return job


def test_outlived_by_the_clock() -> None:
    clock = Clock()
    ledger = Ledger(2.0, clock)
    jobs = [ended_job(ledger, number) for number in range(10)]

    def outlived() -> int:
        ledger.age()
        return ledger.census().outlived

    assert outlived() == 0
    clock.now += 1.9
    assert outlived() == 0
    late = ended_job(ledger, 10)
    clock.now += 0.2
    assert outlived() == 10
    ledger.pin(jobs[0])
    ledger.pin(late)
    assert outlived() == 9
    clock.now += 2
    assert outlived() == 9
    ledger.unpin(jobs[0])
    assert outlived() == 9  # its age starts anew
    clock.now += 2
    assert outlived() == 10
    for job in jobs:
        ledger.reap(job)
        job.reaped = True
    assert outlived() == 0
    census = ledger.census()
    assert (census.opened, census.closed, census.alive, census.pinned) == (11, 10, 1, 1)


def test_a_job_is_known_to_nobody_by_its_handle() -> None:
    """Of what a job and a mailbox hold, nothing is a handle or an engine."""
    held = set(Job.__slots__) | set(Mailbox.__slots__)
    assert not {"task", "handle", "engine", "exception", "response", "frame"} & held
    assert set(FetchTask.__slots__) == {"__weakref__", "job", "_one"}
