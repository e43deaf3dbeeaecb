"""Requests that must not be repeated go when whoever keeps account of them has noted it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fetch_engine.model.bugs import describe_bug
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind

if TYPE_CHECKING:
    from fetch_engine.core.mailbox import Mailbox
    from fetch_engine.core.scheduler import Scheduler
    from fetch_engine.core.task import Job

Announce = Callable[[FetchRequest, Callable[[], object]], object]
"""Told of a request that is about to be sent and must not be sent twice; calls the function, in any thread, when it may
go. Called in a turn of the event loop, which it must not block."""


class Announcing:
    """The jobs that have a place and wait until that is noted. may_repeat: whether the method may."""

    def __init__(self, announce: Announce | None, may_repeat: Callable[[str], bool]) -> None:
        self._announce = announce
        self._may_repeat = may_repeat
        self._waiting: set[Job] = set()

    def holds(self, job: Job, scheduler: Scheduler) -> bool:
        """Whether this one has to wait; then it is granted its place in some later turn."""
        if self._announce is None or self._may_repeat(job.request.method):
            return False
        if job in self._waiting:
            return True
        scheduler.later(functools.partial(self._tell, self._announce, job, scheduler.mailbox))
        self._waiting.add(job)
        return True

    def has(self, job: Job) -> bool:
        """Whether it waits."""
        return job in self._waiting

    def forget(self, job: Job) -> None:
        """It waits no longer."""
        self._waiting.discard(job)

    def recount(self, granted: Iterable[Job]) -> None:
        """Forget those that have ended or were granted, after that was interrupted."""
        self._waiting.difference_update(granted)
        self._waiting = {job for job in self._waiting if job.outcome is None}

    def _tell(self, announce: Announce, job: Job, mailbox: Mailbox) -> None:
        if job not in self._waiting:
            return
        try:
            announce(job.request, functools.partial(mailbox.post, _depart, job))
        except Exception as bug:  # noqa: BLE001 - the caller's code: it fails this fetch, and no other
            mailbox.post(_fail, (job, f"announcing it: {describe_bug(bug)}"))


def _depart(scheduler: Scheduler, job: Job) -> None:
    """An entry of the mailbox: it is known now that its request is about to be sent."""
    if scheduler.announcing.has(job):
        scheduler.granted.append(job)
        scheduler.announcing.forget(job)


def _fail(scheduler: Scheduler, failed: tuple[Job, str]) -> None:
    """An entry of the mailbox: that could not be made known, so the request is not sent."""
    scheduler.stop(failed[0], ErrorKind.INTERNAL, failed[1])
