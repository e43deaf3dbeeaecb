"""The places of running jobs: exchanged where a redirect leads elsewhere, given back while one waits for its retry.

The functions here are entries of the mailbox: they change state in `Scheduler.advance` and nowhere else.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import anyio

from fetch_engine.lanes import Lanes
from fetch_engine.mailbox import Action
from fetch_engine.task import Job

FIRST_REST = 1.0  # seconds for which a host rests that asks for less and does not say for how long
LONGEST_REST = 10.0
FORGIVEN = 60.0  # seconds after which the next such rest is a first one again
_MOST_HOSTS = 10_000


class Passage:
    """A running job that waits for a place with this host. arrived: called in the loop when it was given."""

    __slots__ = ("arrived", "host", "job")

    def __init__(self, job: Job, host: str, arrived: Callable[[], object]) -> None:
        self.job = job
        self.host = host
        self.arrived = arrived


class Owner(Protocol):
    """What the scheduler is to a place."""

    lanes: Lanes[Job | Passage]
    rests: Rests

    def proceed(self, action: Action, subject: object) -> None: ...
    def leave_lane(self, job: Job) -> None: ...


class JobPlace:
    """The place of one job, for its runner; see `fetching.Place`."""

    __slots__ = ("_job", "_owner")

    def __init__(self, owner: Owner, job: Job) -> None:
        self._owner = owner
        self._job = job

    async def move(self, host: str) -> None:
        """Exchange the place for one with another host."""
        event = anyio.Event()
        passage = Passage(self._job, host, event.set)
        self._owner.proceed(depart, passage)
        try:
            await event.wait()
        finally:
            self._owner.proceed(arrive, passage)

    async def rest(self, host: str, seconds: float) -> None:
        """Give it back, wait, and take one with this host."""
        self._owner.proceed(vacate, self._job)
        await anyio.sleep(seconds)
        await self.move(host)

    def slow_down(self, host: str, seconds: float | None) -> None:
        """Start nothing there for so long."""
        self._owner.proceed(slow_down, (host, seconds))


class Rests:
    """How long a host rests that did not say for how long: each time twice as long, for the hosts seen last."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, tuple[float, float]] = OrderedDict()  # seconds, and when the rest began

    def next(self, host: str) -> float:
        """Seconds."""
        now = time.monotonic()
        seconds, since = self._hosts.pop(host, (0.0, 0.0))
        seconds = min(2 * seconds, LONGEST_REST) if seconds and now - since < FORGIVEN else FIRST_REST
        self._hosts[host] = seconds, now
        if len(self._hosts) > _MOST_HOSTS:
            self._hosts.popitem(last=False)
        return seconds


def depart(owner: Owner, passage: Passage) -> None:
    """It waits, without a place, so that nobody waits for it."""
    owner.leave_lane(passage.job)
    owner.lanes.push(passage.host, passage, ahead=True)


def arrive(owner: Owner, passage: Passage) -> None:
    """It waits no longer: it was given the place, or has been cancelled."""
    owner.lanes.remove(passage.host, passage)


def vacate(owner: Owner, job: Job) -> None:
    """It gives its place back."""
    owner.leave_lane(job)


def slow_down(owner: Owner, asked: tuple[str, float | None]) -> None:
    """A host asks for less, for so many seconds; None where it did not say."""
    host, seconds = asked
    if seconds is not None:
        owner.lanes.rest(host, seconds)
    elif not owner.lanes.rests(host):  # of those that were under way together the first one counts
        owner.lanes.rest(host, owner.rests.next(host))
