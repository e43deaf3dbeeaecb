"""The one owner of handles in the dashboard: talks to the engine, in the engine's thread, and publishes snapshots.

A handle leaves the owner table when its fetch has ended and its record was taken, unless the user pinned it, or when
the user drops it. No method keeps a handle in a local name across an await: the name would keep the fetch alive.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import anyio

from fetch_engine import CompletionQueue, FetchEngine, FetchRequest, FetchResult, FetchTask
from fetch_engine.core.worker_facts import ClusterFacts
from fetch_engine.model.redaction import masked_text
from fetch_engine.model.requests import as_new
from fetch_engine.outputs.fail_on import DEFAULT, FailOn
from tui.bridge.backlog import Backlog
from tui.bridge.held import HeldHandles
from tui.bridge.inspection import Inspection
from tui.bridge.running import Account
from tui.bridge.snapshot import (
    Cancel,
    Collect,
    Collected,
    Command,
    Drop,
    FindHolders,
    FinishedRecord,
    SessionFacts,
    SetRate,
    Snapshot,
    TogglePin,
)
from tui.entry.commands import AddGlob, AddRequests, AddUrls
from tui.run.counts import NONE, Counting, Counts
from tui.run.journal import Journal
from tui.text.meter import Meter
from tui.text.plain_text import safe

COLLECTED_SHOWN = 30.0  # seconds for which it is told what the collector came to
MOST_HELD = 1000  # fetches beyond the window while hosts rest: each has a row
FAIL_ON = FailOn.parse(DEFAULT)
AHEAD = 256  # fetches that are handed to the engine before there is room for them


class Source(Protocol):
    """Where requests are read from. left: how many it is known to have still; has_more: whether it may have more."""

    @property
    def left(self) -> int: ...

    @property
    def has_more(self) -> bool: ...

    def withdraw(self) -> None:
        """Give nothing any more."""


class Controller:
    """Runs in the loop of the engine that it is given.

    publish: takes each snapshot. finished: where records of ended fetches go. window: how many fetches are handed to
    the engine at a time, the rest wait as what they are made from. make_request: from a URL as given. journal: told of
    every request and what came of it. fail_on: which outcomes make the run fail. earlier: what came of the run before.
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
        journal: Journal | None = None,
        fail_on: FailOn = FAIL_ON,
        earlier: Counts = NONE,
    ) -> None:
        self._engine = engine
        self._publish = publish
        self._records = finished
        self._make_request = make_request
        self._per_second = per_second
        self._journal = journal or Journal()
        self._window = window or engine.limits.concurrency + min(3 * engine.limits.concurrency, AHEAD)
        self._owned: dict[int, FetchTask] = {}
        self._accounts: dict[int, Account] = {}
        self._waiting = Backlog()
        self._source: Source | None = None
        self._finished = CompletionQueue()
        self._ended: list[FinishedRecord] = []  # since the last snapshot: no fetch is shown both running and done
        self._counting = Counting(fail_on)
        self._earlier = earlier
        self._bytes = 0  # of ended fetches
        now = time.monotonic()
        self._meter = Meter(now)
        self._peak_alive = 0
        self._history: deque[int] = deque(maxlen=60)
        self._next_history = now
        self._held = HeldHandles(engine)
        self._inspection = Inspection(engine)
        self._collected: Collected | None = None
        self._collected_until = now
        self._changed = anyio.Event()
        self._room = anyio.Event()
        self._stopping = False

    # What is asked of it, in the engine's thread

    def do(self, command: Command) -> None:
        """Carry a command out; the next snapshot, at once, shows it."""
        match command:
            case AddUrls(urls):
                self._waiting.add(self._journal.all_requested(map(self._make_request, urls)), len(urls))
            case AddRequests(requests):
                self._waiting.add(self._journal.all_requested(map(as_new, requests)), len(requests))
            case AddGlob(glob, request):
                made = self._make_request("") if request is None else as_new(request)
                self._waiting.add(self._journal.glob_requested(glob, made), glob.count)
            case Cancel(None):
                if self._source is not None:
                    self._source.withdraw()
                self._waiting.clear()
                self._journal.withdraw_all_but(task.request for task in self._owned.values())
                for task_id in list(self._owned):
                    self._owned[task_id].cancel()
            case Cancel(task_id) if task_id in self._owned:
                self._owned[task_id].cancel()
            case Drop(task_id):
                self.drop(task_id)
            case TogglePin(task_id):
                self._toggle_pin(task_id)
            case FindHolders(task_id):
                self._inspection.busy_with("the search for a holder")
                self._held.search(task_id)
            case Collect():
                self._collect()
            case SetRate(per_second):
                self._per_second = per_second
        self._admit()
        self._changed.set()

    def submit(self, url: str) -> int:
        """Start a fetch now, whatever waits, and return its id."""
        self._changed.set()
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

    def reads(self, source: Source) -> None:
        """Requests are being read from here, to be added one by one."""
        self._source = source

    async def add(self, request: FetchRequest) -> None:
        """Queue a request that is in the journal; waits while many do, so that a list is read only as it is fetched."""
        self._waiting.feed(request)
        self._admit()
        while self._waiting.fed >= self._window:
            self._room = anyio.Event()
            await self._room.wait()

    def stop(self) -> None:
        """Publish the last snapshot and end `run`."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Publish snapshots until `stop`: at the redraw rate where something changed, and at once after a command."""
        self._engine.hosts.watch(self._finished)
        async with anyio.create_task_group() as group:
            group.start_soon(self._inspection.heart.run)
            group.start_soon(self._go_on)
            await self._publish_changes()
            group.cancel_scope.cancel()
        self._take_finished()
        self._show(self._snapshot())
        self._owned.clear()

    # What it does

    async def _go_on(self) -> None:
        """What waits takes the place of what ended at once: the redraw rate is that of the screen alone."""
        while True:
            await self._finished.wait()
            self._take_finished()
            self._admit()

    async def _publish_changes(self) -> None:
        shown: tuple[object, ...] = ()
        while not self._stopping:
            self._take_finished()
            self._admit()
            snapshot = self._snapshot()
            if _content(snapshot) != shown:  # else an idle program would repaint its screen for nothing
                shown = _content(snapshot)
                self._show(snapshot)
            self._changed = anyio.Event()
            with anyio.move_on_after(1 / self._per_second):
                await self._changed.wait()

    def _show(self, snapshot: Snapshot) -> None:
        self._records.extend(self._ended)
        self._ended.clear()
        self._publish(snapshot)

    def _collect(self) -> None:
        """Have the garbage collector free what only it can, in this thread; everything else waits meanwhile."""
        self._take_finished()
        before, began = self._engine.alive, time.monotonic()
        self._inspection.busy_with("the garbage collector, as you asked")
        gc.collect()
        took = time.monotonic() - began
        self._collected = Collected(before, self._engine.alive, took)
        self._collected_until = time.monotonic() + COLLECTED_SHOWN

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
        self._peak_alive = max(self._peak_alive, self._engine.alive)  # here alone it grows
        self._accounts[task.id] = Account(request, task.recorder, time.monotonic())
        return task.id

    def _has_place(self) -> bool:
        """In the window, or beside it for as many as wait for hosts that rest: they must keep no other host back."""
        count = len(self._owned)
        return count < self._window or count < self._window + min(self._engine.hosts.held, MOST_HELD)

    def _admit(self) -> None:
        while self._has_place() and self._journal.has_room and (request := self._waiting.take()) is not None:
            self._submit(request)
        if self._waiting.fed < self._window:
            self._room.set()

    def _take_finished(self) -> None:
        while (ended := self._finished.pop()) is not None:
            task_id, outcome = ended
            account = self._accounts.pop(task_id)
            self._bytes += account.recorder.bytes_received
            self._counting.add(outcome)
            request, warnings = account.request, self._inspection.of_ended(account.facts(task_id))
            if isinstance(outcome, FetchResult):
                warnings += tuple(map(masked_text, outcome.warnings))
            now = time.time()
            self._ended.append(FinishedRecord(task_id, request.url, outcome, now, warnings, request))
            self._journal.finished(request, task_id, outcome, now, warnings)
            self._owned.pop(task_id, None)

    def _snapshot(self) -> Snapshot:
        now = time.monotonic()
        accounts, inspection = self._accounts, self._inspection
        self._held.look(now)
        facts = (account.facts(task_id) for task_id, account in accounts.items())
        inspection.look(now, facts, self._held.facts())
        census, cluster = self._engine.census(), self._engine.cluster
        while self._next_history <= now:
            self._history.append(census.alive)
            self._next_history += 1.0
        session, hosts = self._engine.session, self._engine.hosts
        total = self._bytes + sum(account.recorder.bytes_received for account in accounts.values())
        return Snapshot(
            census=census,
            session=SessionFacts(
                is_open=session.is_open,
                generation=session.generation,
                leases=session.leases,
                opened=session.opened_generations,
                closed=session.closed_generations,
            ),
            active=tuple(
                one.row(task_id, now, inspection.of_fetch(task_id), hosts.rest_of(self._owned.get(task_id)))
                for task_id, one in accounts.items()
            ),
            held=self._held.rows(inspection.of_handle),
            waiting=self._waiting.count + (0 if self._source is None else self._source.left),
            has_more=self._source is not None and self._source.has_more,
            counts=self._counting.counts,
            earlier=self._earlier,
            rate=self._meter.read(total, now),
            peak_alive=self._peak_alive,
            history=tuple(self._history),
            concurrency=self._engine.limits.concurrency,
            closing=self._stopping,
            failing=self._counting.failing,
            warnings=(*inspection.lines, *self._journal.warnings, *_cluster_warnings(cluster)),
            bugs=len(inspection.bugs),
            generations=session.generations(),
            collected=self._collected if now < self._collected_until else None,
            cluster=cluster,
            search_asked_only=self._held.is_asked_only,
            processes=self._engine.processes,
            resting=tuple(hosts.resting()),
        )


def _cluster_warnings(cluster: ClusterFacts | None) -> tuple[str, ...]:
    return (safe(f"{cluster.problem}; fetches wait for it", 300),) if cluster is not None and cluster.problem else ()


def _content(snapshot: Snapshot) -> tuple[object, ...]:
    return tuple(getattr(snapshot, name) for name in Snapshot.__slots__)
