"""What hosts make fetches wait for, as whoever shows an engine asks it."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from fetch_engine.core.host_queues import HostQueues
from fetch_engine.core.task import CompletionQueue, Job
from fetch_engine.fetch.host_backoff import HostBackoff, HostRest

if TYPE_CHECKING:
    from fetch_engine.core.slots import SlotRequest
    from fetch_engine.core.task import FetchTask

MOST_NOTICES = 1000  # that are kept for one who does not ask; then the oldest go


class Hosts:
    """Of one engine, in its loop. A host is a name without a port, as `Limits.per_host` counts them."""

    def __init__(self, lanes: HostQueues[Job | SlotRequest], backoff: HostBackoff) -> None:
        self._lanes = lanes
        self._backoff = backoff
        self._notices: deque[HostRest] = deque(maxlen=MOST_NOTICES)
        self._event: anyio.Event | None = None
        self._watchers: weakref.WeakSet[CompletionQueue] = weakref.WeakSet()

    @property
    def held(self) -> int:
        """Fetches that wait for a host that rests: they need no place, and could have one."""
        return self._lanes.held

    @property
    def in_flight(self) -> int:
        """Fetches that have a place now: neither queued nor waiting between two requests."""
        return self._lanes.running

    def resting(self) -> list[HostRest]:
        """The hosts that asked for less and rest, or are refused, now; first come first."""
        return [replace(rest, waiting=self._lanes.waiting_for(rest.host)) for rest in self._backoff.all()]

    def rest_of(self, task: FetchTask | None) -> HostRest | None:
        """The rest of the host that this fetch waits for; None where it waits for none that rests."""
        if task is None or not self._lanes.held:
            return None
        job = task.job
        if job.lane is not None or job.outcome is not None:
            return None
        return self._backoff.get(job.awaited or job.host)

    def watch(self, watcher: CompletionQueue) -> None:
        """Have `CompletionQueue.wait` end too when a host begins to rest. It is referred to weakly."""
        self._watchers.add(watcher)

    def pop(self) -> HostRest | None:
        """The next notice of a host that began to rest, or does so for longer; None if there is none."""
        return self._notices.popleft() if self._notices else None

    async def wait(self) -> None:
        """Wait for the next notice; returns at once if there is one."""
        if not self._notices:
            if self._event is None:
                self._event = anyio.Event()
            await self._event.wait()

    def add(self, rest: HostRest) -> list[Callable[[], None]]:
        """Keep a notice; gives the calls into the loop that tell of it."""
        self._notices.append(rest)
        return [self._tell, *(watcher.notify for watcher in self._watchers)]

    def _tell(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None
