"""What runs where fetches are sent to: in a process of this machine, in a worker of a cluster.

It knows no wire: orders, drops and places come as calls, records go to a function. Handles live here as they do
anywhere: the far end owns one for each order, and drops it when it is told to or when its fetch has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import astuple

import anyio
import anyio.abc

from fetch_engine.core.engine import FetchEngine
from fetch_engine.core.executor import Settings
from fetch_engine.core.local_executor import LocalExecutor
from fetch_engine.core.process_facts import FarFacts
from fetch_engine.core.scheduler import Scheduler
from fetch_engine.core.task import CompletionQueue, FetchTask, Job, Outcome
from fetch_engine.executors.records import (
    Kind,
    Order,
    Record,
    Values,
    pack_account,
    pack_outcome,
    unpack_request,
)
from fetch_engine.fetch.fetch import Slot
from fetch_engine.fetch.host_backoff import HostBackoff, SlowDown
from fetch_engine.model.results import Attempt, ErrorKind


class _Carried:
    """One order under way. Runners must not come to hold it: it holds the handle."""

    __slots__ = ("id", "recorder", "run", "task", "told")

    def __init__(self, task_id: int, run: int, task: FetchTask) -> None:
        self.id = task_id
        self.run = run
        self.task: FetchTask | None = task
        self.recorder = task.recorder
        self.told: Values = ()


class WorkerEngine:
    """One engine, with a shared session of its own that opens for the first order and closes when nothing is left.

    settings: limits are those of this end. emit: takes each record, in the loop; must neither block nor raise. Fetches
    that go to another host ask the sender of their order for a place there. is_paced: whether the sender bounds starts
    in time. progress: seconds between two accounts of a fetch that runs for so long.
    `async with` and all calls belong to one event loop.
    """

    def __init__(
        self,
        settings: Settings,
        emit: Callable[[Record], None],
        *,
        is_paced: bool | None = None,
        progress: float = 0.2,
        grace: float = 1.0,
    ) -> None:
        self._emit = emit
        self._progress = progress
        self._finished = CompletionQueue()
        self._carried: dict[int, _Carried] = {}  # by the id of the order
        self._own: dict[int, _Carried] = {}  # by the id of the handle
        self._asked: dict[int, anyio.Event] = {}  # by the id of the order: set when a place was given
        self._busy = anyio.Event()
        self._backoff = HostBackoff(settings.limits)
        self.engine = FetchEngine(
            limits=settings.limits,
            timeouts=settings.timeouts,
            retry=settings.retry,
            transport=settings.transport,
            open_transport=settings.open_transport,
            spool=settings.spool,
            cookies=settings.cookies,
            netrc=settings.netrc,
            sink=settings.sink,
            grace=grace,
            executor=LocalExecutor(place=self._place, is_paced=is_paced),
        )

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; it has started when orders may come. What runs then is cancelled, and not told of."""
        async with self.engine:
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._tell_progress)
                    task_status.started()
                    while True:
                        while (ended := self._finished.pop()) is not None:
                            self._end(*ended)
                        await self._finished.wait()
            finally:
                self._carried.clear()
                self._own.clear()

    def take(self, orders: Iterable[Order], shift: float = 0.0) -> None:
        """Run these. shift: what the clock of this process is ahead of the sender's, in seconds."""
        for task_id, run, submitted, request in orders:
            task = self.engine.submit(unpack_request(request), watcher=self._finished)
            recorder = task.recorder
            recorder.submitted = submitted + shift
            if run > 1:
                recorder.attempts = run - 1
                elapsed = time.perf_counter() - recorder.submitted
                recorder.retried += [Attempt(None, ErrorKind.RESET, elapsed, 0.0)] * (run - 1)
            self._carried[task_id] = self._own[task.id] = _Carried(task_id, run, task)
            del task
        self._busy.set()

    def drop(self, ids: Iterable[int]) -> None:
        """Nobody wants these any more. Each that has not ended will, and is told of as cancelled."""
        for task_id in ids:
            carried = self._carried.get(task_id)
            if carried is not None:
                carried.task = None

    def admit(self, ids: Iterable[int]) -> None:
        """These were given the place that they asked for."""
        for task_id in ids:
            asked = self._asked.get(task_id)
            if asked is not None:
                asked.set()

    def facts(self) -> FarFacts:
        """The counts now; also after the end of `run`."""
        census, session = self.engine.census(), self.engine.session
        return FarFacts(
            opened=census.opened,
            closed=census.closed,
            alive=census.alive,
            leases=session.leases,
            sessions_opened=session.generation,
            sessions_closed=session.closed_generations,
            connections=sum(each.connections or 0 for each in session.generations() if each.is_open),
        )

    def _end(self, own_id: int, outcome: Outcome) -> None:
        carried = self._own.pop(own_id)
        del self._carried[carried.id]
        self._emit((Kind.DONE, carried.id, carried.run, (pack_outcome(outcome), pack_account(carried.recorder))))

    async def _tell_progress(self) -> None:
        while True:
            if not self._carried:
                self._busy = anyio.Event()
                await self._busy.wait()
            await anyio.sleep(self._progress)
            self._tell_all()

    def _tell_all(self) -> None:
        for carried in self._carried.values():
            account = pack_account(carried.recorder)
            if account != carried.told:
                carried.told = account
                self._emit((Kind.PROGRESS, carried.id, carried.run, account))

    def _place(self, _: Scheduler, job: Job) -> Slot:
        carried = self._own[job.id]
        return _FarPlace(self._emit, carried.id, carried.run, self._asked, self._backoff)


class _FarPlace:
    """A place that the sender of the order gives."""

    __slots__ = ("_asked", "_backoff", "_emit", "_id", "_run")

    def __init__(
        self,
        emit: Callable[[Record], None],
        task_id: int,
        run: int,
        asked: dict[int, anyio.Event],
        backoff: HostBackoff,
    ) -> None:
        self._backoff = backoff
        self._emit = emit
        self._id = task_id
        self._run = run
        self._asked = asked

    async def move(self, host: str) -> None:
        given = self._asked[self._id] = anyio.Event()
        self._emit((Kind.MOVE, self._id, self._run, host))
        try:
            await given.wait()
        finally:
            del self._asked[self._id]

    async def rest(self, host: str, seconds: float) -> None:
        self._emit((Kind.REST, self._id, self._run, None))
        if seconds > 0:
            await anyio.sleep(seconds)
        await self.move(host)

    def rest_for(self, told: SlowDown) -> float | None:
        """As far as it is known here: another end may have been told more, and the sender of the order knows all."""
        return self._backoff.rest_for(told)

    def slow_down(self, told: SlowDown) -> None:
        self._backoff.heed(told)
        self._emit((Kind.SLOW, self._id, self._run, astuple(told)))
