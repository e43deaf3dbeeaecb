"""Lints over facts of fetches that really stall, queue, crumble, are held, and of loops and sessions that are stuck."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from fetch_engine import FetchEngine, FetchTask, Limits, RetryPolicy
from fetch_engine.lints.facts import Activity, FetchFacts, HeldFacts, fetch_facts, held_facts
from fetch_engine.lints.heartbeat import Heartbeat
from fetch_engine.lints.linter import Lint, Linter, at_once
from fetch_engine.lints.lints import (
    ENDED_LINTS,
    FETCH_LINTS,
    HELD_LINTS,
    BlockedLoop,
    FreedByCollector,
    HeldByCycle,
    HeldByTraceback,
    LargeBody,
    Outlived,
    QueuedLong,
    SessionStuck,
    SlowStart,
    Stalled,
    TinyReads,
)
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport_options import TransportOptions
from tests.lifetimes.fake_transport import FakeWire, checked_wire
from tests.lifetimes.waiting import all_let_go, until
from tests.wire.servers import Connection, RawServer

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
KEPT: list[object] = []


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    KEPT.clear()


@asynccontextmanager
async def engine(*, grace: float = 0.0, outlived_after: float = 0.05, **options: object) -> AsyncIterator[FetchEngine]:
    async with FetchEngine(grace=grace, outlived_after=outlived_after, **options) as opened:  # type: ignore[arg-type]
        yield opened


def facts_of(task: FetchTask, activity: Activity, account: Recorder | None = None) -> FetchFacts:
    """account: taken at the start, as the program does; one taken after the end tells no more than the outcome."""
    now = time.perf_counter()
    account = account or task.recorder
    return fetch_facts(task.id, account, activity.quiet(account, now), now)


async def fires(lint: Lint[FetchFacts], task: FetchTask) -> str:
    """Wait until the lint holds for the fetch; what it says then."""
    activity = Activity()
    await until(lambda: lint.check(facts_of(task, activity)))
    return lint.format(facts_of(task, activity))


def says(task: FetchTask) -> tuple[str, ...]:
    """What all lints with their own thresholds say of a fetch at first sight."""
    return at_once(FETCH_LINTS, facts_of(task, Activity()))


@pytest.mark.parametrize(
    ("sent", "words"),
    [(b"", "no answer for"), (HEAD % 10 + b"four", "no bytes for")],
    ids=["waiting", "receiving"],
)
async def test_a_silent_server(sent: bytes, words: str) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(sent)
        connection.gone()

    with RawServer(handle) as server:
        async with engine() as opened:
            task = opened.submit(server.url())
            await until(lambda: task.recorder.reads > 0 or not sent)
            assert await fires(Stalled(0.1), task) == f"{words} 0 s"
            assert says(task) == ()


async def test_a_server_that_drips_is_not_silent_but_its_reads_are_tiny() -> None:
    accounts: list[Recorder] = []

    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for sent in range(150):
            connection.send(b"1\r\nx\r\n")
            deadline = time.monotonic() + 60
            while not accounts or accounts[0].reads <= sent:  # else two may come in one read
                assert time.monotonic() < deadline
                time.sleep(0.001)
        connection.send(b"0\r\n\r\n")
        connection.gone()

    with RawServer(handle) as server:
        async with engine() as opened:
            task = opened.submit(server.url())
            account = task.recorder
            accounts.append(account)
            activity, stalled, crumbs = Activity(), Stalled(1.0), TinyReads()
            while not task.done():
                facts = facts_of(task, activity, account)
                assert not stalled.check(facts)
                assert crumbs.check(facts) is (facts.reads >= 100)
                await anyio.sleep(0.01)
            facts = facts_of(task, activity, account)
            assert (facts.reads, facts.read_bytes) == (150, 150)
            assert at_once(ENDED_LINTS, facts) == ("150 reads of 1 B on average",)


async def test_a_body_in_large_pieces_is_fine() -> None:
    body = bytes(4_000_000)

    def handle(connection: Connection) -> None:
        connection.request()
        connection.answer(body)
        connection.gone()

    with RawServer(handle) as server:
        async with engine() as opened:
            task = opened.submit(server.url())
            account = task.recorder
            await task
            facts = facts_of(task, Activity(), account)
            assert facts.read_bytes == len(body)
            assert at_once(FETCH_LINTS, facts) == ()


async def test_between_two_attempts_nobody_is_silent() -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.answer(status="503 Busy", headers="Retry-After: 20\r\n")
        connection.gone()

    with RawServer(handle) as server:
        async with engine(retry=RetryPolicy(retries=1, statuses=frozenset({503}))) as opened:
            task = opened.submit(server.url())
            activity = Activity()
            await until(lambda: task.recorder.status == 503 and task.recorder.phase is None)
            facts_of(task, activity)
            await anyio.sleep(0.1)
            facts = facts_of(task, activity)
            assert facts.quiet >= 0.1
            assert not Stalled(0.1).check(facts)
            assert not QueuedLong(0.1).check(facts)  # it is not in the queue either


async def test_who_keeps_to_a_rate_is_not_silent() -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.send(HEAD % 100_000)
        time.sleep(0.05)  # what comes with the head does not count
        connection.send(bytes(50_000))
        connection.gone()

    with RawServer(handle) as server:
        async with engine(limits=Limits(byte_rate=5000)) as opened:
            task = opened.submit(server.url())
            await until(lambda: task.recorder.reads > 0)
            activity = Activity()
            facts_of(task, activity)
            await anyio.sleep(0.1)
            facts = facts_of(task, activity)
            assert facts.phase == "receive"
            assert not Stalled(0.1).check(facts)


async def test_a_long_queue() -> None:
    with checked_wire() as wire:
        async with engine(open_transport=wire.open, limits=Limits(concurrency=1)) as opened:
            first, second = opened.submit("http://a.test/hang"), opened.submit("http://a.test/ok")
            assert await fires(QueuedLong(0.1), second) == "in the queue for 0 s"
            assert not QueuedLong(0.1).check(facts_of(first, Activity()))
            assert says(second) == ()
            wire.release.set()
            await second
            assert not QueuedLong(0.0).check(facts_of(second, Activity()))


async def test_a_slow_handshake(ca_file: str) -> None:
    def handle(connection: Connection) -> None:
        connection.gone()  # never says hello

    with RawServer(handle) as server:
        async with engine(transport=TransportOptions(ca_file=ca_file)) as opened:
            task = opened.submit(server.url().replace("http:", "https:"))
            assert (await fires(SlowStart(0.1), task)).startswith("tls took 0.")
            assert says(task) == ()
            assert not SlowStart(0.1).check(facts_of(opened.submit(server.url()), Activity()))


def keeps_its_exception(task: FetchTask) -> None:
    """As a caller does who puts the exception away, and with it the frame that has the handle."""
    handle = task
    try:
        raise LookupError(handle.url)  # noqa: TRY301
    except LookupError as error:
        KEPT.append(error)


def held(opened: FetchEngine) -> HeldFacts:
    handle = opened.held()[0]
    return held_facts(handle, opened.holders(handle.id, seconds=30))


async def test_a_handle_that_outlives_its_fetch() -> None:
    with checked_wire() as wire:
        async with engine(open_transport=wire.open) as opened:
            KEPT.append(opened.submit("http://a.test/ok"))
            await until(lambda: len(opened.held()) == 1)
            facts = held(opened)
            assert Outlived(0.05).check(facts)
            assert not Outlived(60).check(facts)
            assert not HeldByTraceback().check(facts)
            assert not HeldByCycle().check(facts)
            opened.pin(KEPT[0])  # type: ignore[arg-type]
            assert not Outlived(0.05).check(held(opened))
            KEPT.clear()
            opened.unpin(1)
            await all_let_go(opened)


async def test_a_handle_in_the_traceback_of_a_kept_exception() -> None:
    with checked_wire() as wire:
        async with engine(open_transport=wire.open) as opened:
            keeps_its_exception(opened.submit("http://a.test/ok"))
            await until(lambda: len(opened.held()) == 1)
            said = at_once(HELD_LINTS, held(opened))
            assert len(said) == 1
            assert said[0].startswith("held by a traceback: ")
            assert "test_lints.py" in said[0]
            KEPT.clear()
            await all_let_go(opened)


@pytest.mark.parametrize(("size", "large"), [(2_000_000, True), (1000, False)])
async def test_a_large_body_that_is_held(size: int, large: bool) -> None:
    def handle(connection: Connection) -> None:
        connection.request()
        connection.answer(bytes(size))
        connection.gone()

    with RawServer(handle) as server:
        async with engine(limits=Limits(preview_size=10_000_000)) as opened:
            KEPT.append(opened.submit(server.url()))
            await until(lambda: len(opened.held()) == 1)
            facts = held(opened)
            assert LargeBody().check(facts) is large
            assert LargeBody().format(facts) == f"keeps {size / 1048576:.1f} MB of body"
            KEPT.clear()


class Cycle:
    """Refers to itself, and to a handle."""

    def __init__(self, task: FetchTask) -> None:
        self.itself = self
        self.task = task


async def test_a_handle_in_a_cycle_is_named_before_and_after_the_collector_has_come() -> None:
    with checked_wire() as wire:
        async with engine(open_transport=wire.open) as opened:
            gc.disable()
            try:
                Cycle(opened.submit("http://u:secret@a.test/ok?cycle"))
                plain = opened.submit("http://a.test/ok?plain")
                await until(lambda: len(opened.held()) == 2)
                assert HeldByCycle().check(held(opened))
                del plain
                await until(lambda: opened.census().closed == 1)
                assert opened.collected() is None
            finally:
                gc.enable()
            gc.collect()
            await all_let_go(opened)
            facts = opened.collected()
            assert facts is not None
            assert (opened.census().by_gc, facts.count) == (1, 1)
            assert FreedByCollector().check(facts)
            assert FreedByCollector().summary([facts]).endswith("garbage collector: http://a.test/ok?cycle")
            del facts


async def test_a_drop_in_another_thread_while_the_collector_runs_is_not_its_doing() -> None:
    with checked_wire() as wire:
        async with engine(open_transport=wire.open) as opened:
            tasks = [opened.submit("http://a.test/hang")]
            during = anyio.Event()

            def slowly(phase: str, _info: object) -> None:
                # The collector may start by itself in the loop's thread as well.
                if phase == "start" and threading.current_thread() is not threading.main_thread():
                    anyio.from_thread.run(drop)

            async def drop() -> None:
                tasks.clear()
                during.set()

            gc.callbacks.append(slowly)
            try:
                await anyio.to_thread.run_sync(gc.collect)
            finally:
                gc.callbacks.remove(slowly)
            assert during.is_set()
            await all_let_go(opened)
            assert opened.census().by_gc == 0


async def test_a_blocked_loop_and_who_blocked_it() -> None:
    blamed: list[str] = []
    heart = Heartbeat(lambda: True, lambda: blamed.pop() if blamed else None)
    async with anyio.create_task_group() as group:
        group.start_soon(heart.run)
        await anyio.sleep(0.2)
        before = heart.facts()
        blamed.append("http://a.test/")
        time.sleep(0.6)  # noqa: ASYNC251 - the fault that is meant
        await until(lambda: heart.facts() is not None)
        group.cancel_scope.cancel()
    # A slow machine may be late by itself, but not for that long.
    assert before is None or before.worst < 0.4
    facts = heart.facts()
    assert facts is not None
    assert facts.worst > 0.4
    assert BlockedLoop().check(facts)
    assert BlockedLoop().summary([facts]).endswith("by http://a.test/")


async def test_a_program_that_starts_may_be_late() -> None:
    heart = Heartbeat(lambda: True, lambda: None, settling=60.0)
    async with anyio.create_task_group() as group:
        group.start_soon(heart.run)
        await anyio.sleep(0.1)
        time.sleep(0.4)  # noqa: ASYNC251 - the fault that is meant
        await anyio.sleep(0.1)
        group.cancel_scope.cancel()
    assert heart.facts() is None


async def test_a_loop_that_has_time_is_not_late() -> None:
    heart = Heartbeat(lambda: True, lambda: None)
    with anyio.move_on_after(0.3):
        await heart.run()
    facts = heart.facts()
    assert facts is None or facts.worst < 0.4  # a slow machine may be late by itself


@pytest.mark.usefixtures("collector_off")
async def test_the_fetch_that_keeps_the_loop_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    from fetch_engine.bodies.sink import BodySink

    write = BodySink.write

    def slow_write(sink: BodySink, data: bytes) -> None:
        time.sleep(0.1)
        write(sink, data)

    with checked_wire() as wire:
        async with engine(open_transport=wire.open) as opened:
            await opened.submit("http://a.test/ok?quick")
            assert opened.blame() is None
            monkeypatch.setattr(BodySink, "write", slow_write)
            await opened.submit("http://u:secret@a.test/ok?slow")
            assert opened.blame() == "http://a.test/ok?slow"
            assert opened.blame() is None


@pytest.mark.usefixtures("collector_off")
async def test_a_long_collection_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    with checked_wire() as wire:
        async with engine(open_transport=wire.open) as opened:
            monkeypatch.setattr("fetch_engine.core.engine.NOTED", 0.0)
            assert opened.blame() is None
            gc.collect()
            assert opened.blame() == "the garbage collector"
            assert opened.blame() is None


async def test_a_session_in_use_in_its_grace_and_closed_is_not_stuck() -> None:
    lint = SessionStuck(0.0)
    with checked_wire() as wire:
        async with engine(open_transport=wire.open, grace=0.1, idle_close=0.05) as opened:
            assert not lint.check(opened.lease_facts())
            task = opened.submit("http://a.test/ok")
            while not task.done():
                assert not lint.check(opened.lease_facts())
                await anyio.lowlevel.checkpoint()
            await until(lambda: not opened.session.is_open)
            assert opened.session.leases == 1  # idle_close: closed in spite of the handle
            assert not lint.check(opened.lease_facts())
            del task
            second = opened.submit("http://a.test/hang")
            await until(lambda: len(wire.started) == 2)
            del second
            await until(lambda: not opened.session.is_open)
            assert [generation.taken for generation in opened.session.generations()] == [1, 1]
            assert not lint.check(opened.lease_facts())


async def test_a_session_that_does_not_close_is_stuck() -> None:
    wire = FakeWire()
    wire.closing = anyio.Event()
    async with engine(open_transport=wire.open) as opened:
        await opened.submit("http://a.test/ok")
        await until(lambda: SessionStuck(0.1).check(opened.lease_facts()))
        said = SessionStuck(0.1).summary([opened.lease_facts()])
        assert said == "the session is stuck: generation 1 has no lease and does not close: a bug of this program"
        assert not SessionStuck().check(opened.lease_facts())
        wire.closing.set()
        await until(lambda: not SessionStuck(0.1).check(opened.lease_facts()))


async def test_leases_that_do_not_match_the_handles_are_a_bug() -> None:
    with checked_wire() as wire:
        async with engine(open_transport=wire.open) as opened:
            task = opened.submit("http://a.test/hang")
            lease = opened.session.lease()
            assert SessionStuck().format(opened.lease_facts()) == "the session is stuck: 2 leases for 1 handles"
            opened.session.release(lease)
            assert not SessionStuck().check(opened.lease_facts())
            task.cancel()


@pytest.mark.timing
async def test_a_thousand_fetches_are_looked_at_within_a_few_milliseconds() -> None:
    with checked_wire() as wire:
        async with engine(open_transport=wire.open) as opened:
            tasks = [(opened.submit(f"http://{n}.test/hang"), Activity()) for n in range(1000)]
            linter = Linter(FETCH_LINTS)
            shortest = 1.0
            for now in range(20):
                began = time.perf_counter()
                linter.run((facts_of(task, activity) for task, activity in tasks), float(now))
                shortest = min(shortest, time.perf_counter() - began)
            assert shortest < 0.05  # measured 0.004; a slow machine has ten times that
            for task, _ in tasks:
                task.cancel()
