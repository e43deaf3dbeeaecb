"""What all fetches of a run came to, added up as they end: counts, kinds, latency, hosts. Knows no screen."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, log
from typing import NamedTuple

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind, FetchResult
from fetch_engine.model.urls import parse_url
from tui.bridge.snapshot import FinishedRecord, Snapshot

MAX_HOSTS = 200  # with a row of their own; the rest is one row
OTHERS = "(other hosts)"
NO_HOST = "(no host)"
BATCH = 500  # records counted at a time: a few milliseconds

_ACCURACY = 0.01
_GROWTH = (1 + _ACCURACY) / (1 - _ACCURACY)
_LOG_GROWTH = log(_GROWTH)
_LEAST, _MOST = 1e-6, 1e6  # seconds that are told apart
_UP_TO_HOST = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?+[^/?#\\@]*+(?=[/?#]|\Z)")


class Histogram:
    """How often each duration came, in logarithmic buckets (as DDSketch, Masson et al., VLDB 2019).

    A quantile is at most 1 % off, or a microsecond. At most 1383 buckets, whatever is counted; from 1e6 s on all are
    one. The smallest and the largest duration (seconds) are kept as they are.
    """

    __slots__ = ("_buckets", "count", "largest", "smallest", "total")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0
        self.smallest = 0.0
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration, which must not be below 0."""
        self._buckets[ceil(log(min(max(seconds, _LEAST), _MOST)) / _LOG_GROWTH)] += 1
        self.smallest = min(self.smallest, seconds) if self.count else seconds
        self.largest = max(self.largest, seconds)
        self.count += 1
        self.total += seconds

    def quantile(self, part: float) -> float:
        """The duration that this part of all does not exceed (nearest rank); 0 where nothing was counted."""
        rank = max(1, ceil(part * self.count))
        if rank >= self.count:
            return self.largest
        seen = 0
        for bucket, count in sorted(self._buckets.items()):
            seen += count
            if seen >= rank:
                return min(max(_middle(bucket), self.smallest), self.largest)
        raise AssertionError("the buckets hold fewer than were counted")

    def between(self, edges: Sequence[float]) -> list[int]:
        """How many lie between each two neighbours of `edges` (ascending); an edge itself is 1 % wide."""
        found = [0] * (len(edges) - 1)
        at = 0
        for bucket, count in sorted(self._buckets.items()):
            middle = _middle(bucket)
            while at < len(found) and middle >= edges[at + 1]:
                at += 1
            if at < len(found) and middle >= edges[0]:
                found[at] += count
        return found


def _middle(bucket: int) -> float:
    """The duration that is equally far, in parts of itself, from both ends of the bucket."""
    return float(2 * _GROWTH**bucket / (_GROWTH + 1))


@dataclass(slots=True)
class Tally:
    """Counts of ended fetches. ok: responses below 400; refused: those from 400 on; failed: no response.

    latency: of responses, in seconds, without the time in the queue. received: bytes from the wire.
    """

    ok: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0
    received: int = 0
    latency: Histogram = field(default_factory=Histogram)

    @property
    def done(self) -> int:
        """Fetches that got a response."""
        return self.ok + self.refused

    @property
    def ended(self) -> int:
        """All of them."""
        return self.done + self.failed + self.cancelled

    def count(self, end: _End) -> None:
        """Add one."""
        self.received += end.received
        if end.status:
            if end.status < 400:
                self.ok += 1
            else:
                self.refused += 1
            self.latency.add(end.latency)
        elif end.kind == ErrorKind.CANCELLED:
            self.cancelled += 1
        else:
            self.failed += 1


class _End(NamedTuple):
    """What is counted of a record; without the body, as many of them may wait. status: 0 without a response."""

    url: str
    status: int
    kind: str
    latency: float
    received: int
    retried: bool
    redirects: int


def _end_of(record: FinishedRecord) -> _End:
    outcome = record.outcome
    status, kind = (outcome.status, "") if isinstance(outcome, FetchResult) else (0, str(outcome.kind))
    latency = max(0.0, outcome.elapsed - (outcome.timings.queued or 0.0))
    return _End(record.url, status, kind, latency, outcome.bytes_received, outcome.attempts > 1, len(outcome.redirects))


class Totals:
    """All ended fetches, and those of each host.

    The first `max_hosts` hosts have a tally each, all others one together. Records that are newer than the snapshot
    they come with wait for the next one, so that both say the same.
    """

    def __init__(self, max_hosts: int = MAX_HOSTS) -> None:
        self.max_hosts = max_hosts
        self.all = Tally()
        self.classes: Counter[int] = Counter()  # 2 for 2xx and so on
        self.kinds: Counter[str] = Counter()
        self.retried = 0  # fetches that took more than one attempt
        self.redirects = 0  # followed
        self.hosts: dict[str, Tally] = {}
        self._early: deque[_End] = deque()

    def add(self, records: Iterable[FinishedRecord], snapshot: Snapshot | None = None) -> int:
        """Take ended fetches and count at most BATCH, with a snapshot only as many as had ended then.

        Says how many were counted: where it is BATCH there may be more.
        """
        self._early.extend(map(_end_of, records))
        count = min(BATCH, len(self._early))
        if snapshot is not None:
            count = min(count, snapshot.counts.ended - self.all.ended)
        for _ in range(count):
            self._count(self._early.popleft())
        return max(0, count)

    def host(self, url: str) -> str:
        """The name under which this URL's host is counted."""
        name = host_of(url)
        return name if name in self.hosts or len(self.hosts) < self.max_hosts else OTHERS

    def _count(self, end: _End) -> None:
        self.all.count(end)
        name = self.host(end.url)
        if (tally := self.hosts.get(name)) is None:
            tally = self.hosts[name] = Tally()
        tally.count(end)
        self.retried += end.retried
        self.redirects += end.redirects
        if end.status:
            self.classes[end.status // 100] += 1
        else:
            self.kinds[end.kind] += 1


def host_of(url: str) -> str:
    """The host of a URL as it was given, without its port: what `--per-host` counts by."""
    start = _UP_TO_HOST.match(url, 0, 300)  # without user and password, which are not to be kept
    return _cached_host_of(start.group()) if start and start.end() < 300 else _host_of(url)


@lru_cache(1000)
def _cached_host_of(start: str) -> str:
    return _host_of(start)


def _host_of(url: str) -> str:
    try:
        target = parse_url(url)
    except AttemptFailed:
        return NO_HOST
    return f"[{target.host}]" if ":" in target.host else target.host
