"""Handles dropped in other threads, in finalizers and by the collector; and what a finalizer may touch."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from fetch_engine import FetchEngine, FetchTask, Limits
from fetch_engine.core.mailbox import Mailbox
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collector_off")]

HOST = "http://a.test"


def in_threads(count: int, function: Callable[[int], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=function, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


async def test_a_drop_in_another_thread_wakes_an_idle_loop() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            tasks = [engine.submit(f"{HOST}/hang")]
            await until(lambda: bool(wire.started))
            threads = in_threads(1, lambda _: tasks.clear())
            with anyio.fail_after(60):
                await engine.join()  # nothing else would wake the loop
            await all_let_go(engine)
            await anyio.to_thread.run_sync(threads[0].join)


async def test_eight_threads_drop_twenty_thousand() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=8)) as engine:
            shares = [[engine.submit(f"{HOST}/hang") for _ in range(2500)] for _ in range(8)]
            await until(lambda: len(wire.started) == 8)
            mailbox = engine._scheduler.mailbox
            wakes = 0
            wake = mailbox._wake
            assert wake is not None

            def counted() -> None:
                nonlocal wakes
                wakes += 1
                wake()

            mailbox._wake = counted

            threads = in_threads(8, lambda number: shares[number].clear())
            await all_let_go(engine, limit=30)
            for thread in threads:
                thread.join()
            assert engine.census().closed == 20_000
            assert len(wire.started) == len(wire.cancelled) <= 16
            assert wakes < 200
            mailbox._wake = wake


async def test_a_census_every_turn_while_threads_drop() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            shares = [[engine.submit(f"{HOST}/ok") for _ in range(1250)] for _ in range(4)]

            def drop_one_by_one(number: int) -> None:
                while shares[number]:
                    shares[number].pop()

            threads = in_threads(4, drop_one_by_one)
            while any(thread.is_alive() for thread in threads):
                census = engine.census()
                assert census.opened == census.closed + census.alive == 5000
                assert min(census.queued, census.running, census.finished, census.dropping) >= 0
                await turns(1)
            await all_let_go(engine)


async def test_cancel_in_another_thread() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=2)) as engine:
            tasks = [engine.submit(f"{HOST}/hang") for _ in range(4)]
            await until(lambda: len(wire.started) == 2)
            for thread in in_threads(4, lambda number: tasks[number].cancel()):
                await anyio.to_thread.run_sync(thread.join)
            await until(lambda: all(task.done() for task in tasks))
            tasks.clear()
            await all_let_go(engine)


async def test_submit_belongs_into_the_loop() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:

            def elsewhere() -> FetchTask:
                with pytest.raises(RuntimeError, match="event loop"):
                    engine.submit(f"{HOST}/ok")
                return anyio.from_thread.run_sync(engine.submit, f"{HOST}/ok")

            task = await anyio.to_thread.run_sync(elsewhere)
            assert (await task).status == 200
            assert engine.census().opened == 1
            del task
            await all_let_go(engine)


class Owner:
    """Drops its handle while it is being torn down itself."""

    def __init__(self, task: FetchTask) -> None:
        self.task: FetchTask | None = task

    def __del__(self) -> None:
        self.task = None


def drop_in_del(task: FetchTask) -> None:
    Owner(task)


def drop_in_a_finalizer(task: FetchTask) -> None:
    class Thing:
        pass

    thing = Thing()
    holder = [task]
    weakref.finalize(thing, holder.clear)
    del task, thing


def drop_in_a_weakref_callback(task: FetchTask) -> None:
    class Thing:
        pass

    thing = Thing()
    holder = [task]
    callbacks.append(weakref.ref(thing, lambda _: holder.clear()))
    del task, thing


callbacks: list[Any] = []


def drop_in_a_cycle(task: FetchTask) -> None:
    cycle: list[Any] = [task]
    cycle.append(cycle)


def drop_in_a_cycle_of_owners(task: FetchTask) -> None:
    one, other = Owner(task), Owner(task)
    one.other, other.other = other, one  # type: ignore[attr-defined]


WAYS = [drop_in_del, drop_in_a_finalizer, drop_in_a_weakref_callback, drop_in_a_cycle, drop_in_a_cycle_of_owners]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/ok", "/hang"])
async def test_every_way_to_drop(way: Callable[[FetchTask], None], path: str) -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            for _ in range(10):
                way(engine.submit(HOST + path))
            await turns(5)
            for _ in range(10):
                task = engine.submit(HOST + path)
                await until(lambda: engine.census().running + engine.census().finished >= 1)
                way(task)
                del task
            if "cycle" in way.__name__:
                assert engine.alive == 20
                gc.collect()
            await all_let_go(engine)


async def test_a_cycle_found_by_the_collector_in_another_thread() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            for _ in range(20):
                drop_in_a_cycle(engine.submit(f"{HOST}/hang"))
            await until(lambda: len(wire.started) == 8)
            await anyio.to_thread.run_sync(gc.collect)
            await all_let_go(engine)
    assert len(wire.cancelled) == len(wire.started)


class WatchedLock:
    """In place of a lock; notes which thread takes it."""

    takers: ClassVar[list[int]] = []

    def __enter__(self) -> None:
        self.takers.append(threading.get_ident())

    acquire = __enter__

    def __exit__(self, *exc: object) -> None: ...

    release = __exit__


class WatchedThreading:
    """The module `threading` as asyncio sees it, with locks that are watched."""

    RLock = Lock = WatchedLock

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


async def test_of_the_engine_a_finalizer_runs_the_mailbox_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector runs finalizers between any two lines, also of the engine's own.

    From Python 3.14 on asyncio makes a lock for each callback of another thread. The loop takes it when it runs the
    callback; who schedules one only makes it, so nothing can be waited for.
    """
    monkeypatch.setattr(asyncio.events, "threading", WatchedThreading())
    monkeypatch.setattr(asyncio.base_events, "threading", WatchedThreading())
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open) as engine:
            tasks = [engine.submit(f"{HOST}/hang"), engine.submit(f"{HOST}/ok")]
            await until(tasks[1].done)
            called: set[str] = set()

            def profile(frame: Any, event: str, argument: Any) -> None:
                if event == "call":
                    called.add(f"{frame.f_globals['__name__']}.{frame.f_code.co_name}")

            dropper: list[int] = []

            def drop(_: int) -> None:
                dropper.append(threading.get_ident())
                sys.setprofile(profile)
                tasks.clear()
                sys.setprofile(None)

            WatchedLock.takers.clear()
            for thread in in_threads(1, drop):
                thread.join()
            own = {name for name in called if name.startswith("fetch_engine.")}
            assert own == {"fetch_engine.core.mailbox.post_death", "fetch_engine.core.mailbox.post"}
            assert {name for name in called if name.startswith("threading.")} == set()
            assert dropper[0] not in WatchedLock.takers
            await all_let_go(engine)


class Acting:
    """An owner that notes what it acted on."""

    def __init__(self) -> None:
        self.acted: list[object] = []
        self.pending: list[Callable[[], None]] = []
        self.mailbox = Mailbox(self, self.waker, lambda: False)

    def waker(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: self.pending.append(callback)

    def advance(self) -> None:
        self.mailbox.act(self, lambda: False)

    def proceed(self) -> None:
        self.advance()

    def note(self, subject: object) -> None:
        self.acted.append(subject)


def test_a_burst_of_posts_is_one_wake() -> None:
    owner = Acting()
    for number in range(100):
        owner.mailbox.post(Acting.note, number)
    assert len(owner.pending) == 1
    owner.advance()
    assert owner.acted == list(range(100))
    owner.mailbox.post(Acting.note, 100)
    assert len(owner.pending) == 1  # it is still to come
    owner.pending.pop()()
    assert owner.acted == list(range(101))
    owner.mailbox.post(Acting.note, 101)
    assert len(owner.pending) == 1


def test_a_closed_mailbox_counts_and_keeps_nothing() -> None:
    class Subject:
        pass

    owner = Acting()
    subject = Subject()
    gone = weakref.ref(subject)
    owner.mailbox.post(Acting.note, subject)
    owner.mailbox.close()
    owner.mailbox.post(Acting.note, subject)
    owner.mailbox.post_now(Acting.note, subject)
    owner.mailbox.put(Acting.note, subject)
    del subject
    assert gone() is None
    owner.advance()
    assert owner.acted == []
    assert owner.mailbox.late(Acting.note) == 2
