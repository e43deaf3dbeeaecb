"""One connection to a Dask scheduler, with a lease on each worker that can be used.

Loses its connection once: whoever owns it opens another one then. So no future, subscription or key of one connection
is ever taken for one of another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import pickle
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

import anyio
import anyio.abc
from distributed import Client

from fetch_engine.errors import AttemptFailed
from fetch_engine.executors import dask_worker
from fetch_engine.executors.dask_worker import Message
from fetch_engine.executors.flights import Batch
from fetch_engine.executors.process_facts import FarFacts
from fetch_engine.executors.worker_facts import Versions, WorkerFacts, versions_here
from fetch_engine.results import ErrorKind

CONNECT_LIMIT = 10.0  # seconds
LOOK = 1.0  # seconds between two looks at the list of workers
ANSWER_LIMIT = 10.0  # seconds for an answer of the scheduler
CLOSE_LIMIT = 3.0  # seconds
SILENT = 5.0  # seconds after which a worker is shown as silent

# They would be written to standard error, over the screen; what matters is told by outcomes and facts.
for _name in ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application"):
    _logger = logging.getLogger(_name)
    _logger.handlers[:] = [logging.NullHandler()]
    _logger.propagate = False


class Owner(Protocol):
    """Who is told what happens, in the loop, from calls of its own."""

    def joined(self, worker: str) -> None:
        """It takes fetches."""

    def left(self, worker: str, *, died: bool) -> None:
        """It takes no more, and what it had is lost."""

    def told(self, worker: str, messages: list[Message]) -> None:
        """It sent these."""

    def is_missing(self, batch: Batch) -> bool:
        """Whether any outcome of it has not come."""

    def landed(self, batch: Batch, ended: dict[int, bytes] | None) -> None:
        """It has ended, with the last records of all that has ended; None if it could not be run."""

    def lost(self) -> None:
        """The connection is."""


class Worker:
    """What is known of one: its lease, what it is to be told, and when it was heard of."""

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.name = name
        self.state = "starting"
        self.note = ""
        self.versions: Versions | None = None
        self.lease: Any = None  # a future
        self.commands: list[tuple[Any, ...]] = []
        self.is_commanding = False
        self.heard_at = self.beat_at = time.monotonic()
        self.last_seen: object = None  # by the scheduler, when it was lost for being silent
        self.ahead = 0.0  # seconds that its clock is ahead of the one here
        self.facts = FarFacts()
        self.received = 0  # bytes since the last beat
        self.rate = 0.0

    def beat(self, facts: FarFacts, now: float) -> None:
        """It tells how it is."""
        self.facts = facts
        self.rate = self.received / max(now - self.beat_at, 0.1)
        self.received, self.beat_at = 0, now


class DaskLink:
    """Open it, run `serve`, close it.

    address: of the scheduler. settings: pickled, for the sessions of the workers. lost_after: seconds of silence after
    which a worker counts as lost.
    """

    def __init__(self, owner: Owner, address: str, settings: bytes, *, lost_after: float) -> None:
        self._owner = owner
        self._address = address
        self._settings = settings
        self._lost_after = lost_after
        self._session = f"weakfetch-{uuid.uuid4().hex}"
        self._keys = itertools.count(1)
        self._client: Any = None
        self._group: anyio.abc.TaskGroup
        self.workers: dict[str, Worker] = {}
        self._futures: dict[int, tuple[str, Any]] = {}  # by batch: its worker, and the future
        self._look = asyncio.Event()
        self._closing = asyncio.Event()
        self._is_lost = False
        self.clock: Callable[[], float] = time.monotonic

    async def open(self) -> None:
        """Connect. Raises AttemptFailed."""
        self._client, why = await _connect(self._address)
        if why is not None:
            raise AttemptFailed(ErrorKind.CONNECT, why, unsent=True)

    async def serve(self) -> None:
        """Be there until `close`, or until the connection is lost."""
        try:
            async with anyio.create_task_group() as self._group:
                self._client.subscribe_topic(self._session, self._hear)
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
        key = f"{self._session}-{batch.number}"
        future = self._client.submit(
            dask_worker.fly, self._session, key, batch.number, orders, **self._pinned(key, batch.worker)
        )
        self._futures[batch.number] = batch.worker, future
        self._group.start_soon(self._await_batch, batch, future)

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
        return tuple(
            WorkerFacts(
                name=one.address if one.name in ("", one.address) else f"{one.address} ({one.name})",
                state="silent" if one.state == "ready" and now - one.heard_at > SILENT else one.state,
                fetches=fetches(one.address),
                slots=slots,
                there=one.facts.alive,
                leases=one.facts.leases,
                connections=one.facts.connections,
                rate=one.rate,
                versions=one.versions,
                note=one.note,
            )
            for one in self.workers.values()
        )

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

    def _take(self, worker: Worker, versions: Versions) -> None:
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
                worker = self.workers[address] = Worker(address, str(facts.get("name", "")))
                self._lease(worker)
            elif worker.state == "ready" and now - worker.heard_at > self._lost_after:
                worker.state, worker.last_seen = "silent", facts.get("last_seen")
                self._release(worker)
                self._owner.left(address, died=False)
            elif worker.state == "silent" and worker.last_seen != facts.get("last_seen"):
                worker.state, worker.heard_at = "starting", now
                self._lease(worker)

    def _lease(self, worker: Worker) -> None:
        key = f"{self._session}-lease-{next(self._keys)}"
        worker.lease = self._client.submit(
            dask_worker.lease, self._session, key, self._settings, **self._pinned(key, worker.address)
        )
        self._group.start_soon(self._await_lease, worker, worker.lease)

    async def _await_lease(self, worker: Worker, lease: Any) -> None:
        """It ends when the worker cannot be used, the connection is lost, or the lease was released."""
        error = await lease.exception()
        if self._is_lost or worker.lease is not lease:
            return
        if lease.status == "error":
            self._refuse(worker, why_refused(error))
        elif self._client.status != "running":
            self._lose()
        else:
            self._forget(worker.address, died=False)
            self._look.set()

    async def _await_batch(self, batch: Batch, future: Any) -> None:
        try:
            await future.exception()
            if batch.number not in self._futures or self._is_lost:
                return
            if future.status == "cancelled":
                self._lose()
            elif not self._owner.is_missing(batch):
                self._owner.landed(batch, {})
            else:
                self._owner.landed(batch, await self._gathered(future))
        finally:
            self._futures.pop(batch.number, None)
            future.release()

    async def _gathered(self, future: Any) -> dict[int, bytes] | None:
        if future.status != "finished":
            return None
        try:
            pickled = await asyncio.wait_for(future.result(), ANSWER_LIMIT)
        except Exception:  # noqa: BLE001 - what could not be fetched is made again, or told to be of unknown outcome
            return None
        return None if pickled is None else pickle.loads(pickled)

    async def _command(self, worker: Worker) -> None:
        try:
            while worker.commands:
                commands, worker.commands = worker.commands, []
                answers = await self._client.run(
                    dask_worker.obey,
                    self._session,
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

    def _refuse(self, worker: Worker, note: str) -> None:
        was_ready = worker.state == "ready"
        worker.state, worker.note = "refused", note
        self._release(worker)
        if was_ready:
            self._owner.left(worker.address, died=False)

    def _release(self, worker: Worker) -> None:
        lease, worker.lease = worker.lease, None
        if lease is not None:
            lease.release()
        worker.commands.clear()
        self._release_batches(worker.address)

    def _release_batches(self, address: str) -> None:
        for number, (where, future) in list(self._futures.items()):
            if where == address:
                del self._futures[number]
                future.release()

    def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._closing.set()
            self._owner.lost()

    def _share(self) -> None:
        ready = [one.address for one in self.workers.values() if one.state == "ready"]
        for address in ready:
            self.command(address, "share", 1 / len(ready))

    def _pinned(self, key: str, address: str) -> dict[str, Any]:
        # Dask is never to run it elsewhere by itself: what may be repeated is known here.
        return {"key": key, "workers": [address], "allow_other_workers": False, "pure": False, "retries": 0}

    async def _close_client(self) -> None:
        client, self._client = self._client, None
        for worker in self.workers.values():
            self._release(worker)
        self.workers.clear()
        await _close(client)


async def check(address: str) -> str | None:
    """Why nothing can be fetched by the cluster of this scheduler; None if nothing is known to be in the way."""
    client, why = await _connect(address)
    if client is None:
        return why
    try:
        found = await asyncio.wait_for(client.run(dask_worker.versions, on_error="return"), ANSWER_LIMIT)
    except (OSError, TimeoutError):
        return None  # a worker that is busy or gone; more may come
    finally:
        await _close(client)
    misfits = [
        f"{worker}: {why_refused(one) if isinstance(one, Exception) else one.misfit(versions_here())}"
        for worker, one in found.items()
        if isinstance(one, Exception) or one.misfit(versions_here()) is not None
    ]
    return f"no worker of it can be used: {misfits[0]}" if misfits and len(misfits) == len(found) else None


async def _connect(address: str) -> tuple[Any, str | None]:
    """A client of the scheduler there, in this loop, or why there is none."""
    client: Any = Client
    opened = None
    try:
        opened = await client(
            address, asynchronous=True, set_as_default=False, timeout=CONNECT_LIMIT, name="weakfetch-tui"
        )
        there = await asyncio.wait_for(opened.run_on_scheduler(dask_worker.versions), ANSWER_LIMIT)
        why = there.misfit(versions_here())
        if why is None:
            # Private: how long it tries to connect again by itself. Under the same name, that would be taken for the
            # connection that is lost; tests/cluster/test_hook.py notices when this goes.
            opened._timeout = 0
            return opened, None
        why = f"the scheduler at {address}: {why}"
    except (OSError, TimeoutError) as error:
        why = f"no Dask scheduler at {address}: {' '.join(str(error).split())[:200]}"
    except Exception as error:  # noqa: BLE001 - whatever is raised there is raised here
        why = f"the scheduler at {address}: {why_refused(error)}"
    await _close(opened)
    return None, why


async def _close(client: Any) -> None:
    if client is not None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.close(), CLOSE_LIMIT)


def why_refused(error: BaseException) -> str:
    """What to do about an exception that a worker or the scheduler raised before anything could run."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError):
            return f"{cause.name} is missing there: install weakfetch-tui[dask], the same version as here"
        cause = cause.__cause__
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
