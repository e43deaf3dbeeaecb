"""Fetches that run in the engine's own event loop, each in a coroutine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import anyio.lowlevel
from anyio import to_thread

from fetch_engine.core.contexts import Within
from fetch_engine.core.executor import Settings
from fetch_engine.core.scheduler import Scheduler
from fetch_engine.core.slots import LocalSlot
from fetch_engine.core.task import Job, Outcome
from fetch_engine.fetch.context import FetchContext
from fetch_engine.fetch.fetch import Slot, describe_failure, fetch
from fetch_engine.fetch.rate_limits import BytePacing
from fetch_engine.model.bugs import describe_bug
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind, FetchError
from fetch_engine.model.transport import Transport
from fetch_engine.open_transport import http_opener


class LocalExecutor:
    """The executor of an engine that is given none.

    A runner takes one job after the other for as long as there are any. place: makes that of a job, where others than
    the engine's own lanes decide who may go where. is_paced: whether starts are bounded in time; None to tell by the
    engine's limits.
    """

    def __init__(self, *, place: Callable[[Scheduler, Job], Slot] = LocalSlot, is_paced: bool | None = None) -> None:
        self._place = place
        self._is_paced = is_paced
        self._granted: deque[Job] = deque()  # given a place, not yet taken by a runner
        self._workers = 0  # runners that have a job, or are about to look for one
        self._free_workers = 0  # of them, those that take one of `_granted`
        self._parked: list[anyio.Event] = []  # one for each runner that waits to be hired again
        self._settings: Settings
        self._open_transport: Callable[[], Awaitable[Transport]]
        self._scheduler: Scheduler
        self._terms: FetchContext

    @property
    def capacity(self) -> int | None:
        return None

    @property
    def idle(self) -> bool:
        return not self._workers

    def prepare(self, settings: Settings) -> None:
        limits = settings.limits
        self._settings = settings
        opener = settings.open_transport
        self._open_transport = http_opener(settings.transport, limits) if opener is None else opener
        if self._is_paced is None:
            self._is_paced = limits.rate is not None or limits.host_rate is not None

    def start(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._terms = self._settings.terms()

    async def open_client(self) -> Transport:
        return await self._open_transport()

    def submit(self, jobs: Sequence[Job]) -> None:
        self._granted.extend(jobs)
        self._hire()

    def _hire(self) -> None:
        while len(self._granted) > self._free_workers:
            self._free_workers += 1
            self._workers += 1
            if self._parked:
                self._scheduler.later(self._parked.pop().set)
            else:
                self._scheduler.spawn(self._work)

    def stop(self, job: Job) -> None:
        if job.scope is not None:
            self._scheduler.later(job.stop)

    def pace(self, pacing: BytePacing) -> None:
        """Have bytes come at other rates from now on."""
        self._terms.pacing = pacing

    def blame(self) -> str | None:
        return self._terms.turns.take()

    async def aclose(self) -> None:
        if self._terms.claims.is_used:
            await to_thread.run_sync(self._terms.claims.close)

    async def _work(self) -> None:
        """Run the jobs that were given a place; where there is none, wait for one."""
        event: anyio.Event | None = None  # while it is parked, or has just been hired again
        try:
            self._free_workers -= 1
            while True:
                while self._granted:
                    await self._run_granted()
                event = anyio.Event()
                self._parked.append(event)
                self._workers -= 1
                self._scheduler.proceed()
                await event.wait()
                event = None
                self._free_workers -= 1
        finally:
            if event is None:
                self._workers -= 1
            elif event in self._parked:
                self._parked.remove(event)
            else:
                self._workers -= 1
                self._free_workers -= 1
            self._hire()  # one that was cancelled leaves the job that it would have gone on with
            self._scheduler.proceed()

    async def _run_granted(self) -> None:
        """Run one after the other in one scope, which is used up when one of them is stopped."""
        with anyio.CancelScope() as scope:
            while self._granted and not scope.cancel_called:
                job = self._granted.popleft()
                outcome: Outcome | None = None
                try:
                    outcome = await self._run(job, scope)
                finally:
                    if outcome is None:
                        error = job.cancel_error or (ErrorKind.CANCELLED, "the engine was cancelled")
                        outcome = describe_failure(job.request, job.recorder, AttemptFailed(*error))
                    self._free_workers += 1  # so that the place goes to a job of this runner, not to a new one
                    self._scheduler.proceed(Scheduler.end, (job, outcome))
                    self._free_workers -= 1
                    del job, outcome

    async def _run(self, job: Job, scope: anyio.CancelScope) -> Outcome | None:
        scheduler = self._scheduler
        scheduler.start(job)
        while job.begun is None:
            await anyio.lowlevel.checkpoint()
        if job.cancel_error is not None or job.generation is None:
            return None
        job.scope = scope
        try:
            place = self._place(scheduler, job)
            transport: Any = job.generation.client
            if transport is None:
                transport = await scheduler.session.client(job.generation)
                if self._is_paced:
                    await place.move(job.host)  # those that waited for the client would start all at once
                job.recorder.start()  # once more: waiting for the client to open counts as queued
            fetching = fetch(job.request, transport, self._terms, job.recorder, place)
            return await (fetching if job.context is None else Within(job.context, fetching))
        except AttemptFailed as failure:
            return describe_failure(job.request, job.recorder, failure)
        except Exception as bug:  # noqa: BLE001 - of a hook or a transport: it ends this fetch and no other
            return self._failed(job, describe_bug(bug))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if scope.cancel_called or job.cancel_error is not None or task is None or task.cancelling():
                raise
            return self._failed(job, "cancelled by what it called")  # nobody cancelled it
        finally:
            job.scope = None

    def _failed(self, job: Job, message: str) -> FetchError:
        return describe_failure(job.request, job.recorder, AttemptFailed(ErrorKind.INTERNAL, message))
