"""The engine as its users see it: handles in, outcomes out; it knows the handles only weakly."""

from __future__ import annotations

import itertools
import warnings
import weakref
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from fetch_engine import collector_watch
from fetch_engine.announcing import Announce, Announcing
from fetch_engine.census import Census, HeldHandle
from fetch_engine.completed import Completions
from fetch_engine.errors import EngineClosed
from fetch_engine.executors.local import LocalExecutor
from fetch_engine.executors.protocol import Executor, Settings
from fetch_engine.hosts import Hosts
from fetch_engine.limits import Limits, Timeouts
from fetch_engine.lint_facts import CollectedFacts, LeaseFacts, collected_facts, lease_facts
from fetch_engine.requests import FetchRequest
from fetch_engine.retry import RetryPolicy
from fetch_engine.scheduler import Scheduler
from fetch_engine.session import SharedSession
from fetch_engine.sink import Sink
from fetch_engine.spool import SpoolFolder
from fetch_engine.task import FetchTask, Finished, Job
from fetch_engine.transports.protocol import Transport
from fetch_engine.turns import NOTED
from fetch_engine.urls import host_of

if TYPE_CHECKING:
    from fetch_engine.cookies import CookieJar
    from fetch_engine.credentials import Netrc
    from fetch_engine.executors.process_facts import ProcessFacts
    from fetch_engine.executors.worker_facts import ClusterFacts
    from fetch_engine.transports.options import TransportOptions


class FetchEngine:
    """Fetches concurrently. Open it with `async with`; leaving cancels what has not ended and closes the session.

    limits, timeouts, retry: for every fetch. transport: options of the HTTP client; open_transport replaces it whole.
    grace: seconds the session stays open without a lease. idle_close: seconds without a running request after which
    the session is closed even though finished handles hold leases (None: never). outlived_after: seconds after which a
    finished, unpinned, held handle counts as outlived. spool: where bodies longer than the preview go; it stays the
    caller's, who closes it. sink: where bodies of requests go that do not say where theirs is saved.
    cookies: sent and stored by their rules, for all fetches; None neither sends nor stores any. netrc: credentials by
    host. Both stay the caller's too. first_id: of the first fetch, where earlier ones have had ids. executor: where
    fetches run, for this engine alone; None for the engine's own loop. Raises ValueError for what it cannot do.
    Runs on asyncio, uvloop and trio. Its methods and properties belong to the loop's thread; handles may be dropped
    and cancelled anywhere.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        transport: TransportOptions | None = None,
        open_transport: Callable[[], Awaitable[Transport]] | None = None,
        grace: float = 1.0,
        idle_close: float | None = None,
        outlived_after: float = 2.0,
        spool: SpoolFolder | None = None,
        cookies: CookieJar | None = None,
        netrc: Netrc | None = None,
        sink: Sink | None = None,
        first_id: int = 1,
        executor: Executor | None = None,
        announce: Announce | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.timeouts = timeouts or Timeouts()
        self.retry = retry or RetryPolicy()
        self.executor = executor or LocalExecutor()
        self._grace = grace
        self._idle_close = idle_close
        self._outlived_after = outlived_after
        self._announce = announce
        self.cookies = cookies
        self._registry: weakref.WeakValueDictionary[int, FetchTask] = weakref.WeakValueDictionary()
        self._ids = itertools.count(first_id)
        self._group: anyio.abc.TaskGroup | None = None
        self._opened: Scheduler | None = None
        self._host_task = 0
        self._left = False
        self.executor.prepare(
            Settings(self.limits, self.timeouts, self.retry, transport, open_transport, spool, cookies, netrc, sink)
        )

    async def __aenter__(self) -> FetchEngine:
        if self._opened is not None:
            raise EngineClosed("an engine can be opened once")
        group = anyio.create_task_group()
        opened = Scheduler(
            group,
            self.executor,
            self.limits,
            grace=self._grace,
            idle_close=self._idle_close,
            outlived_after=self._outlived_after,
            announcing=Announcing(self._announce, self.retry.may_repeat),
        )
        self.executor.start(opened)  # it may refuse this event loop
        self._group, self._opened = group, opened
        self._post_death = opened.mailbox.post_death  # once: a bound method for each handle is one object more
        await group.__aenter__()
        collector_watch.watch()
        self._host_task = anyio.get_current_task().id
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._group is not None
        if anyio.get_current_task().id != self._host_task:
            # Refused before anything is cancelled; a task group left elsewhere breaks the event loop's own state.
            raise RuntimeError("an engine is left in the task that entered it")
        self._left = True
        self._scheduler.spawn(self._scheduler.shut_down)
        self._scheduler.proceed()
        try:
            if isinstance(exc, anyio.get_cancelled_exc_class()):
                return await self._group.__aexit__(exc_type, exc, traceback)
            # An error of the body is not the group's: passed in, it would come out wrapped in an ExceptionGroup.
            await self._group.__aexit__(None, None, None)
            return None
        finally:
            self._group = None
            collector_watch.unwatch()
            del exc, traceback

    def __del__(self) -> None:
        if self._group is not None:
            warnings.warn("unclosed FetchEngine: leave its `async with` block", ResourceWarning, stacklevel=2)

    def submit(
        self,
        request: str | FetchRequest,
        *,
        timeout: float | None = None,
        pin: bool = False,
        watcher: Finished | None = None,
    ) -> FetchTask:
        """Queue a fetch and return the handle that owns it: drop the handle, and the fetch is cancelled.

        timeout: seconds from now, queueing included, after which it fails with `timeout-total`. pin: the engine owns
        it until it has ended. watcher: told when it has ended.
        A URL that cannot be fetched fails when it runs, as any other. Raises EngineClosed when the engine is not open,
        RuntimeError outside of its loop (from another thread, use `anyio.from_thread.run_sync`), ValueError for a
        timeout that is not above 0.
        """
        scheduler = self._scheduler
        mailbox = scheduler.mailbox
        if self._left:
            raise EngineClosed("the engine is closed")
        if not mailbox.is_in_loop():
            raise RuntimeError("submit belongs into the engine's event loop")
        if timeout is not None and not timeout > 0:
            raise ValueError("timeout must be above 0, or None for no limit")
        if isinstance(request, str):
            request = FetchRequest(request)
        job = Job(next(self._ids), request, host_of(request.url), mailbox, Scheduler.cancel, timeout, watcher)
        task = FetchTask(job)
        self._registry[job.id] = task
        # The finalizer holds the mailbox and the job. With anything in it that leads to the handle, or to the engine,
        # the handle would never die. It does not run at interpreter exit: no loop is left to act on it.
        weakref.finalize(task, self._post_death, Scheduler.reap, job).atexit = False
        if pin:
            self.pin(task)
            job.pinned_until_done = True
        mailbox.put(Scheduler.admit, job)
        scheduler.advance_here()
        return task

    def fetch(self, request: str | FetchRequest, *, timeout: float | None = None) -> FetchTask:
        """`submit` for a `with` block, at whose end the fetch is cancelled if it has not ended."""
        return self.submit(request, timeout=timeout)

    def as_completed(
        self,
        requests: Iterable[str | FetchRequest] | AsyncIterable[str | FetchRequest],
        *,
        window: int | None = None,
    ) -> Completions:
        """An async iterator of handles, each when its fetch has ended.

        It reads `requests` as it goes and owns at most `window` handles at a time (default: twice the concurrency),
        beside those that wait for a host that rests. Leaving the loop drops them, and so cancels what still runs.
        """
        scheduler = self._scheduler
        completions = Completions(self, requests, 2 * self.limits.concurrency if window is None else window)
        if completions.feed is not None:
            scheduler.spawn(completions.feed.read, requests)
            scheduler.advance()
            stop = weakref.finalize(completions, scheduler.mailbox.post, Scheduler.stop_feed, completions.feed)
            stop.atexit = False
        return completions

    async def join(self) -> None:
        """Wait until nothing is queued or running. Handles that are held stay as they are."""
        await self._scheduler.join()

    def pin(self, task: FetchTask) -> None:
        """Own the handle too, until `unpin` or the engine's end.

        Raises ValueError for another engine's handle, EngineClosed when the engine is not open.
        """
        if self._left:
            raise EngineClosed("the engine is closed")
        if self._registry.get(task.id) is not task:
            raise ValueError("the handle belongs to another engine")
        task.job.pinned_until_done = False
        self._scheduler.pins[task.id] = task
        self._scheduler.ledger.pin(task.job)

    def unpin(self, task: FetchTask | int) -> None:
        """Let go of what `pin`, or `submit(pin=True)`, holds; by id where nobody else holds the handle."""
        pinned = self._scheduler.pins.pop(task if isinstance(task, int) else task.id, None)
        if pinned is not None:
            self._scheduler.ledger.unpin(pinned.job)

    @property
    def session(self) -> SharedSession:
        """The shared HTTP session: open or not, generation, leases. Where fetches run in child processes a generation
        is a set of these, and each has HTTP sessions of its own, of which `processes` tells."""
        return self._scheduler.session

    @property
    def processes(self) -> ProcessFacts | None:
        """The child processes and what is in them, where fetches run there."""
        facts: ProcessFacts | None = getattr(self.executor, "processes", None)
        return facts

    @property
    def cluster(self) -> ClusterFacts | None:
        """The workers of a cluster, where fetches run there."""
        facts: ClusterFacts | None = getattr(self.executor, "cluster", None)
        return facts

    @property
    def hosts(self) -> Hosts:
        """The hosts that asked for less, and what they make wait."""
        return self._scheduler.hosts

    @property
    def alive(self) -> int:
        """How many handles somebody still holds."""
        return self.census().alive

    def census(self) -> Census:
        """The ledger now; the cost does not depend on the number of handles."""
        self._scheduler.advance()
        census = self._scheduler.ledger.census()
        # Handles that outlived the engine are ended ones, their leases are back: dropping them only counts.
        late = 0 if self._group is not None else self._scheduler.mailbox.late(Scheduler.reap)
        return replace(census, closed=census.closed + late, finished=census.finished - late) if late else census

    def held(self) -> list[HeldHandle]:
        """The finished handles that are pinned or that `Census.outlived` counts; the cost is their number."""
        self._scheduler.advance()
        return self._scheduler.ledger.held()

    def collected(self) -> CollectedFacts | None:
        """The handles that died only when the garbage collector ran, None if there was none."""
        return collected_facts(self._scheduler.ledger.freed_by_gc, self.census().by_gc)

    def lease_facts(self) -> LeaseFacts:
        """The session beside the ledger, for whoever checks that they agree."""
        census = self.census()
        return lease_facts(self._scheduler.session, census)

    def blame(self) -> str | None:
        """What kept the event loop from everybody for a while since the last call: the garbage collector, or the URL
        of a fetch; None if neither did."""
        url = self._scheduler.executor.blame()
        return "the garbage collector" if collector_watch.take_longest() > NOTED else url

    def holders(self, task_id: int, *, seconds: float = 0.5) -> list[str]:
        """Who keeps this handle alive, as text, nearest first; empty if it is gone. Slow: it looks for so long at most,
        in seconds of the processor, and a last line says so where that was not enough."""
        from fetch_engine.holders import describe_holders

        task = self._registry.get(task_id)
        return [] if task is None else describe_holders(task, pinned=task_id in self._scheduler.pins, seconds=seconds)

    @property
    def _scheduler(self) -> Scheduler:
        if self._opened is None:
            raise EngineClosed("open the engine with `async with` first")
        return self._opened
