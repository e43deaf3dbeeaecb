"""What runs in a Dask worker: the shared session of one client of ours, and the batches of fetches that use it.

Everything here is held by a Dask future of the client: the session by a lease, the handles of a batch by the batch. A
stock worker runs a released coroutine to its end; `Hook` cancels it. So when the client lets go, or dies, its fetches
end here within milliseconds, and with the lease the session.
"""

from __future__ import annotations

import asyncio
import pickle
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
from distributed import Worker, WorkerPlugin, get_worker
from distributed.worker_state_machine import SecedeEvent

from fetch_engine.engine import FetchEngine
from fetch_engine.executors.far_places import FarExecutor
from fetch_engine.executors.progress import progress_of
from fetch_engine.executors.protocol import Settings
from fetch_engine.executors.worker_facts import Versions, versions_here
from fetch_engine.requests import FetchRequest
from fetch_engine.task import FetchTask, Finished, Outcome

HOOK = "weakfetch-tui"
COALESCE = 0.01  # seconds in which what happens goes out together
PROGRESS = 0.1  # seconds between two accounts of a fetch
BEAT = 0.5  # seconds between two signs of life
INLINE = 8 * 1024  # bytes of an outcome that goes out as an event; longer ones are asked for
LARGEST_EVENT = 64 * 1024
GRACE = 5.0  # seconds that the HTTP client stays open between two batches

Record = tuple[Any, ...]


class Hook(WorkerPlugin):
    """Cancels the coroutines of futures that nobody holds any more; knows the sessions of a worker."""

    name = HOOK

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self._tasks: dict[Any, asyncio.Task[Any]] = {}
        self._worker: Worker | None = None

    def setup(self, worker: Worker) -> None:
        self._worker = worker

    def teardown(self, worker: Worker) -> None:
        for task in self._tasks.values():
            task.cancel()

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        # Documented, but "subject to change without deprecation cycle": tests/cluster/test_hook.py notices.
        if finish in ("released", "cancelled", "forgotten") and key in self._tasks:
            self._tasks[key].cancel()

    async def run(self, key: str, work: Coroutine[Any, Any, Any]) -> Any:
        """Run this until its key is released, without one of the worker's threads: it needs none."""
        assert self._worker is not None
        state = self._worker.state.tasks.get(key)
        if state is None or state.state not in ("executing", "long-running"):
            work.close()
            raise asyncio.CancelledError("released before it began")
        # A task of its own, so that no cancellation hits Dask's code around it.
        task = self._tasks[key] = asyncio.ensure_future(work)
        self._worker.handle_stimulus(SecedeEvent(key=key, compute_duration=0.0, stimulus_id=f"secede-{key}"))
        try:
            return await task
        finally:
            task.cancel()
            del self._tasks[key]


def _hook(worker: Worker) -> Hook | None:
    hook = worker.plugins.get(HOOK)
    return hook if isinstance(hook, Hook) else None


def versions() -> Versions:
    """Of the process that this is run in."""
    return versions_here()


async def lease(session: str, key: str, settings: bytes) -> None:
    """Keep a session open in this worker for as long as the key lives."""
    worker = get_worker()
    hook = _hook(worker)
    if hook is None:
        hook = Hook()
        await worker.plugin_add(plugin=hook, name=HOOK, catch_errors=False)

    def send(records: bytes) -> None:
        worker.log_event(session, (worker.address, records))

    await hook.run(key, Session(pickle.loads(settings), send).run(hook.sessions, session))


async def fly(session: str, key: str, number: int, requests: bytes) -> bytes | None:
    """Run a batch and return the outcomes, as a pickled dictionary by id; None if there is no such session here."""
    hook = _hook(get_worker())
    here = None if hook is None else hook.sessions.get(session)
    if hook is None or here is None:
        return None
    return pickle.dumps(await hook.run(key, here.fly(number, pickle.loads(requests))))


async def obey(session: str, commands: bytes, dask_worker: Worker | None = None) -> bytes:
    """Carry out what the client asks a session for; the outcomes that it wants, as a pickled list of records."""
    hook = None if dask_worker is None else _hook(dask_worker)
    here = None if hook is None else hook.sessions.get(session)
    return pickle.dumps([] if here is None else here.obey(pickle.loads(commands)))


class _Flight:
    """One batch: what of it has not ended, and the outcomes of the rest, as pickles."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pending: set[int] = set()
        self.outcomes: dict[int, bytes] = {}
        self.complete = asyncio.Event()
        self.dropped = False


class Session:
    """The engine of one client in this worker; it knows the handles of its batches weakly.

    send: takes a pickled list of records, each `(what, ...)`.
    """

    def __init__(self, settings: Settings, send: Callable[[bytes], None]) -> None:
        self._settings = settings
        self._send = send
        self._executor = FarExecutor(self._tell)
        self._engine: FetchEngine
        self._finished = Finished()
        self._handles: weakref.WeakValueDictionary[int, FetchTask] = weakref.WeakValueDictionary()
        self._here: dict[int, tuple[_Flight, int]] = {}  # by the id here: the batch, and the id there
        self._flights: weakref.WeakValueDictionary[int, _Flight] = weakref.WeakValueDictionary()
        self._highest = 0  # number of a batch that came
        self._stopped: set[int] = set()  # fetches that are to end, and have not come
        self._shown: dict[int, Record] = {}
        self._records: list[Record] = []
        self._size = 0
        self._awake = asyncio.Event()
        self._received = 0  # bytes, of ended fetches

    async def run(self, sessions: dict[str, Session], name: str) -> None:
        """Be there until cancelled."""
        settings = self._settings
        async with FetchEngine(
            limits=settings.limits,
            timeouts=settings.timeouts,
            retry=settings.retry,
            transport=settings.transport,
            netrc=settings.netrc,
            grace=GRACE,
            executor=self._executor,
        ) as self._engine:
            sessions[name] = self
            try:
                self._tell(("ready", versions_here()))
                async with anyio.create_task_group() as group:
                    group.start_soon(self._take_finished)
                    group.start_soon(self._watch)
                    await self._report()
            finally:
                del sessions[name]

    async def fly(self, number: int, requests: list[tuple[int, FetchRequest]]) -> dict[int, bytes]:
        """Fetch; this frame owns the handles. The outcomes as pickles, by the ids given."""
        flight = self._flights[number] = _Flight(number)
        self._highest = max(self._highest, number)
        handles = []
        try:
            for given, request in requests:
                task = self._engine.submit(request, watcher=self._finished)
                handles.append(task)
                self._handles[given] = task
                self._here[task.id] = flight, given
                self._executor.given[task.id] = given
                flight.pending.add(given)
                if given in self._stopped:
                    self._stopped.discard(given)
                    task.cancel()
                del task
            await flight.complete.wait()
            return flight.outcomes
        finally:
            flight.dropped = True
            handles.clear()

    def obey(self, commands: list[Record]) -> list[Record]:
        """Carry out commands of the client; returns the outcomes that it asks for."""
        taken: list[Record] = []
        for command in commands:
            match command:
                case ("stop", given, number):
                    if given in self._handles:
                        self._handles[given].cancel()
                    elif number > self._highest:  # it came before the batch
                        self._stopped.add(given)
                case ("go", given):
                    self._executor.go(given)
                case ("share", part):
                    self._executor.set_share(part)
                case ("take", given, number):
                    flight = self._flights.get(number)
                    if flight is not None and given in flight.outcomes:
                        taken.append(("taken", given, number, flight.outcomes[given]))
        return taken

    async def _take_finished(self) -> None:
        while True:
            await self._finished.wait()
            while (ended := self._finished.pop()) is not None:
                self._end(*ended)

    def _end(self, task_id: int, outcome: Outcome) -> None:
        flight, given = self._here.pop(task_id)
        self._executor.forget(task_id)
        self._shown.pop(given, None)
        self._received += outcome.bytes_received
        if flight.dropped:
            return
        pickled = flight.outcomes[given] = pickle.dumps(outcome)
        if len(pickled) > INLINE:
            self._tell(("long", given, flight.number))
        else:
            self._tell(("end", given, flight.number, pickled), len(pickled))
        flight.pending.discard(given)
        if not flight.pending:
            self._flush()  # before the future, which tells nothing but what is missing then
            flight.complete.set()

    # What the client is told

    def _tell(self, record: Record, size: int = 100) -> None:
        if self._size + size > LARGEST_EVENT:
            self._flush()
        self._records.append(record)
        self._size += size
        self._awake.set()

    def _flush(self) -> None:
        if self._records:
            records, self._records, self._size = self._records, [], 0
            self._send(pickle.dumps(records))

    async def _report(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            self._flush()
            await anyio.sleep(COALESCE)

    async def _watch(self) -> None:
        """Tell how far the fetches are, and that this worker lives."""
        while True:
            for _ in range(round(BEAT / PROGRESS)):
                self._tell_progress()
                await anyio.sleep(PROGRESS)
            self._tell(("beat", *self._facts()))

    def _tell_progress(self) -> None:
        for given, task in list(self._handles.items()):
            if task.outcome is None and self._shown.get(given) != (shown := progress_of(task.recorder)):
                self._shown[given] = shown
                self._tell(("at", given, shown))

    def _facts(self) -> Record:
        """Handles alive, leases, connections, bytes received."""
        engine = self._engine
        running = (task.recorder.bytes_received for task in list(self._handles.values()) if task.outcome is None)
        received = self._received + sum(running)
        counted = [one.connections for one in engine.session.generations() if one.is_open]
        connections = None if None in counted else sum(one or 0 for one in counted)
        return engine.alive, engine.session.leases, connections, received
