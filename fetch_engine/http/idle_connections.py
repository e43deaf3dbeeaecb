"""Connections nobody uses at the moment, by origin and by age; every operation is O(1)."""

from __future__ import annotations

import time
from collections import OrderedDict

from fetch_engine.http.exchange import Connection
from fetch_engine.net.origin import Origin


class IdleConnections:
    """At most `most` connections, each for at most `seconds`; the one idle for the longest goes first."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        # Both in the order in which the connections became idle.
        self._all: OrderedDict[Connection, Origin] = OrderedDict()
        self._at: dict[Origin, OrderedDict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def put(self, origin: Origin, connection: Connection) -> None:
        """Keep `connection`; its `idle_since` is now."""
        self._all[connection] = origin
        self._at.setdefault(origin, OrderedDict())[connection] = None
        self.close_expired()
        if len(self._all) > self._most:
            self.evict()

    def take(self, origin: Origin) -> Connection | None:
        """The connection to `origin` idle for the shortest time that is still good; bad ones are closed."""
        stack = self._at.get(origin)
        oldest_wanted = time.monotonic() - self._seconds
        while stack:
            connection = next(reversed(stack))
            self._forget(connection)
            if connection.idle_since >= oldest_wanted and connection.fresh():
                return connection
            connection.discard()
        return None

    def evict(self) -> bool:
        """Close the connection idle for the longest time; False if there is none."""
        if not self._all:
            return False
        connection = next(iter(self._all))
        self._forget(connection)
        connection.discard()
        return True

    def close_expired(self) -> None:
        """Close what has been idle for too long."""
        oldest_wanted = time.monotonic() - self._seconds
        while self._all and next(iter(self._all)).idle_since < oldest_wanted:
            self.evict()

    def _forget(self, connection: Connection) -> None:
        origin = self._all.pop(connection)
        stack = self._at[origin]
        del stack[connection]
        if not stack:
            del self._at[origin]
