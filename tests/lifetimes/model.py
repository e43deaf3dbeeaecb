"""What a user does to an engine, step by step, and what must be true after every step.

The model keeps its own account: whom it holds, who is pinned, in a cycle or awaited. From that, and from the state of
each job, every count of the engine follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

import anyio

from fetch_engine import (
    CompletionQueue,
    FetchCancelled,
    FetchEngine,
    FetchError,
    FetchFailed,
    FetchResult,
    FetchTask,
    Limits,
)
from fetch_engine.core.task import Job
from tests.lifetimes.fake_transport import FakeWire
from tests.lifetimes.recursion import at_depth
from tests.lifetimes.waiting import turns

CONCURRENCY, PER_HOST = 3, 2
PATHS = ("ok", "hang", "fail", "status/404", "to/b.test/ok", "to/a.test/hang")
ENOUGH = 60  # turns of the loop after which whatever can happen has happened


class BadWatcher(CompletionQueue):
    """A completion queue with a bug."""

    def add(self, task_id: int, outcome: Any) -> None:
        raise KeyError(task_id)


def asyncio_runs() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


class Model:
    """One engine and everything that is done to it. Its methods run in the loop, but `drop_elsewhere` and `collect`."""

    def __init__(self, *, grace: float, idle_close: float | None) -> None:
        self.wire = FakeWire()
        self.engine = FetchEngine(
            limits=Limits(concurrency=CONCURRENCY, per_host=PER_HOST),
            open_transport=self.wire.open,
            grace=grace,
            idle_close=idle_close,
        )
        self.jobs: dict[int, Job] = {}
        self.held: dict[int, FetchTask] = {}
        self.pinned: set[int] = set()
        self.pinned_until_done: set[int] = set()
        self.in_cycles: set[int] = set()
        self.awaited: dict[int, int] = {}
        self.stopped: set[int] = set()  # cancelled by hand
        self.outcomes: dict[int, Any] = {}
        self.leave = anyio.Event()
        self.fail = anyio.Event()
        self.badly_watched: set[int] = set()
        self.other: tuple[FakeWire, FetchEngine, FetchTask] | None = None
        self.entered = False
        self.group: Any = None

    async def host(self) -> None:
        """Open the engine, and close it when `leave` is set."""
        async with anyio.create_task_group() as self.group:
            async with self.engine:
                self.entered = True
                while not self.leave.is_set():
                    with contextlib.suppress(BaseExceptionGroup):
                        await self._work_in_a_group()
            self.check_end()

    async def _work_in_a_group(self) -> None:
        """A task group of the host's own, which fails whenever `fail` is set."""
        if asyncio_runs():
            async with asyncio.TaskGroup() as group:
                group.create_task(self._fail())
                await self.leave.wait()
                self.fail.set()
        else:
            async with anyio.create_task_group() as other:
                other.start_soon(self._fail)
                await self.leave.wait()
                self.fail.set()

    async def _fail(self) -> None:
        await self.fail.wait()
        self.fail = anyio.Event()
        if not self.leave.is_set():
            raise ValueError

    # Steps

    def submit(self, host: str, path: str, *, pin: bool) -> None:
        number = len(self.jobs) + 1
        task = self.engine.submit(f"http://{host}.test/{path}?{number}", pin=pin)
        assert task.id == number
        self.jobs[number] = task.job
        self.held[number] = task
        if pin:
            self.pinned_until_done.add(number)

    def drop(self, number: int) -> None:
        del self.held[number]

    def drop_elsewhere(self, number: int) -> None:
        thread = threading.Thread(target=self.held.__delitem__, args=(number,))
        thread.start()
        thread.join()

    def drop_at_the_limit(self, number: int, left: int) -> None:
        """Where so few calls are left to the limit of recursion that finalizers may fail."""
        hook = sys.unraisablehook
        sys.unraisablehook = lambda _: None
        try:
            with contextlib.suppress(RecursionError):
                at_depth(left, functools.partial(self.held.pop, number, None))
        finally:
            sys.unraisablehook = hook
        self.scheduler.notice_deaths()  # as it does twice a second

    def cancel_at_the_limit(self, number: int, left: int) -> None:
        self.stopped.add(number)
        with contextlib.suppress(RecursionError):
            at_depth(left, self.held[number].cancel)

    def await_elsewhere(self, number: int) -> None:
        """In another event loop, in another thread."""
        raised: list[type[BaseException]] = []

        def elsewhere() -> None:
            loop = asyncio.new_event_loop()
            try:
                loop.run_until_complete(self.held[number].result())
            except BaseException as error:  # noqa: BLE001 - it is looked at below
                raised.append(type(error))
            finally:
                loop.close()

        was_done = self.held[number].done()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert was_done or raised == [RuntimeError]
        assert not was_done or RuntimeError not in raised

    def submit_badly_watched(self, host: str, path: str) -> None:
        number = len(self.jobs) + 1
        task = self.engine.submit(f"http://{host}.test/{path}?{number}", watcher=BadWatcher())
        self.jobs[number] = task.job
        self.held[number] = task
        self.badly_watched.add(number)

    def fail_a_group(self) -> None:
        self.fail.set()

    async def open_or_leave_another(self) -> None:
        """A second engine, which is opened in one task and left in another, whichever of the two was opened first."""
        if self.other is None:
            wire = FakeWire()
            engine = FetchEngine(open_transport=wire.open)
            await engine.__aenter__()
            self.other = wire, engine, engine.submit("http://c.test/hang")
            return
        (wire, engine, task), self.other = self.other, None
        await engine.__aexit__(None, None, None)
        assert isinstance(task.outcome, FetchError)
        assert engine.census().running == engine.census().queued == engine.session.leases == 0
        assert wire.closes == [1] * len(wire.clients)
        assert wire.violations == []

    def put_into_a_cycle(self, number: int) -> None:
        cycle: list[Any] = [self.held.pop(number)]
        cycle.append(cycle)
        self.in_cycles.add(number)

    def collect(self) -> None:
        gc.collect()
        self.in_cycles.clear()

    def cancel(self, number: int) -> None:
        self.held[number].cancel()
        self.stopped.add(number)

    def pin(self, number: int) -> None:
        self.engine.pin(self.held[number])
        self.pinned.add(number)
        self.pinned_until_done.discard(number)

    def unpin(self, number: int) -> None:
        self.engine.unpin(self.held[number])
        self.pinned.discard(number)
        self.pinned_until_done.discard(number)

    def wait_for(self, number: int) -> None:
        self.awaited[number] = self.awaited.get(number, 0) + 1
        self.group.start_soon(self._wait, number, self.held[number])

    async def _wait(self, number: int, task: FetchTask) -> None:
        outcome: FetchResult | FetchError
        try:
            outcome = await task
        except (FetchFailed, FetchCancelled) as failure:
            outcome = failure.error
        assert outcome is self.jobs[number].outcome
        self.awaited[number] -= 1

    def release(self) -> None:
        """Let what hangs go on; what comes later hangs again."""
        self.wire.release.set()
        self.wire.release = anyio.Event()

    def hold_up_closing(self) -> None:
        self.let_close()
        self.wire.closing = anyio.Event()

    def let_close(self) -> None:
        if self.wire.closing is not None:
            self.wire.closing.set()
            self.wire.closing = None

    def hold_up_opening(self) -> None:
        self.let_open()
        self.wire.opening = anyio.Event()

    def let_open(self) -> None:
        if self.wire.opening is not None:
            self.wire.opening.set()
            self.wire.opening = None

    async def settle(self) -> None:
        """Without any call of the engine, all that is due happens."""
        await turns(ENOUGH)
        assert len(self.scheduler.mailbox) == 0
        alive = self.alive()
        for number, job in self.jobs.items():
            if number not in alive:
                assert job.outcome is not None or self.wire.opening is not None, "a dropped one goes on"
            if job.outcome is not None:
                assert not self.awaited.get(number), "a waiter was not woken"
                assert job.watcher is None, "a watcher was not told"

    # What must be true

    @property
    def scheduler(self) -> Any:
        return self.engine._opened

    def alive(self) -> set[int]:
        """Whom somebody holds, by this model's own account."""
        until_done = {number for number in self.pinned_until_done if self.jobs[number].outcome is None}
        waiting = {number for number, count in self.awaited.items() if count}
        return self.held.keys() | self.pinned | self.in_cycles | until_done | waiting

    def check(self) -> None:
        census = self.engine.census()  # first: it acts on what has been posted
        alive = self.alive()
        jobs = self.jobs
        assert {*self.engine._registry} == alive
        assert (census.opened, census.closed, census.alive) == (len(jobs), len(jobs) - len(alive), len(alive))
        running = {number for number, job in jobs.items() if job.started and job.outcome is None}
        ended = {number for number, job in jobs.items() if job.outcome is not None}
        assert census.running == len(running & alive)
        assert census.dropping == len(running - alive)
        assert census.finished == len(ended & alive)
        assert census.queued == len(alive - running - ended)
        assert census.pinned == len(self.pinned | (self.pinned_until_done - ended))
        assert {*jobs} == alive | running | ended, "a dropped queued one is still there"

        session = self.engine.session
        assert session.leases == len(alive | running)
        assert session.generation == len(self.wire.clients)
        assert session.closed_generations <= sum(self.wire.closes)
        assert self.wire.violations == []

        scheduler = self.scheduler
        assert {job.id for job in scheduler.running} == running
        assert scheduler.lanes.running <= CONCURRENCY
        assert 0 <= scheduler.executor._free_workers <= scheduler.executor._workers
        assert self.wire.peak_in_all <= CONCURRENCY
        assert all(peak <= PER_HOST for peak in self.wire.peak.values())
        self.check_starts()
        self.check_outcomes()

    def check_starts(self) -> None:
        """Each at most once, in order within a host; the hops of redirects come in between."""
        first = [urlsplit(url) for url in self.wire.started if "?" in url]
        numbers = [int(url.query) for url in first]
        assert len(set(numbers)) == len(numbers)
        for host in ("a.test", "b.test"):
            # Not the order of the first bytes: trio runs what is ready in random order.
            own = [int(url.query) for url in first if url.hostname == host]
            assert not own or max(own) < min(self.waiting(host), default=max(own) + 1)

    def waiting(self, host: str) -> list[int]:
        """The numbers of those that no place was given to yet."""
        urls = [urlsplit(job.request.url) for job in self.jobs.values() if not job.started and job.outcome is None]
        return [int(url.query) for url in urls if url.hostname == host]

    def check_outcomes(self) -> None:
        """None changes once it is there, and each is of its kind."""
        for number, job in self.jobs.items():
            outcome = job.outcome
            if outcome is None:
                continue
            if number in self.badly_watched:
                assert job.watcher is not None or (isinstance(outcome, FetchError) and outcome.kind == "internal")
                continue
            assert self.outcomes.setdefault(number, outcome) is outcome
            if isinstance(outcome, FetchResult):
                assert outcome.status == (404 if "404" in job.request.url else 200)
            elif outcome.kind == "cancelled":
                wanted = number in self.alive() and number not in self.stopped
                assert not wanted or self.leave.is_set(), "a wanted one was cancelled"
            else:
                self.check_failure(job, outcome)

    def check_failure(self, job: Job, error: FetchError) -> None:
        assert (error.kind, urlsplit(job.request.url).path) == ("connect", "/fail")

    def check_end(self) -> None:
        """The engine has been left."""
        self.pinned.clear()
        census = self.engine.census()
        assert (census.queued, census.running, census.dropping, census.pinned) == (0, 0, 0, 0)
        assert census.opened == census.closed + census.alive == len(self.jobs)
        assert self.engine.session.leases == 0
        assert not self.engine.session.is_open
        assert self.wire.closes == [1] * len(self.wire.clients)
        assert self.wire.violations == []
        assert self.wire.in_flight == 0
        scheduler = self.scheduler
        executor = scheduler.executor
        tables = (scheduler.running, scheduler.granted, scheduler._owed, scheduler.pins, scheduler.mailbox)
        for table in (*tables, executor._granted):
            assert len(table) == 0
        assert scheduler.lanes._lanes == {}
        assert executor._workers == executor._free_workers == 0
        self.check_outcomes()
