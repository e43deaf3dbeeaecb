"""The one owner of handles in the dashboard: talks to the engine, in the engine's thread, and publishes snapshots.

A handle leaves the owner table when its fetch has ended and its record was taken, unless the user pinned it, or when
the user drops it. No method keeps a handle in a local name across an await: the name would keep the fetch alive.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio

from fetch_engine import FetchEngine, FetchRequest, FetchResult, FetchTask, Finished
from fetch_engine.census import HeldHandle
from fetch_engine.recorder import Recorder
from fetch_engine.results import ErrorKind, FetchError
from tui.backlog import Backlog
from tui.meter import Meter
from tui.snapshot import (
    ActiveRow,
    AddGlob,
    AddRequests,
    AddUrls,
    Cancel,
    Command,
    Drop,
    FinishedRecord,
    HeldRow,
    SessionFacts,
    SetRate,
    Snapshot,
    TogglePin,
)

HOLDERS_EVERY = 1.0  # seconds between two walks of the heap: each stops the whole program for some milliseconds
HOLDERS_STALE = 10.0  # seconds after which a holder's name is looked up again
HELD_SHOWN = 200  # held handles that get a row

Outcome = FetchResult | FetchError


class _Account:
    """What is shown of a fetch that has not ended; its recorder keeps nothing alive."""

    __slots__ = ("meter", "pinned", "recorder", "request")

    def __init__(self, request: FetchRequest, recorder: Recorder, now: float) -> None:
        self.request = request
        self.recorder = recorder
        self.meter = Meter(now)
        self.pinned = False


class Controller:
    """Runs in the loop of the engine that it is given.

    publish: takes each snapshot. finished: where records of ended fetches go. window: how many fetches are handed to
    the engine at a time, the rest wait as what they are made from. make_request: from a URL as given.
    """

    def __init__(
        self,
        engine: FetchEngine,
        publish: Callable[[Snapshot], None],
        finished: deque[FinishedRecord],
        *,
        make_request: Callable[[str], FetchRequest] = FetchRequest,
        per_second: float = 4.0,
        window: int | None = None,
    ) -> None:
        self._engine = engine
        self._publish = publish
        self._records = finished
        self._make_request = make_request
        self._per_second = per_second
        self._window = window or 4 * engine.limits.concurrency
        self._owned: dict[int, FetchTask] = {}
        self._accounts: dict[int, _Account] = {}
        self._waiting = Backlog()
        self._finished = Finished()
        self._done = self._failed = self._cancelled = self._satisfied = 0
        self._bytes = 0  # of ended fetches
        now = time.monotonic()
        self._meter = Meter(now)
        self._peak_alive = 0
        self._history: deque[int] = deque(maxlen=60)
        self._next_history = now
        self._holders: dict[int, tuple[float, tuple[str, ...]]] = {}
        self._next_holders = now
        self._changed = anyio.Event()
        self._room = anyio.Event()
        self._stopping = False

    # What is asked of it, in the engine's thread

    def do(self, command: Command) -> None:
        """Carry a command out; the next snapshot, at once, shows it."""
        match command:
            case AddUrls(urls):
                self._waiting.add(map(self._make_request, urls), len(urls))
            case AddRequests(requests):
                self._waiting.add(requests, len(requests))
            case AddGlob(glob, None):
                self._waiting.add(map(self._make_request, glob), glob.count)
            case AddGlob(glob, FetchRequest() as request):
                self._waiting.add(map(partial(_at_url, request), glob), glob.count)
            case Cancel(None):
                self._waiting.clear()
                for task_id in list(self._owned):
                    self._owned[task_id].cancel()
            case Cancel(task_id) if task_id in self._owned:
                self._owned[task_id].cancel()
            case Drop(task_id):
                self.drop(task_id)
            case TogglePin(task_id):
                self._toggle_pin(task_id)
            case SetRate(per_second):
                self._per_second = per_second
        self._admit()
        self._changed.set()

    def submit(self, url: str) -> int:
        """Start a fetch now, whatever waits, and return its id."""
        return self._submit(self._make_request(url))

    def drop(self, task_id: int) -> None:
        """Let go of a handle, owned or pinned."""
        if (account := self._accounts.get(task_id)) is not None:
            account.pinned = False
        self._engine.unpin(task_id)
        self._owned.pop(task_id, None)

    def lend(self, task_id: int, keep: Callable[[FetchTask], None]) -> None:
        """Hand the handle to somebody else as well, who then keeps it alive: the leak of the demo."""
        if task_id in self._owned:
            keep(self._owned[task_id])

    async def add(self, url: str) -> None:
        """Queue a URL; waits while many do already, so that a long list is read only as fast as it is fetched."""
        while self._waiting.fed >= self._window:
            self._room = anyio.Event()
            await self._room.wait()
        self._waiting.feed(self._make_request(url))
        self._admit()

    def stop(self) -> None:
        """Publish the last snapshot and end `run`."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Publish snapshots until `stop`: at the redraw rate where something changed, and at once after a command."""
        shown: tuple[object, ...] = ()
        while not self._stopping:
            self._take_finished()
            self._admit()
            snapshot = self._snapshot()
            if _content(snapshot) != shown:  # else an idle program would repaint its screen for nothing
                shown = _content(snapshot)
                self._publish(snapshot)
            self._changed = anyio.Event()
            with anyio.move_on_after(1 / self._per_second):
                await self._changed.wait()
        self._publish(self._snapshot())
        self._owned.clear()

    # What it does

    def _toggle_pin(self, task_id: int) -> None:
        account = self._accounts.get(task_id)
        if account is None:
            self._engine.unpin(task_id)
        elif account.pinned:
            account.pinned = False
            self._engine.unpin(task_id)
        elif task_id in self._owned:
            account.pinned = True
            self._engine.pin(self._owned[task_id])

    def _submit(self, request: FetchRequest) -> int:
        task = self._engine.submit(request, watcher=self._finished)
        self._owned[task.id] = task
        self._accounts[task.id] = _Account(request, task.recorder, time.monotonic())
        self._changed.set()
        return task.id

    def _admit(self) -> None:
        while len(self._owned) < self._window and (request := self._waiting.take()) is not None:
            self._submit(request)
        if self._waiting.fed < self._window:
            self._room.set()

    def _take_finished(self) -> None:
        while (ended := self._finished.pop()) is not None:
            task_id, outcome = ended
            account = self._accounts.pop(task_id)
            self._bytes += account.recorder.bytes_received
            if isinstance(outcome, FetchResult):
                self._done += 1
                self._satisfied += outcome.status < 400
            elif outcome.kind is ErrorKind.CANCELLED:
                self._cancelled += 1
            else:
                self._failed += 1
            request = account.request
            self._records.append(FinishedRecord(task_id, request.url, outcome, time.time(), request=request))
            self._owned.pop(task_id, None)

    def _snapshot(self) -> Snapshot:
        now = time.monotonic()
        held = self._held_rows(now)
        census = self._engine.census()
        self._peak_alive = max(self._peak_alive, census.alive)
        while self._next_history <= now:
            self._history.append(census.alive)
            self._next_history += 1.0
        session = self._engine.session
        total = self._bytes + sum(account.recorder.bytes_received for account in self._accounts.values())
        return Snapshot(
            census=census,
            session=SessionFacts(
                is_open=session.is_open,
                generation=session.generation,
                leases=session.leases,
                opened=session.opened_generations,
                closed=session.closed_generations,
            ),
            active=tuple(_active_row(task_id, account, now) for task_id, account in self._accounts.items()),
            held=held,
            waiting=self._waiting.count,
            done=self._done,
            failed=self._failed,
            cancelled=self._cancelled,
            rate=self._meter.read(total, now),
            peak_alive=self._peak_alive,
            history=tuple(self._history),
            concurrency=self._engine.limits.concurrency,
            closing=self._stopping,
            satisfied=self._satisfied,
        )

    def _held_rows(self, now: float) -> tuple[HeldRow, ...]:
        held = self._engine.held()[:HELD_SHOWN]
        self._holders = {handle.id: self._holders[handle.id] for handle in held if handle.id in self._holders}
        stale = next((handle.id for handle in held if not handle.pinned and self._is_stale(handle.id, now)), None)
        if stale is not None and now >= self._next_holders:
            self._next_holders = now + HOLDERS_EVERY
            self._holders[stale] = (now, _nearest_first(self._engine.holders(stale)))
        return tuple(
            HeldRow(handle.id, handle.url, _code(handle), handle.seconds, handle.pinned, self._names(handle))
            for handle in held
        )

    def _is_stale(self, task_id: int, now: float) -> bool:
        looked = self._holders.get(task_id)
        return looked is None or now - looked[0] > HOLDERS_STALE

    def _names(self, handle: HeldHandle) -> tuple[str, ...]:
        if handle.pinned:
            return ("pinned by you (m)",)
        looked = self._holders.get(handle.id)
        return looked[1] if looked else ()


def _content(snapshot: Snapshot) -> tuple[object, ...]:
    return tuple(getattr(snapshot, name) for name in Snapshot.__slots__)


def _at_url(request: FetchRequest, url: str) -> FetchRequest:
    return replace(request, url=url)


def _active_row(task_id: int, account: _Account, now: float) -> ActiveRow:
    recorder = account.recorder
    return ActiveRow(
        id=task_id,
        url=account.request.url,
        state=recorder.state,
        body_size=recorder.body_size,
        expected_size=recorder.expected_size,
        rate=account.meter.read(recorder.bytes_received, now),
        age=time.perf_counter() - recorder.submitted,
        attempt=max(1, recorder.attempts),
        pinned=account.pinned,
        request=account.request,
    )


def _nearest_first(chains: list[str]) -> tuple[str, ...]:
    """The first chain, which is written from the root on, turned round: a narrow screen shows its start."""
    if not chains:
        return ()
    others = (f"and {len(chains) - 1} more",) if len(chains) > 1 else ()
    return (*reversed(chains[0].split(" > ")), *others)


def _code(handle: HeldHandle) -> str:
    if isinstance(handle.outcome, FetchResult):
        return str(handle.outcome.status)
    return "CXL" if handle.outcome.kind is ErrorKind.CANCELLED else "ERR"
