"""What runs, what waits, and what became of it: every change of state of a fetch.

All of it happens in `advance`, in the loop: callers, finalizers and runners leave entries in the mailbox, `advance`
takes them out one by one, then gives free places to waiting jobs, which go to the executor. Code that interrupts it (a
finalizer, a `__del__` that submits) leaves its entry and returns, so that no change ever sees another one half done.
Such code may as well have interrupted the event loop, which is not made for that. So `advance` only lists the calls
that it owes the loop, to start, wake or cancel a task; `proceed` makes them, from the loop's own turns.
"""

from __future__ import annotations

import contextvars
import math
import time
import weakref
from collections.abc import Callable

import anyio
import anyio.abc

from fetch_engine.core.announcing import Announcing
from fetch_engine.core.as_completed import Feed
from fetch_engine.core.deaths import LOOK_AGAIN, Deaths
from fetch_engine.core.executor import Executor
from fetch_engine.core.host_queues import HostQueues
from fetch_engine.core.hosts import Hosts
from fetch_engine.core.ledger import Ledger
from fetch_engine.core.mailbox import Action, Mailbox
from fetch_engine.core.own_tasks import OwnTasks
from fetch_engine.core.recount import recount
from fetch_engine.core.session import SharedSession
from fetch_engine.core.slots import SlotRequest, note_rest, turn_away, turn_some_away
from fetch_engine.core.task import FetchTask, Job, Outcome
from fetch_engine.fetch.fetch import describe_failure
from fetch_engine.fetch.host_backoff import HostBackoff
from fetch_engine.inspect import known_types
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.loop_waker import ending, has_headroom, interrupter, presence, waker
from fetch_engine.model.results import ErrorKind

INTERRUPTIONS = (
    RecursionError,
    MemoryError,
    KeyboardInterrupt,
)  # of the surroundings: not the fault of what they strike


class Scheduler:
    """Has the executor run jobs, in a task group of its own. It holds handles only where they are pinned.

    Made in the loop, in whose thread everything but the mailbox's `post` stays. `tasks.settle` must follow.
    """

    def __init__(
        self,
        executor: Executor,
        limits: Limits,
        *,
        grace: float,
        idle_close: float | None,
        outlived_after: float,
        announcing: Announcing,
        registry: weakref.WeakValueDictionary[int, FetchTask],
    ) -> None:
        self.mailbox = Mailbox(self, waker, presence(), Scheduler.cancel)
        self.opened_in = contextvars.copy_context()
        self.tasks = OwnTasks(self.mailbox, self.proceed, self._shut_down)
        self._owed = self.tasks.owed
        self.spawn, self.later = self.tasks.spawn, self._owed.append
        self.session = SharedSession(executor.open_client, self.spawn, self.later, grace=grace, idle_close=idle_close)
        self.ledger = Ledger(outlived_after)
        self.pins: dict[int, FetchTask] = {}
        self.executor = executor
        self.lanes: HostQueues[Job | SlotRequest] = HostQueues(
            min(limits.concurrency, executor.capacity or limits.concurrency),
            limits.per_host,
            gap=1 / (limits.rate or math.inf),
            host_gap=1 / (limits.host_rate or math.inf),
        )
        self.backoff = HostBackoff(limits)
        self.hosts = Hosts(self.lanes, self.backoff)
        self._alarm = math.inf  # when the task that waits for lanes to open looks again
        self._sooner = anyio.Event()
        self.running: set[Job] = set()
        self.granted: list[Job] = []  # given a place, not yet submitted to the executor
        self.announcing = announcing
        self._advancing = self._leaving = self.left = False
        self._changed: anyio.Event | None = None
        self._is_loop_gone = ending()
        self._interrupt_loop = interrupter()
        self.deaths = Deaths(registry)

    def advance(self) -> None:
        """Act on what the mailbox holds, then give free places away. Does nothing outside of the loop; near the limit
        of recursion, where it could be interrupted half way, it leaves that to a turn of the loop, or raises
        RecursionError."""
        if not self.mailbox.is_in_loop() and not self.left:
            if self._is_loop_gone():
                self._bury()
        elif has_headroom():
            self.advance_here()
        elif len(self.mailbox):
            self.mailbox.ask_again()

    def advance_here(self) -> None:
        """`advance`, for a caller who knows to be in the loop."""
        if self._advancing:
            return
        try:
            self._advancing = True
            self.mailbox.act(self, self._give_place)
            if self.lanes.refusing and turn_some_away(self):
                self.mailbox.ask_again()
            if self.granted:
                granted, self.granted = self.granted, []
                self.executor.submit(granted)
            self._watch_lanes()
            if self._changed is not None and (self.ledger.idle or self._is_drained()):
                self._owed.append(self._changed.set)
                self._changed = None
        except BaseException:
            self.mailbox.put_first(recount, None)
            raise
        finally:
            self._advancing = False
        if len(self.mailbox) or self._owed:
            self.mailbox.ask_again()

    def proceed(self, action: Action | None = None, subject: object = None) -> None:
        """Leave an entry, if one is given; `advance`; and make the calls owed. For a turn of the engine's own."""
        if action is not None:
            self.mailbox.put(action, subject)
        try:
            is_here = self.mailbox.is_in_loop()
            if is_here or self.left:
                self.advance_here()
            if self._owed and is_here:
                self.tasks.make_calls()
        except INTERRUPTIONS as error:
            self._put_off(error)

    def start(self, job: Job) -> None:
        """As `proceed(Scheduler.begin, job)`, which costs much more than this where nothing else is to be done."""
        if self._advancing or len(self.mailbox):
            self.proceed(Scheduler.begin, job)
            return
        try:
            self._advancing = True
            self.begin(job)
        except INTERRUPTIONS as error:
            self.mailbox.put(Scheduler.begin, job)
            self.mailbox.put_first(recount, None)
            self._put_off(error)
            return
        finally:
            self._advancing = False
        if self._owed or len(self.mailbox):
            self.proceed()

    def _put_off(self, error: BaseException) -> None:
        """The engine's own task that it has struck is not to end by it: what was interrupted is done in a later turn,
        and Control-C comes out of the event loop."""
        if isinstance(error, KeyboardInterrupt):
            if self._interrupt_loop is None:
                raise error
            self._interrupt_loop()
        self.mailbox.ask_again()

    async def join(self) -> None:
        """Wait until nothing is queued, running or unwinding."""
        await self._wait_for(lambda: self.ledger.idle)

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        self.proceed()
        while not condition():
            self._changed = self._changed or anyio.Event()
            await self._changed.wait()

    # Entries of the mailbox

    def admit(self, job: Job) -> None:
        """A handle was made."""
        if job.outcome is not None:
            return
        self.ledger.admit()
        job.generation = self.session.lease()
        if self._leaving:
            self.stop(job, ErrorKind.CANCELLED, "the engine was closed")
            return
        if self.backoff.refusal(job.host) is not None:
            turn_away(self, job.host, job)
            return
        job.host = self.lanes.push(job.host, job)
        if not self.deaths.watched:
            self.spawn(self._watch)
            self.deaths.watched = True
        if job.timeout is not None:
            self.spawn(job.expire, Scheduler.time_out)

    def cancel(self, job: Job) -> None:
        """Its owner wants it no more."""
        self.stop(job, ErrorKind.CANCELLED, "cancelled")

    def time_out(self, job: Job) -> None:
        """The time it was given at submit is over."""
        self.stop(job, ErrorKind.TIMEOUT_TOTAL, f"not finished {job.timeout:g} s after it was submitted")

    def reap(self, job: Job) -> None:
        """Its handle has died."""
        if not job.reaped:
            self.ledger.reap(job)
        if job.outcome is not None:
            self._give_back_lease(job)
        else:
            self.stop(job, ErrorKind.CANCELLED, "dropped: nobody held it any more")

    def begin(self, job: Job) -> None:
        """Its request is about to start. A handle that died since the place was given was reaped before."""
        if job.begun is not None:
            return
        may_begin = job.cancel_error is None and job.generation is not None
        if may_begin and job.generation is not None:
            job.generation = self.session.renew(job.generation)
            self.session.start(job.generation)
            job.recorder.start()
        job.begun = may_begin

    def end(self, ended: tuple[Job, Outcome]) -> None:
        """The executor is through with it."""
        job, outcome = ended
        self.leave_lane(job)
        if job.begun and job.generation is not None and job in self.running:
            self.session.stop(job.generation)
        if job.outcome is None:
            self._conclude(job, outcome)
        self.running.discard(job)

    def leave(self, _: None) -> None:
        """The engine ends."""
        self._leaving = True
        for ticket in (*self.lanes.waiting(), *self.running):
            if isinstance(ticket, Job):
                self.stop(ticket, ErrorKind.CANCELLED, "the engine was closed")

    def stop_feed(self, feed: Feed) -> None:
        """The iterator that was fed has died."""
        self._owed.append(feed.stop)

    # State changes

    def _give_place(self) -> bool:
        ticket = self.lanes.pop()
        if ticket is None:
            return False
        if self.lanes.rested:
            note_rest(self, ticket)
        self.place(ticket)
        self.lanes.given = None
        return True

    def place(self, ticket: Job | SlotRequest) -> None:
        """It was given a place."""
        if isinstance(ticket, SlotRequest):
            ticket.job.lane = ticket.host
            self._owed.append(ticket.arrived)
        else:
            self.ledger.start()
            ticket.started = True
            ticket.lane = ticket.host
            self.running.add(ticket)
            if not self.announcing.holds(ticket, self):
                self.granted.append(ticket)

    def leave_lane(self, job: Job) -> None:
        if job.lane is not None:
            self.lanes.release(job.lane)
            job.lane = None

    def _watch_lanes(self) -> None:
        due = self.lanes.next_at()
        if due < self._alarm:
            if self._alarm == math.inf:
                self.spawn(self._keep_time)
            else:
                self._owed.append(self._sooner.set)
            self._alarm = due

    def stop(self, job: Job, kind: ErrorKind, message: str) -> None:
        """End it, queued or running, if it has not ended."""
        if job.outcome is not None:
            return
        if self.announcing.has(job):
            self.end((job, describe_failure(job.request, job.recorder, AttemptFailed(kind, message))))
            self.announcing.forget(job)
        elif job.started:
            job.refuse(kind, message)
            self.executor.stop(job)
        else:
            self._conclude(job, describe_failure(job.request, job.recorder, AttemptFailed(kind, message)))
            self.lanes.remove(job.host, job)

    def _conclude(self, job: Job, outcome: Outcome) -> None:
        self.ledger.end(job)
        if job.reaped:
            self._give_back_lease(job)  # only now: closing a client under a runner would fail its neighbours
        if job.pinned_until_done:
            self.pins.pop(job.id, None)
            self.ledger.unpin(job)
        if job.is_watched:
            self._owed.append(job.tell)
        job.conclude(outcome)

    def _give_back_lease(self, job: Job) -> None:
        if job.generation is not None:
            self.session.release(job.generation)
            job.generation = None

    def notice_deaths(self) -> None:
        """Reap those whose handle died unnoticed, if there are fewer handles than the ledger counts."""
        if self.ledger.alive > self.deaths.handles():
            waiting = [ticket for ticket in self.lanes.waiting() if isinstance(ticket, Job)]
            for job in self.deaths.unnoticed((*waiting, *self.running, *self.ledger.finished_jobs())):
                self.mailbox.put(Scheduler.reap, job)
            self.proceed()

    # Coroutines

    async def _watch(self) -> None:
        """While any handle is alive, look whether one has died unnoticed, and whether an entry was."""
        while self.ledger.alive or len(self.mailbox):
            await anyio.sleep(LOOK_AGAIN)
            self.proceed()
            self.notice_deaths()
        self.deaths.watched = False

    async def _keep_time(self) -> None:
        """Look again when lanes that rest open, as long as any has to be waited for."""
        while (due := self.lanes.next_at()) < math.inf and not self.left:
            self._alarm, self._sooner = due, anyio.Event()
            with anyio.move_on_after(due - time.monotonic()):
                await self._sooner.wait()
            self.proceed()
        self._alarm = math.inf

    def _bury(self) -> None:
        """The loop was closed under the engine: nothing runs any more, and nothing will."""
        self.advance_here()
        self.leave(None)
        for job in list(self.running):
            error = job.cancel_error or (ErrorKind.CANCELLED, "the event loop was closed")
            self.end((job, describe_failure(job.request, job.recorder, AttemptFailed(*error))))
        self._owed.clear()
        self.pins.clear()
        self.mailbox.close()
        for job in self.ledger.finished_jobs():
            self._give_back_lease(job)
        self.left = True

    async def close(self) -> None:
        """As `OwnTasks.close`; where the loop was closed, there is nothing to wait for."""
        if self._is_loop_gone():
            self.advance()
        else:
            await self.tasks.close()

    async def _shut_down(self) -> None:
        """May be begun anew when it was cancelled half way."""
        self.mailbox.put(Scheduler.leave, None)
        await self._wait_for(self._is_drained)
        while self.pins:
            self.ledger.unpin(self.pins.popitem()[1].job)
        await self._wait_for(self._is_drained)
        await self.session.aclose()
        await self.executor.aclose()
        await self._wait_for(self._is_drained)
        self.mailbox.close()
        for job in self.ledger.finished_jobs():
            self._give_back_lease(job)
        self.left = True

    def _is_drained(self) -> bool:
        return self.executor.idle and not len(self.mailbox)


known_types.ROOTS.append(Scheduler)
known_types.PINS.append((Scheduler, "pins"))
