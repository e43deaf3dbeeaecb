"""The engine's bookkeeping: every change of a count, in one place, each O(1)."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from fetch_engine.core.census import Census, HeldHandle
from fetch_engine.core.task import Job
from fetch_engine.model.redaction import masked_url

REMEMBERED = 8  # URLs of handles that the garbage collector freed


class Ledger:
    """Counts handles by what became of them. Called by the engine in its loop, once for each transition of a job.

    A finished handle that is still held is fresh, then outlived; pinned ones are neither. `outlived_after`: seconds.
    The counters of one transition change with no call in between: whatever interrupts (the collector may, at a call,
    run code that asks the census) finds opened == closed + alive.
    """

    def __init__(self, outlived_after: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._outlived_after = outlived_after
        self._clock = clock
        self.opened = 0
        self.closed = 0
        self.queued = 0
        self.running = 0
        self.finished = 0  # handles alive after the end of their fetch
        self.dropping = 0
        self.dropped_before_start = 0
        self.by_gc = 0
        self.freed_by_gc: deque[tuple[str, float]] = deque(maxlen=REMEMBERED)  # URLs, with the time they were noticed
        self._pinned: set[int] = set()
        self._fresh: OrderedDict[int, Job] = OrderedDict()  # in order of their end
        self._outlived: dict[int, Job] = {}
        self._kept: dict[int, Job] = {}  # finished and pinned

    @property
    def idle(self) -> bool:
        """Whether no request is queued, running or unwinding."""
        return not (self.queued or self.running or self.dropping)

    @property
    def alive(self) -> int:
        """How many handles are alive, as far as their deaths were noticed."""
        return self.opened - self.closed

    def finished_jobs(self) -> list[Job]:
        """The jobs of the handles alive after the end of their fetch; the cost is their number."""
        return [*self._fresh.values(), *self._outlived.values(), *self._kept.values()]

    def admit(self) -> None:
        """A handle was opened; its fetch waits."""
        self.opened += 1
        self.queued += 1

    def start(self) -> None:
        """A queued fetch was given its place."""
        self.queued -= 1
        self.running += 1

    def end(self, job: Job) -> None:
        """A fetch ended, running or queued; its handle may be gone, and then a queued one is counted already."""
        if job.reaped:
            self.dropping -= job.started
            return
        job.ended_at = self._clock()
        if job.started:
            self.running -= 1
        else:
            self.queued -= 1
        self.finished += 1
        self._shelve(job)
        self.age()

    def reap(self, job: Job) -> None:
        """A handle died; its fetch may be queued, running or ended."""
        self._pinned.discard(job.id)
        never_ran = job.outcome is None and not job.has_run
        is_by_gc = job.by_gc
        if job.outcome is not None:
            for shelf in (self._fresh, self._outlived, self._kept):
                if shelf.pop(job.id, None) is not None:
                    break
        self.closed += 1
        if job.outcome is not None:
            self.finished -= 1
        elif job.started:
            self.running -= 1
            self.dropping += 1
        else:
            self.queued -= 1
        # Those that `recount` cannot tell, with the mark on the job, at once.
        dropped, by_gc = self.dropped_before_start + never_ran, self.by_gc + is_by_gc
        self.dropped_before_start, self.by_gc, job.reaped = dropped, by_gc, True
        if is_by_gc:
            self.freed_by_gc.append((masked_url(job.request.url), self._clock()))

    def pin(self, job: Job) -> None:
        """The handle is kept on purpose: it will not count as outlived."""
        self._pinned.add(job.id)
        if job.id in self._fresh or job.id in self._outlived:
            self._kept[job.id] = job
            self._fresh.pop(job.id, None)
            self._outlived.pop(job.id, None)

    def unpin(self, job: Job) -> None:
        """From now on the handle counts as any other; its age starts anew."""
        self._pinned.discard(job.id)
        if job.id in self._kept:
            job.ended_at = self._clock()
            self._shelve(job)
            del self._kept[job.id]

    def age(self) -> None:
        """Count those that have been held for long enough as outlived."""
        due = self._clock() - self._outlived_after
        while self._fresh:
            task_id, job = next(iter(self._fresh.items()))
            if job.ended_at > due:
                break
            self._outlived[task_id] = job
            del self._fresh[task_id]

    def recount(self, jobs: set[Job], *, is_opened_known: bool) -> None:
        """Count anew, from every job that there is, after a transition was interrupted. is_opened_known: whether it was
        not the opening of a handle that was interrupted."""
        alive = [job for job in jobs if not job.reaped]
        self.finished = sum(job.outcome is not None for job in alive)
        self.running = sum(job.outcome is None and job.started for job in alive)
        self.queued = len(alive) - self.finished - self.running
        self.dropping = sum(job.reaped and job.started and job.outcome is None for job in jobs)
        if is_opened_known:
            self.closed = self.opened - len(alive)
        else:
            self.opened = self.closed + len(alive)
        finished = {job.id: job for job in alive if job.outcome is not None}
        for shelf in (self._kept, self._outlived, self._fresh):
            for task_id in list(shelf):
                if finished.pop(task_id, None) is None:
                    del shelf[task_id]
        for job in finished.values():
            self._shelve(job)

    def census(self) -> Census:
        """The counts."""
        self.age()
        return Census(
            opened=self.opened,
            closed=self.closed,
            queued=self.queued,
            running=self.running,
            finished=self.finished,
            dropping=self.dropping,
            dropped_before_start=self.dropped_before_start,
            by_gc=self.by_gc,
            pinned=len(self._pinned),
            outlived=len(self._outlived),
        )

    def held(self) -> list[HeldHandle]:
        """Finished handles that are pinned or count as outlived, pinned ones first."""
        self.age()
        now = self._clock()
        return [
            HeldHandle(task_id, job.request.url, job.outcome, now - job.ended_at, shelf is self._kept)
            for shelf in (self._kept, self._outlived)
            for task_id, job in sorted(shelf.items())
            if job.outcome is not None
        ]

    def _shelve(self, job: Job) -> None:
        (self._kept if job.id in self._pinned else self._fresh)[job.id] = job
