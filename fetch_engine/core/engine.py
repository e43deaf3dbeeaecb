"""The engine as its users see it: handles in, outcomes out; it knows the handles only weakly."""

from __future__ import annotations

import itertools
import sys
import warnings
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fetch_engine.bodies.shared_folder import SharedFolder
from fetch_engine.bodies.spool import SpoolFolder
from fetch_engine.core import gc_watch
from fetch_engine.core.announcing import Announce, Announcing
from fetch_engine.core.as_completed import AsCompleted, Requests
from fetch_engine.core.census import Census, HeldHandle
from fetch_engine.core.contexts import own_context
from fetch_engine.core.executor import Executor, Settings
from fetch_engine.core.facts import CollectedFacts, LeaseFacts, collected_facts, lease_facts
from fetch_engine.core.hosts import Hosts
from fetch_engine.core.local_executor import LocalExecutor
from fetch_engine.core.scheduler import Scheduler
from fetch_engine.core.session import SharedSession
from fetch_engine.core.task import CompletionQueue, FetchTask, Job
from fetch_engine.fetch.loop_fairness import NOTED
from fetch_engine.fetch.retry import RetryPolicy
from fetch_engine.model.errors import EngineClosed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.loop_waker import has_headroom, is_in_abandoned_generator
from fetch_engine.model.requests import AnyRequest, FetchRequest, url_text
from fetch_engine.model.transport import Transport
from fetch_engine.model.urls import host_of

if TYPE_CHECKING:
    from fetch_engine.cookies.jar import CookieJar
    from fetch_engine.core.process_facts import ProcessFacts
    from fetch_engine.core.worker_facts import ClusterFacts
    from fetch_engine.fetch.netrc import Netrc
    from fetch_engine.model.transport_options import TransportOptions

UNSEEN = 7  # entries of the mailbox that a caller who gives the loop no turn may leave there


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

    _opened: Scheduler | None = None
    _left = False

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
        sink: SharedFolder | None = None,
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
        self._made_at = _caller()
        self.executor.prepare(
            Settings(self.limits, self.timeouts, self.retry, transport, open_transport, spool, cookies, netrc, sink)
        )

    async def __aenter__(self) -> Self:
        if self._opened is not None or self._left:
            raise EngineClosed("an engine can be opened once")
        opened = Scheduler(
            self.executor,
            self.limits,
            grace=self._grace,
            idle_close=self._idle_close,
            outlived_after=self._outlived_after,
            announcing=Announcing(self._announce, self.retry.may_repeat),
            registry=self._registry,
        )
        self.executor.start(opened)  # it may refuse this event loop
        opened.tasks.settle()
        self._opened = opened
        self._post_death = opened.mailbox.post_death  # once: a bound method for each handle is one object more
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is GeneratorExit and is_in_abandoned_generator():
            self._warn("a generator with an open FetchEngine in it, made at {}:{}, was abandoned: use aclosing")
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel what has not ended and close the session; returns when nothing of the engine is left.

        From any task of its event loop, also from several; closing it twice is as good as once. Cancelling the caller
        does not break it: the cancellation comes out when all is closed. Raises RuntimeError in another loop.
        """
        if self._opened is not None:
            left, self._left = self._left, True
            try:
                await self._opened.close()
            except RuntimeError:
                self._left = left or self._opened.tasks.ended
                raise
        self._left = True

    def __del__(self) -> None:
        if self._opened is not None and not self._left:
            self._warn("unclosed FetchEngine, made at {}:{}: leave its `async with` block, or call aclose")

    def _warn(self, message: str) -> None:
        warnings.warn_explicit(message.format(*self._made_at), ResourceWarning, *self._made_at)

    def submit(
        self,
        request: AnyRequest,
        *,
        timeout: float | None = None,
        pin: bool = False,
        watcher: CompletionQueue | None = None,
    ) -> FetchTask:
        """Queue a fetch and return the handle that owns it: drop the handle, and the fetch is cancelled.

        timeout: seconds from now, queueing included, after which it fails with `timeout-total`. pin: the engine owns
        it until it has ended. watcher: told when it has ended.
        The request runs in a copy of the caller's context (contextvars), without variables that hold a handle.
        A URL that cannot be fetched fails when it runs, as any other. Raises EngineClosed when the engine is not open,
        RuntimeError outside of its loop (from another thread, use `anyio.from_thread.run_sync`), ValueError for a
        timeout that is not above 0, TypeError for what is no URL.
        """
        scheduler = self._scheduler
        mailbox = scheduler.mailbox
        if self._left or scheduler.left:
            raise EngineClosed("the engine is closed")
        if not mailbox.is_in_loop():
            raise RuntimeError("submit belongs into the engine's event loop")
        if timeout is not None and not timeout > 0:
            raise ValueError("timeout must be above 0, or None for no limit")
        if not isinstance(request, FetchRequest):
            request = FetchRequest(url_text(request))
        job = Job(next(self._ids), request, host_of(request.url), mailbox, timeout, watcher)
        job.context = own_context(scheduler.opened_in, FetchTask)
        task = FetchTask(job, scheduler.deaths.one)
        mailbox.put(Scheduler.admit, job)  # first: what is interrupted from here on is noticed as a handle that died
        self._registry[job.id] = task
        # The finalizer holds the mailbox and the job. With anything in it that leads to the handle, or to the engine,
        # the handle would never die. It does not run at interpreter exit: no loop is left to act on it.
        weakref.finalize(task, self._post_death, Scheduler.reap, job).atexit = False
        if pin:
            self.pin(task)
            job.pinned_until_done = True
        if len(mailbox) > UNSEEN and has_headroom():
            scheduler.advance_here()
        mailbox.ask_again()
        return task

    def fetch(self, request: AnyRequest, *, timeout: float | None = None) -> FetchTask:
        """`submit` for a `with` block, at whose end the fetch is cancelled if it has not ended."""
        return self.submit(request, timeout=timeout)

    def as_completed(
        self,
        requests: Requests,
        *,
        window: int | None = None,
    ) -> AsCompleted:
        """An async iterator of handles, each when its fetch has ended.

        It reads `requests` as it goes and owns at most `window` handles at a time (default: twice the concurrency),
        beside those that wait for a host that rests. Leaving the loop drops them, and so cancels what still runs.
        A source may grow as results come in: a list that is appended to, an iterator class of the caller's, or any
        other that gives None while it has nothing, as a generator must (`yield todo.pop() if todo else None`), for
        when a generator returns it has ended for good. It ends when there is nothing more and no fetch is left.
        """
        scheduler = self._scheduler
        completions = AsCompleted(self, requests, 2 * self.limits.concurrency if window is None else window)
        if completions.feed is not None:
            scheduler.spawn(completions.feed.read, requests)
            scheduler.advance()
            stop = weakref.finalize(completions, scheduler.mailbox.post, Scheduler.stop_feed, completions.feed)
            stop.atexit = False
        return completions

    async def join(self) -> None:
        """Wait until nothing is queued or running. Handles that are held stay as they are.

        Raises RuntimeError outside of the engine's event loop.
        """
        self.check_loop()
        await self._scheduler.join()

    def check_loop(self) -> None:
        """Raise RuntimeError outside of the engine's event loop."""
        if not self._scheduler.mailbox.is_in_loop():
            raise RuntimeError("this belongs into the engine's event loop")

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
        self._scheduler.advance()
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
        """The hosts that asked for less, and what they make wait: all that was submitted by now among it."""
        self._scheduler.advance()
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
        late = self._scheduler.mailbox.late(Scheduler.reap) if self._scheduler.left else 0
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
        return "the garbage collector" if gc_watch.take_longest() > NOTED else url

    def holders(self, task_id: int, *, seconds: float = 0.5) -> list[str]:
        """Who keeps this handle alive, as text, nearest first; empty if it is gone. Slow: it looks for so long at most,
        in seconds of the processor, and a last line says so where that was not enough."""
        from fetch_engine.inspect.holders import describe_holders

        task = self._registry.get(task_id)
        return [] if task is None else describe_holders(task, pinned=task_id in self._scheduler.pins, seconds=seconds)

    @property
    def _scheduler(self) -> Scheduler:
        if self._opened is None:
            raise EngineClosed("open the engine with `async with` first")
        return self._opened


def _caller() -> tuple[str, int]:
    """Where `FetchEngine` was called: file and line."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno
