"""Where fetches run: what the scheduler asks of whoever carries them out.

Handles, registry, ledger, places, pins and leases are the scheduler's, the same for every executor. An executor is
given jobs that have a place and reports what came of them by two entries of the mailbox: `Scheduler.begin` when a
request is about to start, `Scheduler.end` with its outcome, for each job once, whatever happens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from fetch_engine.bodies.shared_folder import SharedFolder
from fetch_engine.bodies.spool import SpoolFolder
from fetch_engine.core.session import Client
from fetch_engine.core.task import Job
from fetch_engine.fetch.context import FetchContext
from fetch_engine.fetch.retry import RetryPolicy
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import Transport

if TYPE_CHECKING:
    from fetch_engine.cookies.jar import CookieJar
    from fetch_engine.core.scheduler import Scheduler
    from fetch_engine.fetch.netrc import Netrc
    from fetch_engine.model.transport_options import TransportOptions

ENGINE_CANCELLED = ErrorKind.CANCELLED, "the engine was cancelled"  # how fetches end whose event loop is leaving


@dataclass(frozen=True, slots=True)
class Settings:
    """What an engine was given for its fetches; see `FetchEngine`."""

    limits: Limits
    timeouts: Timeouts
    retry: RetryPolicy
    transport: TransportOptions | None = None
    open_transport: Callable[[], Awaitable[Transport]] | None = None
    spool: SpoolFolder | None = None
    cookies: CookieJar | None = None
    netrc: Netrc | None = None
    sink: SharedFolder | None = None

    def with_spool(self, spool: SpoolFolder | None) -> Settings:
        """The same with another spool."""
        return replace(self, spool=spool)

    def terms(self) -> FetchContext:
        """For the fetches of one loop, in which it must be called."""
        return FetchContext(self.limits, self.timeouts, self.retry, self.spool, self.cookies, self.netrc, self.sink)


class Executor(Protocol):
    """Serves one engine. All calls come in the engine's loop."""

    @property
    def capacity(self) -> int | None:
        """At most so many jobs at a time, asked when the engine is opened; None for as many as have places."""

    @property
    def idle(self) -> bool:
        """Whether it has no job, and no task of its own that is at one."""

    def prepare(self, settings: Settings) -> None:
        """Called when the engine is made. Raises ValueError for what it cannot do as it is asked for."""

    def start(self, scheduler: Scheduler) -> None:
        """The engine is open. Nothing need happen before the first job."""

    async def open_client(self) -> Client:
        """Open what the next generation of the shared session runs on. Raises AttemptFailed."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run these jobs, which have places. Never blocks, never raises; called in the midst of `Scheduler.advance`, so
        that calls into the loop go through `Scheduler.spawn` and `Scheduler.later`."""

    def stop(self, job: Job) -> None:
        """End a job that was submitted, or is about to be, soon: `job.cancel_error` says why. As `submit`."""

    def blame(self) -> str | None:
        """The URL of a fetch that kept this event loop from everybody since the last call, None if none did."""

    async def aclose(self) -> None:
        """The engine ends; nothing runs, and every client has been closed."""
