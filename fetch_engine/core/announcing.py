"""Requests that must not be repeated go when whoever keeps account of them has noted it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from fetch_engine.model.requests import FetchRequest

if TYPE_CHECKING:
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
        self._waiting.add(job)
        go = functools.partial(scheduler.mailbox.post, _depart, job)
        scheduler.later(functools.partial(self._announce, job.request, go))
        return True

    def take(self, job: Job) -> bool:
        """It waits no longer; False if it did not."""
        if job not in self._waiting:
            return False
        self._waiting.remove(job)
        return True


def _depart(scheduler: Scheduler, job: Job) -> None:
    """An entry of the mailbox: it is known now that its request is about to be sent."""
    if scheduler.announcing.take(job):
        scheduler.granted.append(job)
