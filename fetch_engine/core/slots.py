"""The places of running jobs: exchanged where a redirect leads elsewhere, given back while one waits for its retry.

The functions here are entries of the mailbox: they change state in `Scheduler.advance` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import anyio

from fetch_engine.core.host_queues import HostQueues
from fetch_engine.core.hosts import Hosts
from fetch_engine.core.mailbox import Action
from fetch_engine.core.task import Job
from fetch_engine.fetch.host_backoff import HostBackoff, HostRest, SlowDown
from fetch_engine.model.methods import IDEMPOTENT
from fetch_engine.model.results import ErrorKind

AWAY_AT_ONCE = 200  # fetches; each costs some 20 to 50 µs


class SlotRequest:
    """A running job that waits for a place with this host. arrived: called in the loop when it was given."""

    __slots__ = ("arrived", "host", "job")

    def __init__(self, job: Job, host: str, arrived: Callable[[], object]) -> None:
        self.job = job
        self.host = host
        self.arrived = arrived


class Owner(Protocol):
    """What the scheduler is to a place."""

    lanes: HostQueues[Job | SlotRequest]
    backoff: HostBackoff
    hosts: Hosts

    def proceed(self, action: Action, subject: object) -> None: ...
    def leave_lane(self, job: Job) -> None: ...
    def stop(self, job: Job, kind: ErrorKind, message: str) -> None: ...
    def later(self, call: Callable[[], object]) -> None: ...


class LocalSlot:
    """The place of one job, for its runner; see `fetching.Slot`."""

    __slots__ = ("_job", "_owner")

    def __init__(self, owner: Owner, job: Job) -> None:
        self._owner = owner
        self._job = job

    async def move(self, host: str) -> None:
        """Exchange the place for one with another host."""
        event = anyio.Event()
        passage = SlotRequest(self._job, host, event.set)
        self._owner.proceed(depart, passage)
        try:
            await event.wait()
        finally:
            self._owner.proceed(arrive, passage)

    async def rest(self, host: str, seconds: float) -> None:
        """Give it back, wait, and take one with this host."""
        if seconds > 0:
            self._owner.proceed(vacate, self._job)
            await anyio.sleep(seconds)
        await self.move(host)

    def rest_for(self, told: SlowDown) -> float | None:
        """As in `HostBackoff`, which is here."""
        return self._owner.backoff.rest_for(told)

    def slow_down(self, told: SlowDown) -> None:
        """Start nothing there for so long."""
        self._owner.proceed(slow_down, told)


def depart(owner: Owner, passage: SlotRequest) -> None:
    """It waits, without a place, so that nobody waits for it."""
    owner.leave_lane(passage.job)
    passage.job.awaited = passage.host
    if owner.backoff.refusal(passage.host) is not None:
        turn_away(owner, passage.host, passage)
    else:
        owner.lanes.push(passage.host, passage, ahead=True)


def arrive(owner: Owner, passage: SlotRequest) -> None:
    """It waits no longer: it was given the place, or has been cancelled."""
    passage.job.awaited = None
    owner.lanes.remove(passage.host, passage)


def vacate(owner: Owner, job: Job) -> None:
    """It gives its place back."""
    owner.leave_lane(job)


def slow_down(owner: Owner, told: SlowDown) -> None:
    """A host asks for less."""
    is_news = owner.backoff.heed(told)
    rest = owner.backoff.get(told.host)
    if rest is None:
        return
    waiting = owner.lanes.waiting_for(told.host) + told.waits
    if rest.refused:
        owner.lanes.turn_away(told.host)
    else:
        owner.lanes.rest(told.host, rest.left)
    if is_news:
        for call in owner.hosts.add(replace(rest, waiting=waiting)):
            owner.later(call)


def turn_away(owner: Owner, host: str, ticket: Job | SlotRequest) -> None:
    """It will not be sent: the host asked for a longer wait than is allowed."""
    job = _job_of(ticket)
    rest = owner.backoff.refusal(host) or HostRest(host, 429, None, 0.0, refused=True)
    job.recorder.retry_after = rest.asked
    why = owner.backoff.describe_refusal(rest)
    if isinstance(ticket, SlotRequest) and host != job.host and job.request.method not in IDEMPOTENT:
        # What led there has been done: `host-busy` would say that all of it may be sent again.
        owner.stop(job, ErrorKind.REDIRECT_REFUSED, f"redirect not followed: {why}")
    else:
        owner.stop(job, ErrorKind.HOST_BUSY, f"not sent: {why}")


def turn_some_away(owner: Owner) -> bool:
    """Turn away those that waited when their host was refused, as many as one turn of the loop is for. Says whether
    there may be more."""
    for _ in range(AWAY_AT_ONCE):
        refused = owner.lanes.pop_refused()
        if refused is None:
            return False
        note_rest(owner, refused[1])
        turn_away(owner, *refused)
        owner.lanes.turned_away = None
    return True


def note_rest(owner: Owner, ticket: Job | SlotRequest) -> None:
    """Note how long its host has kept it that was taken out of its lane just now."""
    _job_of(ticket).recorder.host_rest += owner.lanes.rested


def _job_of(ticket: Job | SlotRequest) -> Job:
    return ticket.job if isinstance(ticket, SlotRequest) else ticket
