"""The handle that a caller owns, and the job that the engine keeps."""

from __future__ import annotations

import contextvars
import time
from collections import deque
from collections.abc import Generator
from types import TracebackType
from typing import NoReturn

import anyio

from fetch_engine.core.mailbox import Action, Mailbox
from fetch_engine.core.session import Generation
from fetch_engine.model.bugs import describe_bug
from fetch_engine.model.errors import FetchCancelled, FetchFailed
from fetch_engine.model.recorder import Recorder, account_of
from fetch_engine.model.redaction import masked_url
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult, FetchState, final_state

Outcome = FetchResult | FetchError


class CompletionQueue:
    """Fetches that ended, in that order, as ids and outcomes, for somebody who watches many.

    Jobs refer to it, so it refers to no watcher: that would keep alive all that the watcher holds.
    """

    __slots__ = ("__weakref__", "_ended", "_event")

    def __init__(self) -> None:
        self._ended: deque[tuple[int, Outcome]] = deque()
        self._event: anyio.Event | None = None

    def add(self, task_id: int, outcome: Outcome) -> None:
        """Report one more; called by the engine."""
        self._ended.append((task_id, outcome))
        self.notify()

    def notify(self) -> None:
        """End the current `wait`."""
        if self._event is not None:
            self._event.set()
            self._event = None

    def pop(self) -> tuple[int, Outcome] | None:
        """The one reported first, or None."""
        return self._ended.popleft() if self._ended else None

    async def wait(self) -> None:
        """Wait for the next `add` or `notify`; returns at once if there is something to pop."""
        if not self._ended:
            if self._event is None:
                self._event = anyio.Event()
            await self._event.wait()


class Job:
    """The engine's record of one fetch, shared by handle and runner.

    It never refers to the handle, nor to an exception, frame or response: any of these would keep the handle alive,
    and with it the fetch (DESIGN section 2).
    """

    __slots__ = (
        "_recorder",
        "awaited",
        "begun",
        "by_gc",
        "cancel_error",
        "context",
        "deadline_scope",
        "ended_at",
        "event",
        "generation",
        "host",
        "id",
        "lane",
        "mailbox",
        "outcome",
        "pinned_until_done",
        "reaped",
        "request",
        "scope",
        "started",
        "submitted",
        "timeout",
        "watcher",
    )

    def __init__(
        self,
        task_id: int,
        request: FetchRequest,
        host: str,
        mailbox: Mailbox,
        timeout: float | None,
        watcher: CompletionQueue | None,
    ) -> None:
        self.id = task_id
        self.request = request
        self.host = host
        self.mailbox = mailbox
        self.timeout = timeout
        self.watcher = watcher
        self.submitted = time.perf_counter()
        self._recorder: Recorder | None = None
        self.outcome: Outcome | None = None
        self.event: anyio.Event | None = None
        self.generation: Generation | None = None
        self.context: contextvars.Context | None = None  # that its request runs in; None for the engine's
        self.lane: str | None = None  # the host whose place it occupies while it runs
        self.awaited: str | None = None  # the host whose place it waits for after it has started
        self.scope: anyio.CancelScope | None = None
        self.deadline_scope: anyio.CancelScope | None = None
        self.cancel_error: tuple[ErrorKind, str] | None = None
        self.started = False  # it was given a place
        self.begun: bool | None = None  # its request was allowed to start, or refused
        self.reaped = False
        self.by_gc = False  # its handle died in the garbage collector
        self.pinned_until_done = False
        self.ended_at = 0.0

    @property
    def recorder(self) -> Recorder:
        """The running account; made when somebody asks, as most of many that wait or have ended are not asked."""
        recorder = self._recorder
        if recorder is None:
            recorder = Recorder(self.submitted) if self.outcome is None else account_of(self.outcome, self.submitted)
            self._recorder = recorder
        return recorder

    @property
    def state(self) -> FetchState:
        """Where the fetch stands."""
        if self.outcome is not None:
            return final_state(self.outcome)
        return FetchState.QUEUED if self._recorder is None else self._recorder.state

    @property
    def has_run(self) -> bool:
        """Whether its request has been started."""
        return self._recorder is not None and self._recorder.started is not None

    def refuse(self, kind: ErrorKind, message: str) -> None:
        """Have the runner end soon, for this reason; the first reason counts. `stop` must follow if it runs."""
        if self.cancel_error is None:
            self.cancel_error = (kind, message)

    def stop(self) -> None:
        """End the runner's request. Loop only: a scope cancelled from another thread delivers nothing, for good."""
        if self.scope is not None:
            self.scope.cancel()

    def conclude(self, outcome: Outcome) -> None:
        """It has ended. `tell` must follow if it is watched."""
        self.context = None  # its variables may hold handles
        recorder = self._recorder
        if recorder is not None:
            recorder.state = final_state(outcome)  # for whoever has taken it
        self._recorder, self.outcome = None, outcome  # a handle that is kept keeps the outcome alone

    @property
    def is_watched(self) -> bool:
        """Whether anybody waits for the end."""
        return not (self.event is None and self.watcher is None and self.deadline_scope is None)

    def tell(self) -> None:
        """Tell whoever waits for the end. A handle that is kept from now on keeps the outcome and nothing else.

        The watcher is told first: one that raises fails this fetch, and no other.
        """
        watcher, self.watcher = self.watcher, None
        if watcher is not None and self.outcome is not None:
            try:
                watcher.add(self.id, self.outcome)
            except Exception as bug:  # noqa: BLE001 - the caller's code, and nobody above it is the caller's
                elapsed = self.outcome.elapsed
                self.outcome = FetchError(ErrorKind.INTERNAL, f"its watcher: {describe_bug(bug)}", elapsed=elapsed)
        if self.deadline_scope is not None:
            self.deadline_scope.cancel()
            self.deadline_scope = None
        if self.event is not None:
            self.event.set()
            self.event = None

    async def expire(self, time_out: Action) -> None:
        """Have it time out, `timeout` seconds from now."""
        if self.outcome is None and self.timeout is not None:
            with anyio.CancelScope() as scope:
                self.deadline_scope = scope
                await anyio.sleep(self.timeout)
                self.mailbox.post(time_out, self)

    async def wait(self) -> None:
        """Wait for the end. Raises RuntimeError in another event loop than the engine's."""
        if not self.mailbox.is_in_loop():
            raise RuntimeError("a handle is awaited in the event loop of its engine")
        if self.event is None:
            self.event = anyio.Event()
        await self.event.wait()


class FetchTask:
    """A handle on one fetch. Owning it is wanting the fetch.

    Awaiting it gives the FetchResult of any HTTP response (also 404), or raises FetchFailed or FetchCancelled, a new
    one each time. When the last reference goes, the fetch is cancelled if it has not ended; at the latest by the next
    checkpoint of the event loop, or by the garbage collector where a cycle holds the handle. As a context manager it
    cancels the fetch at the end of the block. `job` is the engine's.
    """

    __slots__ = ("__weakref__", "_one", "job")

    def __init__(self, job: Job, one: object = None) -> None:
        self.job = job
        self._one = one  # referred to once by each handle of an engine: its references are the handles alive

    @property
    def id(self) -> int:
        """A small number, counted from 1."""
        return self.job.id

    @property
    def url(self) -> str:
        """The URL as given."""
        return self.job.request.url

    @property
    def request(self) -> FetchRequest:
        """What was asked for."""
        return self.job.request

    @property
    def state(self) -> FetchState:
        """Where the fetch stands."""
        return self.job.state

    @property
    def recorder(self) -> Recorder:
        """The running account: bytes, phases, attempts. Read only; keeping it keeps no fetch alive.

        Taken after the end it is made anew, and tells what the outcome does.
        """
        return self.job.recorder

    @property
    def submitted(self) -> float:
        """When it was submitted, as time.perf_counter()."""
        return self.job.submitted

    @property
    def outcome(self) -> Outcome | None:
        """What came of it, without waiting: None until it has ended."""
        return self.job.outcome

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.job.outcome is not None

    def cancel(self) -> None:
        """End it, if it has not ended. From any thread; twice is as good as once."""
        self.job.mailbox.cancel(self.job)

    async def result(self) -> FetchResult:
        """The same as awaiting the handle. The waiting frame owns the handle."""
        # `self` stays in this frame while it waits: with the job alone in it, `await engine.submit(url)` would drop
        # the handle under its awaiter.
        job = self.job
        try:
            while job.outcome is None:  # an event loop that met the limit of recursion may wake a task too early
                await job.wait()
            outcome = job.outcome
            if isinstance(outcome, FetchResult):
                return outcome
            assert outcome is not None
            if outcome.kind is ErrorKind.CANCELLED:
                raise FetchCancelled(outcome)
            raise FetchFailed(outcome)
        finally:
            # An exception that the caller keeps holds this frame: without the handle in it.
            del self

    def __await__(self) -> Generator[object, object, FetchResult]:
        return self.result().__await__()

    def __enter__(self) -> FetchTask:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a handle cannot be copied or pickled: owning it is wanting the fetch")

    def __repr__(self) -> str:
        return f"<FetchTask {self.id} {self.state} {masked_url(self.url)!r}>"
