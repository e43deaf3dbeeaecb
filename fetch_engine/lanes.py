"""Who may run next: first come, first served within a host; hosts take turns; bounded in all and per host."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from fetch_engine.errors import AttemptFailed
from fetch_engine.urls import parse_url

Ticket = TypeVar("Ticket")


def lane_of(url: str) -> str:
    """The host whose lane a request goes to; all invalid URLs share one."""
    try:
        return parse_url(url).host
    except AttemptFailed:
        return ""


class _Lane(Generic[Ticket]):
    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        # OrderedDict: first out and removal from the middle both O(1); a plain dict scans its deleted head.
        self.waiting: OrderedDict[Ticket, None] = OrderedDict()
        self.running = 0


class Lanes(Generic[Ticket]):
    """Queues of tickets, one a host. Every operation is O(1), whatever waits and runs."""

    def __init__(self, concurrency: int, per_host: int) -> None:
        self._concurrency = concurrency
        self._per_host = per_host
        self._lanes: dict[str, _Lane[Ticket]] = {}
        # The lanes that have both a ticket waiting and a place free, in the order of their turns.
        self._ready: OrderedDict[str, None] = OrderedDict()
        self.running = 0

    def push(self, host: str, ticket: Ticket, *, ahead: bool = False) -> None:
        """Queue a ticket; `ahead` of all that wait for this host if it has waited before, for another one."""
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = _Lane()
        lane.waiting[ticket] = None
        if ahead:
            lane.waiting.move_to_end(ticket, last=False)
        self._list(host, lane)

    def remove(self, host: str, ticket: Ticket) -> bool:
        """Take a waiting ticket out; False if it does not wait there."""
        lane = self._lanes.get(host)
        if lane is None or ticket not in lane.waiting:
            return False
        del lane.waiting[ticket]
        self._list(host, lane)
        return True

    def pop(self) -> Ticket | None:
        """Give a place to the ticket whose turn it is; None if none may run now. `release` gives the place back."""
        if self.running >= self._concurrency or not self._ready:
            return None
        host, _ = self._ready.popitem(last=False)
        lane = self._lanes[host]
        ticket, _ = lane.waiting.popitem(last=False)
        lane.running += 1
        self.running += 1
        self._list(host, lane)
        return ticket

    def release(self, host: str) -> None:
        """Give back a place that `pop` gave."""
        lane = self._lanes[host]
        lane.running -= 1
        self.running -= 1
        self._list(host, lane)

    def waiting(self) -> list[Ticket]:
        """Every waiting ticket."""
        return [ticket for lane in self._lanes.values() for ticket in lane.waiting]

    def _list(self, host: str, lane: _Lane[Ticket]) -> None:
        if lane.waiting and lane.running < self._per_host:
            self._ready[host] = None  # keeps its turn if it has one
        else:
            self._ready.pop(host, None)
            if not lane.waiting and not lane.running:
                self._lanes.pop(host, None)
