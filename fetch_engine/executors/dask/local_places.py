"""The places that fetches on a cluster ask for while under way: with another host, or once more with the first."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from fetch_engine.core.scheduler import Scheduler
from fetch_engine.core.slots import LocalSlot
from fetch_engine.core.task import Job
from fetch_engine.executors.assignments import Assignments


class DaskPlaces:
    """Waits for places, for one fetch one at a time. wake: called when one more waits for a worker."""

    def __init__(self, scheduler: Scheduler, flights: Assignments, wake: Callable[[], None]) -> None:
        self._scheduler = scheduler
        self._flights = flights
        self._wake = wake
        self._waiting: dict[int, anyio.CancelScope] = {}

    def move(self, job: Job, host: str, admit: Callable[[], None]) -> None:
        """Get it the place that it asks for, and tell it by `admit`."""
        self._scheduler.spawn(self._take, job, host, admit)

    def begin_again(self, job: Job) -> None:
        """One whose worker is lost begins with its first host, whose place it may have given away."""
        self.leave(job)
        if job.lane != job.host:
            self._flights.hold(job.id)
            self._scheduler.spawn(self._take, job, job.host, lambda: self._release(job))

    def leave(self, job: Job) -> None:
        """It waits for none any more."""
        if (waiting := self._waiting.pop(job.id, None)) is not None:
            waiting.cancel()

    def _release(self, job: Job) -> None:
        self._flights.release(job.id)
        self._wake()

    async def _take(self, job: Job, host: str, taken: Callable[[], None]) -> None:
        with anyio.CancelScope() as self._waiting[job.id]:
            await LocalSlot(self._scheduler, job).move(host)
            del self._waiting[job.id]
            taken()
