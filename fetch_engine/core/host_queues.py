"""Who may run next: first come, first served within a host; hosts take turns; bounded in all, per host and in time."""

from __future__ import annotations

import heapq
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

Ticket = TypeVar("Ticket")


class _Lane(Generic[Ticket]):
    __slots__ = (
        "held",
        "host",
        "open_at",
        "refused",
        "rest_from",
        "rest_until",
        "rested",
        "resting",
        "running",
        "waiting",
    )

    def __init__(self, host: str) -> None:
        self.host = host
        # OrderedDict: first out and removal from the middle both O(1); a plain dict scans its deleted head. With each
        # ticket what `rested_by` was when it came.
        self.waiting: OrderedDict[Ticket, float] = OrderedDict()
        self.running = 0
        self.open_at = 0.0  # nobody starts before
        self.resting = False  # whether it stands in the heap of those that open later
        self.held = False  # because the host was told to rest, and not for the pace alone
        self.refused = False  # who waits is turned away
        self.rest_from = self.rest_until = self.rested = 0.0  # the newest rest, and the seconds of those before

    def rested_by(self, now: float) -> float:
        """Seconds that the host rested by then, since this lane is there."""
        return self.rested + max(0.0, min(now, self.rest_until) - self.rest_from)


class HostQueues(Generic[Ticket]):
    """Queues of tickets, one a host.

    gap, host_gap: seconds between two starts, in all and per host; 0 for none. Every operation is O(1), whatever waits
    and runs, and O(log n) in the number of hosts that rest.
    """

    def __init__(
        self,
        concurrency: int,
        per_host: int,
        *,
        gap: float = 0.0,
        host_gap: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._concurrency = concurrency
        self._per_host = per_host
        self._gap = gap
        self._host_gap = host_gap
        self._clock = clock
        self._open_at = 0.0
        self._lanes: dict[str, _Lane[Ticket]] = {}
        # The lanes that have both a ticket waiting and a place free, in the order of their turns.
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._resting: list[tuple[float, str]] = []
        self._waiting = 0
        self._refused: dict[str, None] = {}  # lanes of which all who wait are to be turned away
        self.given: Ticket | None = None  # by `pop`, until the caller has seen to it and sets it to None
        self.turned_away: tuple[str, Ticket] | None = None  # the same of `pop_refused`
        self.running = 0
        self.held = 0  # tickets that wait for a host that was told to rest
        self.rested = 0.0  # seconds of its wait for which the host of the ticket given last had been told to rest

    def push(self, host: str, ticket: Ticket, *, ahead: bool = False) -> str:
        """Queue a ticket; `ahead` of all that wait for this host if it has waited before, for another one.

        Returns the host, as one string for all who are there at a time.
        """
        lane = self._lane(host)
        lane.waiting[ticket] = lane.rested_by(self._clock()) if lane.rest_until else 0.0
        self._waiting += 1
        self.held += lane.held
        if ahead:
            lane.waiting.move_to_end(ticket, last=False)
        self._list(host, lane)
        return lane.host

    def remove(self, host: str, ticket: Ticket) -> bool:
        """Take a waiting ticket out; False if it does not wait there."""
        lane = self._lanes.get(host)
        if lane is None or ticket not in lane.waiting:
            return False
        del lane.waiting[ticket]
        self._waiting -= 1
        self.held -= lane.held
        self._list(host, lane)
        return True

    def pop(self) -> Ticket | None:
        """Give a place to the ticket whose turn it is; None if none may run now. `release` gives the place back."""
        if self._resting:
            self._open_rested()
        if self.running >= self._concurrency or not self._ready:
            return None
        if self._gap:
            now = self._clock()
            if self._open_at > now:
                return None
            self._open_at = _after(self._open_at, self._gap, now)
        host, _ = self._ready.popitem(last=False)
        lane = self._lanes[host]
        self.given = next(iter(lane.waiting))  # before it is taken out: it is always somewhere
        ticket, before = lane.waiting.popitem(last=False)
        self._waiting -= 1
        self.rested = lane.rested_by(lane.rest_until) - before if lane.rest_until else 0.0
        lane.running += 1
        self.running += 1
        if self._host_gap:
            self._rest(host, lane, _after(lane.open_at, self._host_gap, self._clock()))
        self._list(host, lane)
        return ticket

    def release(self, host: str) -> None:
        """Give back a place that `pop` gave."""
        lane = self._lanes[host]
        lane.running -= 1
        self.running -= 1
        self._list(host, lane)

    def rest(self, host: str, seconds: float) -> None:
        """Nobody starts with this host for so long; what runs goes on."""
        lane, now = self._lane(host), self._clock()
        until = now + seconds
        if now >= lane.rest_until:
            lane.rested, lane.rest_from, lane.rest_until = lane.rested_by(now), now, until
        else:
            lane.rest_until = max(lane.rest_until, until)
        if not lane.held:
            lane.held = True
            self.held += len(lane.waiting)
        self._rest(host, lane, max(lane.open_at, until))
        self._list(host, lane)

    def rests(self, host: str) -> bool:
        """Whether nobody may start with this host now, whoever runs."""
        lane = self._lanes.get(host)
        return lane is not None and lane.open_at > self._clock()

    def turn_away(self, host: str) -> None:
        """Nobody who waits for this host is to start: `pop_refused` gives them, one by one."""
        lane = self._lanes.get(host)
        if lane is not None and lane.waiting:
            lane.refused = True
            self._refused[host] = None
            self._list(host, lane)

    @property
    def refusing(self) -> bool:
        """Whether `pop_refused` has something to do."""
        return bool(self._refused)

    def pop_refused(self) -> tuple[str, Ticket] | None:
        """A ticket that is turned away, and its host; None where there is none."""
        while self._refused:
            host = next(iter(self._refused))
            lane = self._lanes.get(host)
            if lane is not None and lane.refused and lane.waiting:
                self.turned_away = host, next(iter(lane.waiting))
                ticket, before = lane.waiting.popitem(last=False)
                self._waiting -= 1
                self.held -= lane.held
                self.rested = lane.rested_by(self._clock()) - before
                return host, ticket
            del self._refused[host]
            if lane is not None:
                lane.refused = False
                self._list(host, lane)
        return None

    def waiting_for(self, host: str) -> int:
        """How many tickets wait for this host."""
        lane = self._lanes.get(host)
        return 0 if lane is None else len(lane.waiting)

    def next_at(self) -> float:
        """When `pop` may give a place although nothing was pushed or released, as the clock tells; else infinity."""
        if not self._waiting or self.running >= self._concurrency:
            return math.inf
        due = self._resting[0][0] if self._resting else math.inf
        return min(due, self._open_at) if self._ready else due

    def waiting(self) -> list[Ticket]:
        """Every waiting ticket."""
        return [ticket for lane in self._lanes.values() for ticket in lane.waiting]

    def recount(self, running: Mapping[str, int], is_gone: Callable[[Ticket], bool]) -> None:
        """Count anew after an operation was interrupted. running: places taken, by host. is_gone: of a ticket, whether
        it waits no longer."""
        for host in running:
            self._lane(host)
        for host, lane in self._lanes.items():
            for ticket in [ticket for ticket in lane.waiting if is_gone(ticket)]:
                del lane.waiting[ticket]
            lane.running = running.get(host, 0)
            lane.held = lane.held and lane.resting
        self.running = sum(running.values())
        self._waiting = sum(len(lane.waiting) for lane in self._lanes.values())
        self.held = sum(len(lane.waiting) for lane in self._lanes.values() if lane.held)
        self._resting = [(lane.open_at, host) for host, lane in self._lanes.items() if lane.resting]
        heapq.heapify(self._resting)
        self._refused = {host: None for host, lane in self._lanes.items() if lane.refused}
        for host, lane in list(self._lanes.items()):
            self._list(host, lane)

    def _lane(self, host: str) -> _Lane[Ticket]:
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = _Lane(host)
        return lane

    def _rest(self, host: str, lane: _Lane[Ticket], until: float) -> None:
        lane.open_at = until
        if not lane.resting:
            lane.resting = True
            heapq.heappush(self._resting, (until, host))

    def _open_rested(self) -> None:
        now = self._clock()
        while self._resting and self._resting[0][0] <= now:
            host = self._resting[0][1]
            lane = self._lanes[host]
            if lane.open_at > now:  # it was told to rest for longer
                heapq.heapreplace(self._resting, (lane.open_at, host))
            else:
                heapq.heappop(self._resting)
                lane.resting = False
                if lane.held:
                    lane.held = False
                    self.held -= len(lane.waiting)
                self._list(host, lane)

    def _list(self, host: str, lane: _Lane[Ticket]) -> None:
        if lane.waiting and lane.running < self._per_host and not (lane.resting or lane.refused):
            self._ready[host] = None  # keeps its turn if it has one
        else:
            self._ready.pop(host, None)
            if not lane.waiting and not lane.running and not lane.resting:
                self._lanes.pop(host, None)


def _after(due: float, gap: float, now: float) -> float:
    """When the next one may start after one that was due then and starts now: what was a little late is made up for."""
    return due + gap if now - due < gap else now + gap
