"""What runs, what waits, and what became of it: every change of state of a fetch.

All of it happens in `advance`, in the loop: callers, finalizers and runners leave entries in the mailbox, `advance`
takes them out one by one, then gives free places to waiting jobs. Code that interrupts it (a finalizer, a `__del__`
that submits) leaves its entry and returns, so that no change ever sees another one half done.
"""

from __future__ import annotations

import contextvars
import functools
import weakref
from collections import deque
from collections.abc import Awaitable, Callable

import anyio
import anyio.abc

from fetch_engine.completed import Feed
from fetch_engine.errors import AttemptFailed
from fetch_engine.fetching import HopGate, describe_failure
from fetch_engine.lanes import Lanes
from fetch_engine.ledger import Ledger
from fetch_engine.limits import Limits
from fetch_engine.mailbox import Mailbox
from fetch_engine.results import ErrorKind, FetchResult, FetchState
from fetch_engine.session import SharedSession
from fetch_engine.task import FetchTask, Job, Outcome
from fetch_engine.transports.protocol import Transport
from fetch_engine.wake import waker

AT_ONCE = 5000  # entries acted on before the loop gets its turn

RunFetch = Callable[[Job, Transport, HopGate], Awaitable[FetchResult]]


class _Passage:
    """A running job that waits for a place with another host, where a redirect sent it."""

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = anyio.Event()


class Scheduler:
    """Runs jobs in the task group it is given. It holds handles only where they are pinned.

    Made in the loop, in whose thread everything but the mailbox's `post` stays. run_fetch: one fetch, from its start
    to its result; it may raise AttemptFailed.
    """

    def __init__(
        self,
        group: anyio.abc.TaskGroup,
        run_fetch: RunFetch,
        limits: Limits,
        open_transport: Callable[[], Awaitable[Transport]],
        *,
        grace: float,
        idle_close: float | None,
        outlived_after: float,
    ) -> None:
        # Weakly: every handle keeps the mailbox, and none may keep the engine.
        method = weakref.WeakMethod(self.advance)

        def advance_weakly() -> None:
            advance = method()
            if advance is not None:
                advance()

        self.mailbox = Mailbox(waker(advance_weakly), advance_weakly)
        self.session = SharedSession(open_transport, self.spawn, grace=grace, idle_close=idle_close)
        self.ledger = Ledger(outlived_after)
        self.pins: dict[int, FetchTask] = {}
        self._group = group
        self._run_fetch = run_fetch
        # Runners start in this context, not in the submitter's: its variables may hold a handle.
        self._context = contextvars.copy_context()
        self._lanes: Lanes[Job | _Passage] = Lanes(limits.concurrency, limits.per_host)
        self._running: set[Job] = set()
        self._granted: deque[Job] = deque()  # given a place, not yet taken by a runner
        self._workers = 0
        self._free_workers = 0  # started, or about to be free: each takes one of `_granted`
        self._advancing = False
        self._leaving = False
        self._changed: anyio.Event | None = None

    def advance(self) -> None:
        """Act on what the mailbox holds, then give free places away. Never raises; does nothing in another thread."""
        if self._advancing or not self.mailbox.is_own_thread:
            return
        self._advancing = True
        try:
            self.mailbox.disarm()
            for _ in range(AT_ONCE):
                entry = self.mailbox.take()
                if entry is not None:
                    action, subject = entry
                    action(self, subject)
                elif not self._give_place():
                    break
        finally:
            self._advancing = False
        self.mailbox.rearm()
        if self._changed is not None and (self.ledger.idle or not self._workers):
            self._changed.set()
            self._changed = None

    async def join(self) -> None:
        """Wait until nothing is queued, running or unwinding."""
        self.advance()
        while not self.ledger.idle:
            self._changed = self._changed or anyio.Event()
            await self._changed.wait()

    def spawn(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        """Start a coroutine function in the task group. It must never be given a handle."""
        start: Callable[..., object] = self._group.start_soon
        # A copy each time: a context cannot be entered twice, and a `__del__` in between may come here again.
        self._context.copy().run(start, function, *args)

    # Entries of the mailbox

    def admit(self, job: Job) -> None:
        """A handle was made."""
        self.ledger.admit()
        job.generation = self.session.lease()
        if self._leaving:
            self._stop(job, ErrorKind.CANCELLED, "the engine was closed")
            return
        if job.timeout is not None:
            self.spawn(self._expire, job)
        self._lanes.push(job.host, job)

    def cancel(self, job: Job) -> None:
        """Its owner wants it no more."""
        self._stop(job, ErrorKind.CANCELLED, "cancelled")

    def time_out(self, job: Job) -> None:
        """The time it was given at submit is over."""
        self._stop(job, ErrorKind.TIMEOUT_TOTAL, f"not finished {job.timeout:g} s after it was submitted")

    def reap(self, job: Job) -> None:
        """Its handle has died."""
        ended = job.outcome is not None
        self.ledger.reap(job)
        job.reaped = True
        if ended:
            self._give_back_lease(job)
        else:
            self._stop(job, ErrorKind.CANCELLED, "dropped: nobody held it any more")

    def end(self, ended: tuple[Job, Outcome]) -> None:
        """Its runner is through with it."""
        job, outcome = ended
        self._running.discard(job)
        if job.lane is not None:
            self._lanes.release(job.lane)
            job.lane = None
        if job.recorder.started is not None and job.generation is not None:
            self.session.stop(job.generation)
        self._conclude(job, outcome)

    def stop_feed(self, feed: Feed) -> None:
        """The iterator that was fed has died."""
        feed.stop()

    # State changes

    def _give_place(self) -> bool:
        ticket = self._lanes.pop()
        if isinstance(ticket, _Passage):
            ticket.event.set()
        elif ticket is not None:
            self.ledger.start()
            ticket.started = True
            ticket.lane = ticket.host
            self._running.add(ticket)
            self._granted.append(ticket)
            if len(self._granted) > self._free_workers:
                self._free_workers += 1
                self._workers += 1
                self.spawn(self._work)
        return ticket is not None

    def _stop(self, job: Job, kind: ErrorKind, message: str) -> None:
        if job.outcome is not None:
            return
        if job.started:
            job.stop(kind, message)
        else:
            self._lanes.remove(job.host, job)
            self._conclude(job, describe_failure(job.request, job.recorder, AttemptFailed(kind, message)))

    def _conclude(self, job: Job, outcome: Outcome) -> None:
        job.outcome = outcome
        if isinstance(outcome, FetchResult):
            job.recorder.state = FetchState.DONE
        elif outcome.kind is ErrorKind.CANCELLED:
            job.recorder.state = FetchState.CANCELLED
        else:
            job.recorder.state = FetchState.FAILED
        self.ledger.end(job)
        if job.reaped:
            # Only now: closing a client under the runner of a dropped handle would fail its neighbours.
            self._give_back_lease(job)
        if job.deadline_scope is not None:
            job.deadline_scope.cancel()
        if job.pinned_until_done:
            self.pins.pop(job.id, None)
            self.ledger.unpin(job)
        if job.event is not None:
            job.event.set()
        if job.watcher is not None:
            job.watcher.add(job.id, outcome)

    def _give_back_lease(self, job: Job) -> None:
        if job.generation is not None:
            self.session.release(job.generation)
            job.generation = None

    # Coroutines

    async def _work(self) -> None:
        """Run the jobs that were given a place, until there is none."""
        try:
            self._free_workers -= 1
            while self._granted:
                job = self._granted.popleft()
                outcome: Outcome | None = None
                try:
                    outcome = await self._run(job)
                finally:
                    if outcome is None:
                        outcome = self._cancelled(job)
                    self._free_workers += 1  # so that the place goes to a job of this runner, not to a new one
                    self.mailbox.post_now(Scheduler.end, (job, outcome))
                    self._free_workers -= 1
                    del job, outcome
        finally:
            self._workers -= 1
            self.advance()

    async def _run(self, job: Job) -> Outcome | None:
        self.advance()  # a handle that was dropped since the place was given must not start
        if job.cancel_error is not None or job.generation is None:
            return None
        job.generation = self.session.renew(job.generation)
        job.recorder.start()
        self.session.start(job.generation)
        with anyio.CancelScope() as scope:
            job.scope = scope
            try:
                transport = await self.session.transport(job.generation)
                return await self._run_fetch(job, transport, functools.partial(self._move, job))
            except AttemptFailed as failure:
                return describe_failure(job.request, job.recorder, failure)
            except Exception as bug:  # noqa: BLE001 - the caller's `open_transport` may raise anything; one fetch pays
                internal = AttemptFailed(ErrorKind.INTERNAL, f"{type(bug).__name__}: {bug}")
                return describe_failure(job.request, job.recorder, internal)
            finally:
                job.scope = None
        return None

    def _cancelled(self, job: Job) -> Outcome:
        kind, message = job.cancel_error or (ErrorKind.CANCELLED, "the engine was cancelled")
        return describe_failure(job.request, job.recorder, AttemptFailed(kind, message))

    async def _move(self, job: Job, host: str) -> None:
        """Exchange the job's place for one with another host. It waits without a place, so that nobody waits for it."""
        passage = _Passage()
        if job.lane is not None:
            self._lanes.release(job.lane)
            job.lane = None
        self._lanes.push(host, passage, ahead=True)
        self.advance()
        try:
            await passage.event.wait()
        finally:
            if not self._lanes.remove(host, passage):
                job.lane = host

    async def _expire(self, job: Job) -> None:
        if job.outcome is None and job.timeout is not None:
            with anyio.CancelScope() as scope:
                job.deadline_scope = scope
                await anyio.sleep(job.timeout)
                self.mailbox.post_now(Scheduler.time_out, job)

    async def shut_down(self) -> None:
        """Cancel and drain everything, close the session, then the mailbox. Run it in the task group itself: natively
        cancelling the task that hosts the group cannot break it there."""
        self._leaving = True
        with anyio.CancelScope(shield=True):
            self.advance()
            for ticket in self._lanes.waiting():
                if isinstance(ticket, Job):
                    self._stop(ticket, ErrorKind.CANCELLED, "the engine was closed")
            for job in list(self._running):
                job.stop(ErrorKind.CANCELLED, "the engine was closed")
            while self._workers:
                self._changed = self._changed or anyio.Event()
                await self._changed.wait()
            for job in list(self._running):  # given a place, but the runners were cancelled before they took it
                self.end((job, self._cancelled(job)))
            self.pins.clear()
            self.advance()
            await self.session.aclose()
            self.advance()
            self.mailbox.close()
            for job in self.ledger.finished_jobs():
                self._give_back_lease(job)
        self._group.cancel_scope.cancel()
