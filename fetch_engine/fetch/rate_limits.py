"""A bound on bytes a second, in all and for one host: whoever read too much waits before it reads on."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

BURST = 0.1  # seconds' worth of bytes that may come at once
_MOST_HOSTS = 10_000


class ByteRate:
    """So many bytes a second, whoever takes them."""

    __slots__ = ("_free_at", "_seconds")

    def __init__(self, per_second: float) -> None:
        self._seconds = 1 / per_second  # for one byte
        self._free_at = 0.0

    def take(self, count: int, now: float) -> float:
        """Account for bytes that came; returns the seconds to wait before more are asked for."""
        self._free_at = max(self._free_at, now - BURST) + count * self._seconds
        return max(0.0, self._free_at - now)


class BytePacing:
    """The rates of one engine. per_second, per_host: bytes a second, None for no bound."""

    def __init__(
        self, per_second: float | None, per_host: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._all = ByteRate(per_second) if per_second else None
        self._per_host = per_host
        self._hosts: OrderedDict[str, ByteRate] = OrderedDict()
        self._clock = clock

    @property
    def is_on(self) -> bool:
        """Whether there is any bound."""
        return self._all is not None or self._per_host is not None

    def take(self, host: str, count: int) -> float:
        """Account for bytes that came from this host; returns the seconds to wait before more are asked for."""
        now = self._clock()
        wait = self._all.take(count, now) if self._all is not None else 0.0
        if self._per_host is not None:
            rate = self._hosts.get(host)
            if rate is None:
                rate = self._hosts[host] = ByteRate(self._per_host)
                if len(self._hosts) > _MOST_HOSTS:
                    self._hosts.popitem(last=False)
            self._hosts.move_to_end(host)
            wait = max(wait, rate.take(count, now))
        return wait
