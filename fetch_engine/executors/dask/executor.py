"""Fetches that run on the workers of a Dask cluster; handles, lanes and the ledger stay here."""

from __future__ import annotations

import asyncio
import functools
import pickle
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio.lowlevel

from fetch_engine.core.executor import ENGINE_CANCELLED, Settings
from fetch_engine.core.scheduler import Scheduler
from fetch_engine.core.task import Job, Outcome
from fetch_engine.core.worker_facts import ClusterFacts
from fetch_engine.executors.dask.address import parse_cluster
from fetch_engine.fetch.fetch import describe_failure
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

if TYPE_CHECKING:
    from fetch_engine.bodies.shared_folder import SharedFolder
    from fetch_engine.executors.dask.local import LocalCluster
    from fetch_engine.executors.dask.session import DaskSession

SLOTS = 256  # fetches that a worker takes at a time


class DaskExecutor:
    """For `FetchEngine(executor=DaskExecutor("tcp://host:8786"))`.

    address: of a scheduler, `tcp://` or `tls://` (certificates as in Dask's own configuration), or `local[:WORKERS]`
    for a cluster on this machine, started with the first fetch and stopped with the engine; nobody but this process
    and its workers can use that. slots: fetches that a worker takes at a time. lost_after: seconds of silence after
    which a worker counts as lost here, and this end there; each lets go of what it has with the other. Fetches fail
    after so many seconds without a connection to the scheduler, or after `patience` seconds without any worker.
    waits: they go on waiting instead, until their owner drops them; `cluster.is_lost` tells him.
    Concurrency, rates and what holds for a host are bounds for the cluster as a whole. Needs asyncio. Raises ValueError
    for an address that is none, ModuleNotFoundError without the extra `dask`.
    """

    def __init__(
        self,
        address: str,
        *,
        slots: int = SLOTS,
        lost_after: float = 30.0,
        patience: float = 120.0,
        waits: bool = False,
    ) -> None:
        self.address = parse_cluster(address)
        self._slots = slots
        self._lost_after = lost_after
        self._patience = patience
        self._waits = waits
        self._outbox: deque[Job] = deque()
        self._opening: dict[int, Job] = {}
        self._count = 0
        self._is_dispatching = False
        self._session: DaskSession | None = None
        self._cluster: LocalCluster | None = None  # of our own, open as long as this stack
        self._local = AsyncExitStack()
        self._settings: Settings
        self._pickled = b""
        self._scheduler: Scheduler
        self._before = ClusterFacts()  # of earlier generations
        if self.address.url is None:
            from fetch_engine.executors.dask.local import prepare_local

            prepare_local()
        import distributed  # noqa: F401 - so that its absence is told here

    async def check(self) -> str | None:
        """Why the cluster cannot be used, as far as can be told before a fetch; in any loop of asyncio."""
        if self.address.url is None:
            return None
        from fetch_engine.executors.dask.client import check

        return await check(self.address.url)

    async def check_sink(self, sink: SharedFolder) -> str | None:
        """Why the workers can write nothing there, as far as can be told before a fetch; as `check`."""
        if self.address.url is None:
            return sink.problem()
        from fetch_engine.executors.dask.client import check_sink

        return await check_sink(self.address.url, sink)

    @property
    def capacity(self) -> int | None:
        return None

    @property
    def idle(self) -> bool:
        return not self._count

    @property
    def cluster(self) -> ClusterFacts:
        """The cluster now; without workers as long as no handle wants any."""
        before, session = self._before, self._session
        if session is None:
            return before
        flights = session.flights
        return ClusterFacts(
            session.workers(),
            before.rerun + flights.rerun,
            before.late + flights.late,
            before.reconnected + session.reconnected,
            *session.problem(),
        )

    def prepare(self, settings: Settings) -> None:
        if settings.open_transport is not None:
            raise ValueError("a transport of one's own cannot be sent to the workers of a cluster")
        if settings.cookies is not None:
            raise ValueError("the workers of a cluster share no cookies")
        self._settings = settings
        room = 2 * self._slots
        # The lanes are here. A body that is not saved is not kept beyond its preview: a file there is of no use here.
        limits = replace(settings.limits, concurrency=room, per_host=room, rate=None, host_rate=None)
        try:
            self._pickled = pickle.dumps(replace(settings, limits=limits, spool=None))
        except Exception as error:  # noqa: BLE001 - pickle raises what it likes
            raise ValueError(f"these options cannot be sent to a cluster: {error}") from None

    def start(self, scheduler: Scheduler) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("a Dask cluster needs asyncio: run the engine there, not on trio") from None
        self._scheduler = scheduler

    async def open_client(self) -> DaskSession:
        from fetch_engine.executors.dask.session import DaskSession

        address, security = self.address.url, None
        if address is None:
            if self._cluster is None:
                self._cluster = await self._start_cluster()
            address, security = self._cluster.address, self._cluster.security
        session = DaskSession(
            self._scheduler,
            self.end,
            address,
            self._pickled,
            self._settings.retry,
            slots=self._slots,
            lost_after=self._lost_after,
            patience=self._patience,
            waits=self._waits and self.address.url is not None,
            security=security,
        )
        await session.open()
        self._before, self._session = self.cluster, session
        return session

    async def _start_cluster(self) -> LocalCluster:
        from fetch_engine.executors.dask.local import local_cluster

        try:
            return await self._local.enter_async_context(local_cluster(self.address.workers))
        except (OSError, RuntimeError) as error:
            why = " ".join(str(error).split())[:200]
            raise AttemptFailed(ErrorKind.CONNECT, f"the cluster on this machine did not start: {why}") from None

    def submit(self, jobs: Sequence[Job]) -> None:
        self._count += len(jobs)
        self._outbox.extend(jobs)
        if not self._is_dispatching:
            self._is_dispatching = True
            self._scheduler.spawn(self._dispatch)

    def stop(self, job: Job) -> None:
        self._scheduler.later(functools.partial(self._stop, job))

    def blame(self) -> str | None:
        return None

    async def aclose(self) -> None:
        self._cluster = None
        await self._local.aclose()

    def _stop(self, job: Job) -> None:
        if self._opening.pop(job.id, None) is not None:
            self.end([(job, _failure(job, ErrorKind.CANCELLED, "cancelled"))])
        elif job.outcome is None and job.generation is not None and job.generation.client is not None:
            session: Any = job.generation.client
            session.stop(job)

    async def _dispatch(self) -> None:
        """Begin what was submitted and hand it to the session of its generation."""
        scheduler = self._scheduler
        try:
            while self._outbox:
                jobs, self._outbox = list(self._outbox), deque()
                for job in jobs:
                    self._opening[job.id] = job
                    scheduler.mailbox.put(Scheduler.begin, job)
                scheduler.proceed()
                while any(job.begun is None for job in jobs):
                    await anyio.lowlevel.checkpoint()
                for job in jobs:
                    await self._hand_over(job)
        finally:
            self._is_dispatching = False
            for job in self._outbox:
                scheduler.mailbox.put(Scheduler.begin, job)
            # Nothing, unless the task that hosts the engine is cancelled.
            left = [*self._opening.values(), *self._outbox]
            self._opening.clear()
            self._outbox.clear()
            if left:
                self.end([(job, _failure(job, *ENGINE_CANCELLED)) for job in left])

    async def _hand_over(self, job: Job) -> None:
        if job.id not in self._opening:
            return
        generation = job.generation
        if job.cancel_error is None and generation is not None:
            failure: AttemptFailed | None = None
            session: Any = generation.client
            if session is None:
                try:
                    session = await self._scheduler.session.client(generation)
                except AttemptFailed as caught:
                    failure = AttemptFailed(caught.kind, caught.message)
            if self._opening.pop(job.id, None) is None:
                return
            if failure is not None:
                self.end([(job, _failure(job, failure.kind, failure.message))])
                return
            session.add([job])
            return
        del self._opening[job.id]
        self.end([(job, _failure(job, *ENGINE_CANCELLED))])

    def end(self, ended: Sequence[tuple[Job, Outcome]]) -> None:
        """These are through."""
        for one in ended:
            self._scheduler.mailbox.put(Scheduler.end, one)
        self._count -= len(ended)
        self._scheduler.proceed()


def _failure(job: Job, kind: ErrorKind, message: str) -> Outcome:
    return describe_failure(job.request, job.recorder, AttemptFailed(*(job.cancel_error or (kind, message))))
