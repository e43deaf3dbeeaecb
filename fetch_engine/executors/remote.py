"""What executors for elsewhere have in common: the account of the jobs that are there.

Ids and plain records go both ways, and no coroutine waits for any one of them. Places stay with the engine here: a
fetch that is redirected to another host, or that waits for its retry, gives its place back and asks for another one, so
that the limits hold for all processes together; a host that asks for less (429, Retry-After) rests for all of them.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import anyio

from fetch_engine.core.executor import ENGINE_CANCELLED, Settings
from fetch_engine.core.scheduler import Scheduler
from fetch_engine.core.session import Generation
from fetch_engine.core.slots import SlotRequest, arrive, depart, slow_down, vacate
from fetch_engine.core.task import Job, Outcome
from fetch_engine.executors.records import Kind, Record, unpack_account, unpack_outcome, with_rest
from fetch_engine.fetch.fetch import describe_failure
from fetch_engine.fetch.host_backoff import SlowDown
from fetch_engine.fetch.retry import unknown_outcome
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind, FetchError

Reason = tuple[ErrorKind, str]

_ROUNDS = 3


class RemoteJob:
    """A job elsewhere. run: how often it was sent, counted from 1; carrier: who has it, None where nobody has."""

    __slots__ = ("carrier", "job", "passage", "run")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.run = 1
        self.carrier: Any = None
        self.passage: SlotRequest | None = None


class RemoteExecutor(abc.ABC):
    """A subclass sends orders (`_send`, `_drop`, `_admit`) and hands in what comes back (`receive`, `lose`).

    rerun: orders sent a second time because who had them died.
    """

    def __init__(self) -> None:
        self.rerun = 0
        self._settings: Settings
        self._scheduler: Scheduler
        self._carried: dict[int, RemoteJob] = {}
        self._due = 0  # submitted, and not yet allowed to begin
        self._opening: dict[Generation, list[RemoteJob]] = {}
        self._acting = False
        self._watched = self._cancelled = False

    @property
    def capacity(self) -> int | None:
        return None

    @property
    def idle(self) -> bool:
        return not (self._carried or self._due or self._opening)

    def prepare(self, settings: Settings) -> None:
        """Raises ValueError for what fetches elsewhere would have to do without."""
        if settings.open_transport is not None:
            raise ValueError("a transport of the caller's cannot be used by other processes")
        if settings.cookies is not None:
            raise ValueError("other processes do not share the cookies of this one")
        self._settings = settings

    def start(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    @abc.abstractmethod
    async def open_client(self) -> Any: ...

    def submit(self, jobs: Sequence[Job]) -> None:
        mailbox = self._scheduler.mailbox
        for job in jobs:
            mailbox.put(Scheduler.begin, job)
            mailbox.put(self._begin, job)
        self._due += len(jobs)
        self._scheduler.later(self._act)
        if not self._watched:
            self._watched = True
            self._scheduler.spawn(self._await_cancellation)

    def stop(self, job: Job) -> None:
        carried = self._carried.get(job.id)
        if carried is None:
            return
        if carried.carrier is not None:
            self._drop(carried)
        elif job.generation not in self._opening:
            self._give_up(carried, ENGINE_CANCELLED)

    def blame(self) -> str | None:
        return None

    async def aclose(self) -> None:
        return None

    @abc.abstractmethod
    def _send(self, carried: RemoteJob, client: Any) -> None:
        """Send it to one that `client` stands for, and note on it which; or `_give_up`. In the loop, never blocks."""

    @abc.abstractmethod
    def _drop(self, carried: RemoteJob) -> None:
        """Tell its carrier that nobody wants it."""

    @abc.abstractmethod
    def _admit(self, carried: RemoteJob) -> None:
        """Tell its carrier that it has the place that it asked for."""

    def receive(self, records: Iterable[Record], shift: float = 0.0) -> None:
        """Act on what came back. shift: what the clock of this process is ahead of the sender's, in seconds."""
        for kind, task_id, run, told in records:
            carried = self._carried.get(task_id)
            if carried is None or carried.run != run:
                continue  # what another one does by now, or has done
            if kind is Kind.DONE:
                outcome, account = told
                unpack_account(account, carried.job.recorder, shift)
                self._end(carried, self._accepted(carried.job, unpack_outcome(outcome)))
            elif kind is Kind.PROGRESS:
                unpack_account(told, carried.job.recorder, shift)
            else:
                self._move(kind, carried, told)
        self._scheduler.proceed()

    def lose(self, lost: Iterable[RemoteJob], reason: Reason) -> None:
        """Who had these died. Those that may be run twice are sent once more, and the others fail."""
        for carried in lost:
            job, carried.carrier = carried.job, None
            method = job.request.method
            if job.cancel_error is not None or carried.run > 1:
                self._give_up(carried, reason)
            elif self._settings.retry.may_repeat(method):
                carried.run = 2
                self.rerun += 1
                self.send_again(carried)
            else:
                self._give_up(carried, (reason[0], unknown_outcome(reason[1], method)))
        self._scheduler.proceed()

    def send_again(self, carried: RemoteJob) -> None:
        """Send it as soon as it has a place with its own host."""
        job = carried.job
        self._leave_passage(carried)
        if job.lane == job.host:
            self._send_now(carried)
        else:
            self._scheduler.mailbox.put(vacate, job)
            carried.passage = SlotRequest(job, job.host, partial(self._send_now, carried))
            self._scheduler.mailbox.put(depart, carried.passage)

    def _send_now(self, carried: RemoteJob) -> None:
        carried.passage = None
        generation = carried.job.generation
        if self._carried.get(carried.job.id) is carried and generation is not None:
            self._send(carried, generation.client)

    def _begin(self, _: Scheduler, job: Job) -> None:
        """Entry of the mailbox, after the one that lets it begin or does not."""
        self._due -= 1
        carried = self._carried[job.id] = RemoteJob(job)
        generation = job.generation
        if not job.begun or generation is None or self._cancelled:
            self._give_up(carried, ENGINE_CANCELLED)
        elif generation.client is not None:
            self._send(carried, generation.client)
        elif generation in self._opening:
            self._opening[generation].append(carried)
        else:
            self._opening[generation] = [carried]
            self._scheduler.spawn(self._open, generation)

    async def _open(self, generation: Generation) -> None:
        reason: Reason | None = None
        try:
            with anyio.CancelScope(shield=True):  # what has been opened has to be closed: it must be known
                await self._scheduler.session.client(generation)
        except AttemptFailed as failure:
            reason = (failure.kind, failure.message)
        for carried in self._opening.pop(generation):
            if reason is not None or carried.job.cancel_error is not None:
                self._give_up(carried, reason or ENGINE_CANCELLED)
            else:
                self._send(carried, generation.client)
        self._scheduler.proceed()

    def _move(self, kind: Kind, carried: RemoteJob, told: Any) -> None:
        mailbox = self._scheduler.mailbox
        if kind is Kind.MOVE:
            carried.passage = SlotRequest(carried.job, told, partial(self._arrived, carried))
            mailbox.put(depart, carried.passage)
        elif kind is Kind.REST:
            mailbox.put(vacate, carried.job)
        else:
            mailbox.put(slow_down, SlowDown(*told))

    def _arrived(self, carried: RemoteJob) -> None:
        carried.passage = None
        if carried.carrier is not None:
            self._admit(carried)

    def _leave_passage(self, carried: RemoteJob) -> None:
        if carried.passage is not None:
            self._scheduler.mailbox.put(arrive, carried.passage)
            carried.passage = None

    def _accepted(self, job: Job, outcome: Outcome) -> Outcome:
        """The outcome as its owner is told of it."""
        outcome = with_rest(outcome, job.recorder)
        if isinstance(outcome, FetchError) and outcome.kind is ErrorKind.CANCELLED and job.cancel_error is not None:
            kind, message = job.cancel_error
            return replace(outcome, kind=kind, message=message)
        return outcome

    def _give_up(self, carried: RemoteJob, reason: Reason) -> None:
        """It ends here, for the reason that its owner gave, else for this one."""
        job = carried.job
        failure = AttemptFailed(*(job.cancel_error or reason))
        self._end(carried, describe_failure(job.request, job.recorder, failure))

    def _end(self, carried: RemoteJob, outcome: Outcome) -> None:
        """Leave the entry that it ended; the caller sees to it that it is acted on."""
        self._leave_passage(carried)
        carried.carrier = None
        del self._carried[carried.job.id]
        self._scheduler.mailbox.put(Scheduler.end, (carried.job, outcome))

    def _act(self) -> None:
        """Have the entries that `submit` left acted on now. Not within itself: of a thousand jobs that were cancelled
        in the queue each makes room for the next."""
        if self._acting:
            return
        self._acting = True
        try:
            for _ in range(_ROUNDS):  # the loop comes back for what is left
                if self._due:
                    self._scheduler.proceed()
        finally:
            self._acting = False

    async def _await_cancellation(self) -> None:
        """Natively cancelling the task that hosts the engine cancels fetches elsewhere too."""
        try:
            await anyio.sleep_forever()
        finally:
            self._cancelled = True
            for carried in list(self._carried.values()):
                carried.job.refuse(*ENGINE_CANCELLED)
                self.stop(carried.job)
            self._scheduler.proceed()
