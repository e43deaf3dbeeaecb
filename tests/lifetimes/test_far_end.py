"""The engine at the far end: orders in, records out, handles dropped by id, leases back."""

from __future__ import annotations

import pickle
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from fetch_engine import FetchRequest, FetchResult, Limits, RetryPolicy, Timeouts
from fetch_engine.core.executor import Settings
from fetch_engine.executors.outbox import Outbox
from fetch_engine.executors.records import Kind, Order, Record, pack_request, unpack_account, unpack_outcome
from fetch_engine.executors.worker_engine import WorkerEngine
from fetch_engine.model.recorder import Recorder
from tests.lifetimes.fake_transport import FakeWire, checked_wire
from tests.lifetimes.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"


def order(task_id: int, path: str, run: int = 1) -> Order:
    return task_id, run, time.perf_counter(), pack_request(FetchRequest(f"{HOST}{path}"))


@asynccontextmanager
async def opened(
    wire: FakeWire, records: list[Record], retries: int = 0, **options: Any
) -> AsyncIterator[WorkerEngine]:
    retry = RetryPolicy(retries=retries, delay=0.0)
    settings = Settings(Limits(concurrency=8, per_host=8), Timeouts(), retry, open_transport=wire.open)
    far_end = WorkerEngine(settings, records.append, grace=0.0, **options)
    async with anyio.create_task_group() as group:
        await group.start(far_end.run)
        yield far_end
        group.cancel_scope.cancel()
    facts = far_end.facts()
    assert (facts.alive, facts.leases, facts.opened) == (0, 0, facts.closed)
    assert facts.sessions_opened == facts.sessions_closed


def done(records: list[Record]) -> dict[int, Any]:
    return {task_id: unpack_outcome(each[0]) for kind, task_id, _, each in records if kind is Kind.DONE}


async def test_outcomes_and_accounts_come_back_and_nothing_is_left() -> None:
    records: list[Record] = []
    with checked_wire() as wire:
        async with opened(wire, records) as far_end:
            far_end.take([order(7, "/ok"), order(8, "/fail"), order(9, "/status/404")])
            await until(lambda: len(done(records)) == 3)
            await until(lambda: not far_end.engine.session.is_open)
            assert far_end.facts().alive == 0
    outcomes = done(pickle.loads(pickle.dumps(records)))
    assert (outcomes[7].status, outcomes[8].kind, outcomes[9].status) == (200, "connect", 404)
    assert isinstance(outcomes[7], FetchResult)
    assert (outcomes[7].preview, outcomes[7].url, outcomes[7].attempts) == (b"hello", f"{HOST}/ok", 1)
    recorder = Recorder()
    unpack_account(next(each[1] for kind, task_id, _, each in records if task_id == 7), recorder, 5.0)
    assert (recorder.bytes_received, recorder.attempts) == (5, 1)
    assert recorder.hop_started > time.perf_counter()  # by the shift of the clocks


async def test_dropped_by_id_it_is_cancelled_and_told_of() -> None:
    records: list[Record] = []
    with checked_wire() as wire:
        async with opened(wire, records) as far_end:
            far_end.take([order(1, "/hang"), order(2, "/hang"), order(3, "/hang")])
            await until(lambda: len(wire.started) == 3)
            far_end.drop([1, 3, 99])
            await until(lambda: len(done(records)) == 2)
            assert {done(records)[1].kind, done(records)[3].kind} == {"cancelled"}
            assert far_end.facts().alive == 1
            wire.release.set()
            await until(lambda: len(done(records)) == 3)
    assert done(records)[2].status == 200


async def test_what_runs_for_long_tells_of_itself() -> None:
    records: list[Record] = []
    with checked_wire() as wire:
        async with opened(wire, records, progress=0.01) as far_end:
            far_end.take([order(1, "/hang")])
            await until(lambda: bool(records))
            recorder = Recorder()
            unpack_account(records[-1][3], recorder)
            assert (records[-1][0], recorder.state, recorder.phase) == (Kind.PROGRESS, "waiting", "wait")
            await anyio.sleep(0.05)
            assert len(records) == 1, "nothing has changed"


async def test_a_place_elsewhere_is_asked_for() -> None:
    records: list[Record] = []
    with checked_wire() as wire:
        wire.busy = 1
        wire.retry_after = "0"
        async with opened(wire, records, retries=1) as far_end:
            far_end.take([order(1, "/to/b.test/ok"), order(2, "/busy")])
            await until(lambda: len(records) == 4)
            told = {(kind, task_id): each for kind, task_id, _, each in records}
            assert told[Kind.MOVE, 1] == "b.test"
            assert told[Kind.SLOW, 2] == ("a.test", 429, 0.0, None, True)
            assert (Kind.REST, 2) in told
            assert told[Kind.MOVE, 2] == "a.test"
            assert len(wire.started) == 2
            far_end.admit([1, 2])
            await until(lambda: len(done(records)) == 2)
    assert done(records)[1].final_url == "http://b.test/ok"
    assert done(records)[2].attempts == 2


async def test_a_second_run_counts_the_first() -> None:
    records: list[Record] = []
    with checked_wire() as wire:
        async with opened(wire, records) as far_end:
            far_end.take([order(1, "/ok", run=2)])
            await until(lambda: bool(done(records)))
    outcome = done(records)[1]
    assert (outcome.attempts, [each.error for each in outcome.retried]) == (2, ["reset"])
    assert records[-1][2] == 2


async def test_a_reader_that_does_not_read_makes_no_heap() -> None:
    outbox = Outbox()
    for number in range(1000):
        outbox.put((Kind.PROGRESS, number % 3, 1, number))
    outbox.put((Kind.DONE, 1, 1, "end"))
    outbox.put((Kind.MOVE, 2, 1, "b.test"))
    assert await outbox.take(3) == [(Kind.DONE, 1, 1, "end"), (Kind.MOVE, 2, 1, "b.test"), (Kind.PROGRESS, 0, 1, 999)]
    assert await outbox.take(3) == [(Kind.PROGRESS, 2, 1, 998)]
    with anyio.move_on_after(0.01):
        await outbox.take(3)
        pytest.fail("there was nothing")
