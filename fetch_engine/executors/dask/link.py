"""One connection to a Dask scheduler, with a lease on each worker that can be used.

Loses its connection once: whoever owns it opens another one then. So no future, subscription or key of one connection
is ever taken for one of another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pickle
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import anyio
import anyio.abc

from fetch_engine.core.process_facts import FarFacts
from fetch_engine.core.worker_facts import Versions, WorkerFacts, versions_here
from fetch_engine.executors.assignments import Batch
from fetch_engine.executors.dask import scheduler
from fetch_engine.executors.dask import worker as dask_worker
from fetch_engine.executors.dask.batches import BatchOwner, DaskBatches, pinned
from fetch_engine.executors.dask.client import ANSWER_LIMIT, close, why_refused
from fetch_engine.executors.dask.link_worker import LinkWorker
from fetch_engine.executors.dask.worker import Message
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

LOOK = 1.0  # seconds between two looks at the list of workers

Connect = Callable[[], Awaitable[tuple[Any, str | None]]]


class Owner(BatchOwner, Protocol):
    """Who is told what happens, in the loop, from calls of its own."""

    def joined(self, worker: str) -> None:
        """It takes fetches."""

    def left(self, worker: str, *, died: bool) -> None:
        """It takes no more, and what it had is lost."""

    def told(self, worker: str, messages: list[Message]) -> None:
        """It sent these."""

    def lost(self) -> None:
        """The connection is."""


class DaskLink:
    """Open it, run `serve`, close it.

    name: of this client, the same for one that is opened after this one. connect: gives a client of Dask, or why there
    is none. settings: pickled, for the sessions of the workers. lost_after: seconds of silence after which a worker
    counts as lost here, and this end there.
    """

    def __init__(self, owner: Owner, name: str, connect: Connect, settings: bytes, *, lost_after: float) -> None:
        self._owner = owner
        self._name = name
        self._connect = connect
        self._settings = settings
        self._lost_after = lost_after
        self._topic = f"{scheduler.TOPICS}{uuid.uuid4().hex}"
        self._keys = itertools.count(1)
        self._client: Any = None
        self._group: anyio.abc.TaskGroup
        self.workers: dict[str, LinkWorker] = {}
        self._batches: DaskBatches | None = None
        self._look = asyncio.Event()
        self._closing = asyncio.Event()
        self._is_lost = False
        self.clock: Callable[[], float] = time.monotonic

    async def open(self) -> None:
        """Connect. Raises AttemptFailed."""
        self._client, why = await self._connect()
        if why is not None:
            raise AttemptFailed(ErrorKind.CONNECT, why, unsent=True)

    async def serve(self) -> None:
        """Be there until `close`, or until the connection is lost."""
        try:
            async with anyio.create_task_group() as self._group:
                self._batches = DaskBatches(
                    self._owner, self._client, self._topic, self._group, self._lose, self._lease_again
                )
                self._group.start_soon(self._keep_nothing_there)
                self._client.subscribe_topic(self._topic, self._hear)
                self._client.subscribe_topic("all", self._hear_scheduler)
                self._group.start_soon(self._watch)
                await self._closing.wait()
                self._group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close_client()

    @property
    def is_open(self) -> bool:
        """Whether it is connected, as far as is known."""
        return self._client is not None and not self._is_lost and not self._closing.is_set()

    def close(self) -> None:
        """Have `serve` end: every lease and future is let go, and so ends there."""
        self._closing.set()

    def fly(self, batch: Batch, orders: bytes) -> None:
        """Send a batch to its worker."""
        assert self._batches is not None
        self._batches.fly(batch, self.workers[batch.worker].session, orders)

    def command(self, address: str, *command: object) -> None:
        """Tell a worker; what is told while it has not answered goes out together."""
        worker = self.workers.get(address)
        if worker is not None:
            worker.commands.append(command)
            if not worker.is_commanding:
                worker.is_commanding = True
                self._group.start_soon(self._command, worker)

    def facts(self, slots: int, fetches: Callable[[str], int]) -> tuple[WorkerFacts, ...]:
        """Of every worker, in the order of their coming."""
        now = self.clock()
        return tuple(one.as_facts(fetches(one.address), slots, now) for one in self.workers.values())

    # What comes in

    def _hear(self, event: tuple[float, tuple[str, bytes]]) -> None:
        address, pickled = event[1]
        worker = self.workers.get(address)
        if worker is None or self._is_lost:
            return
        others = []
        worker.heard_at = self.clock()
        for message in pickle.loads(pickled):
            match message:
                case ("ready", Versions() as versions, float(their_now)):
                    worker.ahead = their_now - time.perf_counter()
                    self._take(worker, versions)
                case ("beat", FarFacts() as facts):
                    worker.beat(facts, self.clock())
                case _:
                    others.append(message)
        if others and worker.state == "ready":
            self._owner.told(address, others)

    def _hear_scheduler(self, event: tuple[float, Any]) -> None:
        match event[1]:
            case {"action": "remove-worker", "worker": str(address), "expected": expected}:
                self._forget(address, died=not expected)
            case {"action": "add-worker"}:
                self._look.set()

    def _take(self, worker: LinkWorker, versions: Versions) -> None:
        worker.versions = versions
        misfit = versions.misfit(versions_here())
        if misfit is not None:
            self._refuse(worker, misfit)
        elif worker.state == "starting":
            worker.state = "ready"
            self._owner.joined(worker.address)
            self._share()

    # What is watched

    async def _watch(self) -> None:
        """Keep the list of workers; it is told of changes too, but not of all."""
        before = self.clock()
        while not self._is_lost:
            try:
                identity = await asyncio.wait_for(self._client.scheduler.identity(n_workers=-1), ANSWER_LIMIT)
            except (OSError, TimeoutError, AttributeError):  # the last: a client that has given up has no scheduler
                identity = None
            now = self.clock()
            if identity is None or self._client.status != "running":
                self._lose()
                return
            for worker in self.workers.values():  # if this process was stopped, that was not the workers' silence
                worker.heard_at += max(0.0, now - before - LOOK - 1.0)
            before = now
            self._compare(identity["workers"], now)
            self._look.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), LOOK)

    def _compare(self, listed: dict[str, Any], now: float) -> None:
        for address in [one for one in self.workers if one not in listed]:
            self._forget(address, died=True)
        for address, facts in listed.items():
            worker = self.workers.get(address)
            if worker is None:
                worker = self.workers[address] = LinkWorker(address, str(facts.get("name", "")))
                self._lease(worker)
            elif worker.state == "ready" and now - worker.heard_at > self._lost_after:
                worker.state, worker.last_seen = "silent", facts.get("last_seen")
                self._release(worker)
                self._owner.left(address, died=False)
            elif worker.state == "ready" and now - worker.told_at > self._lost_after / 4:
                self.command(address, "alive")
            elif worker.state == "silent" and worker.last_seen != facts.get("last_seen"):
                worker.state, worker.heard_at = "starting", now
                self._lease(worker)

    async def _keep_nothing_there(self) -> None:
        with contextlib.suppress(OSError):  # the connection is lost, which is found out elsewhere
            await self._client.run_on_scheduler(scheduler.keep_nothing, self._topic, self._client.id)

    def _lease(self, worker: LinkWorker) -> None:
        worker.session = key = f"{self._topic}-lease-{next(self._keys)}"
        worker.lease = self._client.submit(
            dask_worker.lease,
            self._name,
            self._topic,
            key,
            self._settings,
            self._lost_after,
            **pinned(key, worker.address),
        )
        self._group.start_soon(self._await_lease, worker, worker.lease)

    async def _await_lease(self, worker: LinkWorker, lease: Any) -> None:
        """It ends when the worker cannot be used, the connection is lost, or the lease was released."""
        error = await lease.exception()
        if self._is_lost or worker.lease is not lease:
            return
        if lease.status == "error":
            self._refuse(worker, why_refused(error))
        elif self._client.status != "running":
            self._lose()
        else:
            self._lease_again(worker.address)

    def _lease_again(self, address: str) -> None:
        """Its session has ended, and what it had with it."""
        self._forget(address, died=False)
        self._look.set()

    async def _command(self, worker: LinkWorker) -> None:
        try:
            while worker.commands:
                commands, worker.commands = worker.commands, []
                worker.told_at = self.clock()
                answers = await self._client.run(
                    dask_worker.obey,
                    worker.session,
                    pickle.dumps(commands),
                    workers=[worker.address],
                    on_error="ignore",
                )
                for answer in (answers or {}).values():
                    if worker.state == "ready" and (messages := pickle.loads(answer)):
                        self._owner.told(worker.address, messages)
        except (OSError, AttributeError):
            pass  # the connection is lost, which is found out elsewhere
        finally:
            worker.is_commanding = False

    # What is lost

    def _forget(self, address: str, *, died: bool) -> None:
        worker = self.workers.pop(address, None)
        if worker is not None:
            self._release(worker)
            if worker.state == "ready":
                self._owner.left(address, died=died)
                self._share()

    def _refuse(self, worker: LinkWorker, note: str) -> None:
        was_ready = worker.state == "ready"
        worker.state, worker.note = "refused", note
        self._release(worker)
        if was_ready:
            self._owner.left(worker.address, died=False)

    def _release(self, worker: LinkWorker) -> None:
        lease, worker.lease = worker.lease, None
        if lease is not None:
            lease.release()
        worker.commands.clear()
        if self._batches is not None:
            self._batches.release(worker.address)

    def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._closing.set()
            self._owner.lost()

    def _share(self) -> None:
        ready = [one.address for one in self.workers.values() if one.state == "ready"]
        for address in ready:
            self.command(address, "share", 1 / len(ready))

    async def _close_client(self) -> None:
        client, self._client = self._client, None
        for worker in self.workers.values():
            self._release(worker)
        self.workers.clear()
        await close(client)
