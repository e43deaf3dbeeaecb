"""The fetches of one generation of the shared session, on the workers of a Dask cluster.

Its ledger (`Assignments`) is the only truth about what has ended: a connection that is lost, a worker that dies, an
outcome that comes twice change nothing but who runs what.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import pickle
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import anyio

from fetch_engine.core.executor import ENGINE_CANCELLED
from fetch_engine.core.scheduler import Scheduler
from fetch_engine.core.slots import slow_down, vacate
from fetch_engine.core.task import Job, Outcome
from fetch_engine.core.worker_facts import WorkerFacts
from fetch_engine.executors.assignments import Assignments, Batch, LossReason
from fetch_engine.executors.dask.client import connect
from fetch_engine.executors.dask.link import DaskLink
from fetch_engine.executors.dask.local_places import DaskPlaces
from fetch_engine.executors.dask.problem import problem
from fetch_engine.executors.dask.worker import Message
from fetch_engine.executors.loss_reason import reason
from fetch_engine.executors.records import Kind, Order, Values, pack_request, unpack_account, unpack_outcome, with_rest
from fetch_engine.fetch.fetch import describe_failure
from fetch_engine.fetch.host_backoff import SlowDown
from fetch_engine.fetch.retry import RetryPolicy
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult

COALESCE = 0.01  # seconds in which jobs go out together
LOOK = 1.0  # seconds between two looks at what waits
LONGEST_PAUSE = 5.0  # seconds between two tries to connect


class DaskSession:
    """What a generation opens: jobs go in, outcomes come out by `end`.

    address, security: of the scheduler, as of `connect`. slots: fetches that a worker takes at a time. lost_after,
    patience, waits: see `DaskExecutor`.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        end: Callable[[list[tuple[Job, Outcome]]], None],
        address: str,
        settings: bytes,
        retry: RetryPolicy,
        *,
        slots: int,
        lost_after: float,
        patience: float,
        waits: bool,
        security: Any = None,
    ) -> None:
        self._scheduler = scheduler
        self._report = end
        self._address = address
        there = functools.partial(connect, address, security)
        self._make_link = functools.partial(DaskLink, self, uuid.uuid4().hex, there, settings, lost_after=lost_after)
        self._retry = retry
        self._slots = slots
        self._lost_after = lost_after
        self._patience = patience
        self._waits = waits
        self._jobs: dict[int, Job] = {}
        self._batches: dict[int, Batch] = {}  # of each fetch that is on a worker
        self.flights = Assignments()
        self._link: DaskLink | None = None
        self._awake = asyncio.Event()
        self._places = DaskPlaces(scheduler, self.flights, self._awake.set)
        self._closing = False
        self._connecting = anyio.CancelScope()
        self._closed = asyncio.Event()
        self._since = time.monotonic()  # nobody has taken fetches since then
        self.reconnected = 0

    async def open(self) -> None:
        """Connect. Raises AttemptFailed, unless fetches are to wait for a scheduler."""
        link = self._make_link()
        try:
            await link.open()
            self._link = link
        except AttemptFailed:
            if not self._waits:
                raise
        self._scheduler.spawn(self._serve, self._link)
        self._scheduler.spawn(self._plan)
        self._scheduler.proceed()

    async def aclose(self) -> None:
        """Let go of everything there."""
        self._closing = True
        self._connecting.cancel()
        self._awake.set()
        if self._link is not None:
            self._link.close()
        await self._closed.wait()

    @property
    def connections(self) -> int | None:
        """Sockets of all workers; None where one does not tell."""
        counts = [one.connections for one in self.workers()]
        return None if None in counts else sum(count or 0 for count in counts)

    def workers(self) -> tuple[WorkerFacts, ...]:
        """Every worker of the cluster."""
        return () if self._link is None else self._link.facts(self._slots, self.flights.flying)

    def add(self, jobs: Iterable[Job]) -> None:
        """Run these."""
        for job in jobs:
            self._jobs[job.id] = job
            self.flights.add(job.id, repeatable=self._retry.may_repeat(job.request.method))
        if self._closed.is_set():
            self._give_up()
        self._awake.set()

    def stop(self, job: Job) -> None:
        """End this one."""
        if job.id not in self._jobs:
            return
        worker = self.flights.stop(job.id)
        if worker is None:
            self._end([(job, self._failure(job, ErrorKind.CANCELLED, "cancelled"))])
        elif self._link is not None:
            self._link.command(worker, "stop", self._batches[job.id].number, job.id)

    # Called by the link

    def joined(self, worker: str) -> None:
        """It takes fetches."""
        self.flights.join(worker, self._slots)
        self._awake.set()

    def left(self, worker: str, *, died: bool) -> None:
        """It takes no more, and what it had is lost."""
        self._since = time.monotonic()
        self._settle(self.flights.leave(worker, died=died), worker)

    def told(self, worker: str, messages: list[Message]) -> None:
        """It sent these."""
        ended: list[tuple[Job, Outcome]] = []
        for message in messages:
            match message:
                case ("at", record):
                    self._heed(worker, *record)
                case ("end", int(number), int(job_id), bytes(pickled)):
                    self._take(job_id, number, pickled, worker, ended)
                case ("taken", int(number), int(job_id), bytes(pickled)) if self._on(worker, job_id) is not None:
                    self._take(job_id, number, pickled, worker, ended)
                case ("long", int(number), int(job_id)) if self._on(worker, job_id) is not None and self._link:
                    self._link.command(worker, "take", number, job_id)
        self._end(ended)
        self._scheduler.proceed()

    def _heed(self, worker: str, kind: Kind, job_id: int, run: int, what: Any) -> None:
        job = self._on(worker, job_id)
        if job is None or run != self.flights.run(job_id):
            return
        match kind:
            case Kind.PROGRESS:
                self._note(job, what, worker)
            case Kind.MOVE:
                self._move(job, what)
            case Kind.REST:
                self._scheduler.mailbox.put(vacate, job)
            case Kind.SLOW:
                self._scheduler.mailbox.put(slow_down, SlowDown(*what))

    def _note(self, job: Job, account: Values, worker: str) -> None:
        """Have the recorder tell what the one there told."""
        known = None if self._link is None else self._link.workers.get(worker)
        before = job.recorder.bytes_received
        unpack_account(account, job.recorder, 0.0 if known is None else -known.ahead)
        if known is not None:
            known.received += max(0, job.recorder.bytes_received - before)

    def is_missing(self, batch: Batch) -> bool:
        """Whether any outcome of it has not come."""
        return bool(self.flights.unended(batch))

    def landed(self, batch: Batch, ended: dict[int, bytes] | None) -> None:
        """It has ended, with the last records of all that has ended; None if it could not be run."""
        taken: list[tuple[Job, Outcome]] = []
        for job_id in self.flights.unended(batch):
            if ended is not None and job_id in ended:
                self._take(job_id, batch.number, ended[job_id], batch.worker, taken)
        self._end(taken)
        self._settle(self.flights.withdraw(self.flights.unended(batch)), batch.worker)

    def lost(self) -> None:
        """The connection is."""
        self._since = time.monotonic()
        for worker in self.flights.workers:
            self._settle(self.flights.leave(worker, died=False), worker)

    # What it does

    async def _serve(self, link: DaskLink | None) -> None:
        """Keep a connection; None: there is none yet."""
        try:
            while not self._closing:
                if link is not None:
                    await link.serve()
                with self._connecting:
                    link = await self._reconnect()
        finally:
            self._closed.set()
            self._give_up()

    async def _reconnect(self) -> DaskLink:
        pause = 0.1
        while True:
            link = self._make_link()
            with contextlib.suppress(AttemptFailed):
                await link.open()
                break
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self._link = link
        self._since = time.monotonic()  # its workers come one after the other
        self.reconnected += 1
        return link

    def _give_up(self) -> None:
        """Nobody is left to run anything: the task that hosts the engine was cancelled."""
        jobs = [self._jobs[job_id] for job_id in self.flights.clear()]
        self._end([(job, self._failure(job, *ENGINE_CANCELLED)) for job in jobs])

    async def _plan(self) -> None:
        """Give what waits to workers."""
        while not self._closing:
            with anyio.move_on_after(LOOK):
                await self._awake.wait()
            self._awake.clear()
            if self._link is not None and self._link.is_open:
                for batch in self.flights.plan(time.monotonic()):
                    self._fly(self._link, batch)
            if not self.flights.workers:
                self._despair()
            await anyio.sleep(COALESCE)

    def _fly(self, link: DaskLink, batch: Batch) -> None:
        ahead = link.workers[batch.worker].ahead
        orders: list[Order] = []
        for job_id in batch.ids:
            job = self._jobs[job_id]
            self._batches[job_id] = batch
            orders.append((job_id, self.flights.run(job_id), job.recorder.submitted + ahead, pack_request(job.request)))
        link.fly(batch, pickle.dumps(orders))

    def problem(self) -> tuple[str, bool]:
        """Why nobody takes the fetches that there are, "" if somebody does or soon will; and whether it is time to
        give up."""
        if self.flights.workers or self._closing or not self._jobs:
            return "", False
        gone = time.monotonic() - self._since
        if self._link is None or not self._link.is_open:
            return f"no connection to the Dask scheduler at {self._address}", gone > self._lost_after
        return problem(self.workers(), gone, self._patience)

    def _despair(self) -> None:
        """Nobody takes fetches: after a while they fail, at once where nobody will."""
        why, is_lost = self.problem()
        if is_lost and not self._waits:
            jobs = [self._jobs[job_id] for job_id in self.flights.clear()]
            self._end([(job, self._failure(job, ErrorKind.CONNECT, why)) for job in jobs])

    def _move(self, job: Job, host: str) -> None:
        batch = self._batches.get(job.id)
        if batch is not None:
            self._places.move(job, host, functools.partial(self._admit, batch.worker, job.id))

    def _admit(self, worker: str, job_id: int) -> None:
        if self._link is not None:
            self._link.command(worker, "admit", job_id)

    def _on(self, worker: str, job_id: int) -> Job | None:
        return self._jobs.get(job_id) if self.flights.where(job_id) == worker else None

    def _take(self, job_id: int, number: int, pickled: bytes, worker: str, ended: list[tuple[Job, Outcome]]) -> None:
        _, _, _, (packed, account) = pickle.loads(pickled)
        outcome = unpack_outcome(packed)
        is_cancelled = not isinstance(outcome, FetchResult) and outcome.kind is ErrorKind.CANCELLED
        job = self._jobs.get(job_id)
        if is_cancelled and job is not None and job.cancel_error is None:
            return  # the worker is being closed; what is missing of the batch runs again
        if self.flights.end(job_id, number):
            assert job is not None
            self._note(job, account, worker)
            if isinstance(outcome, FetchError) and is_cancelled and job.cancel_error is not None:
                outcome = replace(outcome, kind=job.cancel_error[0], message=job.cancel_error[1])
            ended.append((job, replace(with_rest(outcome, job.recorder), carried_by=worker)))

    def _settle(self, verdicts: dict[int, LossReason], worker: str) -> None:
        ended: list[tuple[Job, Outcome]] = []
        for job_id, verdict in verdicts.items():
            job = self._jobs[job_id]
            why = reason(verdict, worker, job.request.method)
            ended.append((job, replace(self._failure(job, *why), carried_by=worker)))
        self._end(ended)
        for job_id in [one for one in self._batches if self.flights.where(one) is None]:
            del self._batches[job_id]
            self._places.begin_again(self._jobs[job_id])
        self._awake.set()

    def _failure(self, job: Job, kind: ErrorKind, message: str) -> Any:
        return describe_failure(job.request, job.recorder, AttemptFailed(*(job.cancel_error or (kind, message))))

    def _end(self, ended: list[tuple[Job, Outcome]]) -> None:
        for job, _ in ended:
            del self._jobs[job.id]
            self._batches.pop(job.id, None)
            self._places.leave(job)
        if ended:
            self._report(ended)
            self._awake.set()
