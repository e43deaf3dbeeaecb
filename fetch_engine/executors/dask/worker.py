"""What runs in a Dask worker: the shared session of one client of ours, and the batches of fetches that use it.

Everything here is held by a Dask future of the client: the session by a lease, the handles of a batch by the batch. A
stock worker runs a released coroutine to its end; `Hook` cancels it. So when the client lets go, or dies, its fetches
end here within milliseconds, and with the lease the session. A client that falls silent without a word is given up as
it gives up a worker.
"""

from __future__ import annotations

import asyncio
import pickle
import time
import weakref
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import anyio
from distributed import Worker, WorkerPlugin, get_worker
from distributed.worker_state_machine import SecedeEvent

from fetch_engine.core.executor import Settings
from fetch_engine.core.local_executor import LocalExecutor
from fetch_engine.core.worker_facts import Versions, versions_here
from fetch_engine.executors.records import Kind, Order, Record
from fetch_engine.executors.worker_engine import WorkerEngine
from fetch_engine.fetch.rate_limits import BytePacing

HOOK = "weakfetch-tui"
COALESCE = 0.01  # seconds in which what happens goes out together
PROGRESS = 0.2  # seconds between two accounts of a fetch
BEAT = 0.5  # seconds between two signs of life
INLINE = 8 * 1024  # bytes of a last record that goes out as an event; longer ones are asked for
LARGEST_EVENT = 64 * 1024
GRACE = 5.0  # seconds that the HTTP client stays open between two batches

Message = tuple[Any, ...]


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


async def lease(client: str, topic: str, key: str, settings: bytes, lost_after: float) -> None:
    """Keep a session of this name open in this worker for as long as the key lives; ends when nothing was heard of the
    client for so many seconds. An earlier one of the same client, by a connection that it has lost, ends now. topic: of
    its messages."""
    worker = get_worker()
    hook = _hook(worker)
    if hook is None:
        hook = Hook()
        await worker.plugin_add(plugin=hook, name=HOOK, catch_errors=False)

    def send(records: bytes) -> None:
        worker.log_event(topic, (worker.address, records))

    for earlier in hook.sessions.values():
        if earlier.client == client:
            earlier.end()
    why = ""
    try:
        await hook.run(key, Session(client, pickle.loads(settings), send, lost_after).run(hook.sessions, key))
    except Exception as error:  # noqa: BLE001 - see below
        why = f"{type(error).__name__}: {error}"
    if why:  # one that can surely be unpickled there: a client that cannot is never told that a future has failed
        raise RuntimeError(why)


async def fly(session: str, key: str, number: int, orders: bytes) -> bytes | None:
    """Run a batch and return its last records, as a pickled dictionary by id; nothing if there is no such session here,
    None if it cannot be run."""
    hook = _hook(get_worker())
    here = None if hook is None else hook.sessions.get(session)
    if hook is None or here is None:
        return b""
    try:
        return pickle.dumps(await hook.run(key, here.fly(number, pickle.loads(orders))))
    except Exception:  # noqa: BLE001 - as in `lease`; the client makes it again, or fails it after a few times
        return None


async def obey(session: str, commands: bytes, dask_worker: Worker | None = None) -> bytes:
    """Carry out what the client asks a session for; what it wants to have, as a pickled list of messages."""
    hook = None if dask_worker is None else _hook(dask_worker)
    here = None if hook is None else hook.sessions.get(session)
    return pickle.dumps([] if here is None else here.obey(pickle.loads(commands)))


class _Flight:
    """One batch: what of it has not ended, and the last records of the rest, as pickles."""

    def __init__(self, number: int, ids: Iterable[int]) -> None:
        self.number = number
        self.pending = set(ids)
        self.ended: dict[int, bytes] = {}
        self.complete = asyncio.Event()
        self.dropped = False


class Session:
    """The far end of one client in this worker.

    client: its name. send: takes a pickled list of messages, each `(what, ...)`; records of the far end are
    `("at", record)`, and the last one of a fetch `("end", batch, id, pickled record)`, or `("long", batch, id)` where
    it has to be asked for. lost_after: seconds without a command of the client after which it counts as lost.
    """

    def __init__(self, client: str, settings: Settings, send: Callable[[bytes], None], lost_after: float) -> None:
        self.client = client
        self._scope = anyio.CancelScope()
        self._send = send
        self._settings = settings
        self._lost_after = lost_after
        self._heard_at = time.monotonic()
        self.far = WorkerEngine(settings, self._emit, is_paced=False, progress=PROGRESS, grace=GRACE)
        self._of: dict[int, _Flight] = {}  # by the id of a fetch
        self._flights: weakref.WeakValueDictionary[int, _Flight] = weakref.WeakValueDictionary()
        self._highest = 0  # number of a batch that came
        self._stopped: set[int] = set()  # fetches that are to end, and have not come
        self._messages: list[Message] = []
        self._size = 0
        self._awake = asyncio.Event()

    async def run(self, sessions: dict[str, Session], name: str) -> None:
        """Be there until cancelled or ended, or until the client is lost."""
        with self._scope:
            await self._run(sessions, name)

    def end(self) -> None:
        """Have `run` end."""
        self._scope.cancel()

    async def _run(self, sessions: dict[str, Session], name: str) -> None:
        async with anyio.create_task_group() as group:
            await group.start(self.far.run)
            sessions[name] = self
            try:
                self._tell(("ready", versions_here(), time.perf_counter()))
                group.start_soon(self._report)
                await self._beat()
                group.cancel_scope.cancel()
            finally:
                del sessions[name]

    async def fly(self, number: int, orders: list[Order]) -> dict[int, bytes]:
        """Fetch; leaving drops what has not ended. The last record of each fetch as a pickle, by its id."""
        ids = [order[0] for order in orders]
        flight = self._flights[number] = _Flight(number, ids)
        self._highest = max(self._highest, number)
        self._of.update(dict.fromkeys(ids, flight))
        try:
            self.far.take(orders)
            self.far.drop(self._stopped.intersection(ids))
            self._stopped.difference_update(ids)
            await flight.complete.wait()
            return flight.ended
        finally:
            flight.dropped = True
            self.far.drop(flight.pending)

    def obey(self, commands: list[Message]) -> list[Message]:
        """Carry out commands of the client; returns the last records that it asks for."""
        self._heard_at = time.monotonic()
        taken: list[Message] = []
        for command in commands:
            match command:
                case ("stop", number, task_id):
                    if number > self._highest:  # it came before the batch
                        self._stopped.add(task_id)
                    else:
                        self.far.drop([task_id])
                case ("admit", task_id):
                    self.far.admit([task_id])
                case ("share", part):
                    self._share(part)
                case ("take", number, task_id):
                    flight = self._flights.get(number)
                    if flight is not None and task_id in flight.ended:
                        taken.append(("taken", number, task_id, flight.ended[task_id]))
        return taken

    def _share(self, part: float) -> None:
        """Bytes may come at this part of the rates here, the rest elsewhere."""
        limits, executor = self._settings.limits, self.far.engine.executor
        if isinstance(executor, LocalExecutor) and (limits.byte_rate or limits.host_byte_rate):
            per_second, per_host = (
                None if rate is None else rate * part for rate in (limits.byte_rate, limits.host_byte_rate)
            )
            executor.pace(BytePacing(per_second, per_host))

    # What the client is told

    def _emit(self, record: Record) -> None:
        kind, task_id, *_ = record
        if kind is not Kind.DONE:
            self._tell(("at", record))
            return
        flight = self._of.pop(task_id)
        if flight.dropped:
            return
        pickled = flight.ended[task_id] = pickle.dumps(record)
        if len(pickled) > INLINE:
            self._tell(("long", flight.number, task_id))
        else:
            self._tell(("end", flight.number, task_id, pickled), len(pickled))
        flight.pending.discard(task_id)
        if not flight.pending:
            self._flush()  # before the future, which brings nothing but what is missing then
            flight.complete.set()

    def _tell(self, message: Message, size: int = 300) -> None:
        if self._size + size > LARGEST_EVENT:
            self._flush()
        self._messages.append(message)
        self._size += size
        self._awake.set()

    def _flush(self) -> None:
        if self._messages:
            messages, self._messages, self._size = self._messages, [], 0
            self._send(pickle.dumps(messages))

    async def _report(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            self._flush()
            await anyio.sleep(COALESCE)

    async def _beat(self) -> None:
        """Tell how it is, for as long as anybody asks."""
        while (now := time.monotonic()) - self._heard_at < self._lost_after:
            self._tell(("beat", self.far.facts()))
            await anyio.sleep(BEAT)
            # If this process was stopped, that was not the client's silence.
            self._heard_at += max(0.0, time.monotonic() - now - BEAT - 1.0)
