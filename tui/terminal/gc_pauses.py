"""Pauses in which nothing answers a key: the cyclic collector's, and waits for the interpreter's lock.

A full collection visits every object there is and stops all threads meanwhile: with 1,000 fetches in flight for 100 ms
and more. Reference counting frees what the engine makes, so full collections are needed for what others leave in
cycles only, and can wait until nobody types.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable

# Each look at the youngest objects takes a millisecond or two; looks at those that survived would take as long as there
# are fetches in flight. They wait for a full collection: what is freed by counting references needs none.
YOUNG = 1_000  # objects made and not freed until the youngest are looked at
NEVER = 2**30
EVERY = 30.0  # seconds between two full collections
QUIET = 2.0  # seconds without a key before one
LATEST = 120.0  # seconds after which one is made all the same
SWITCH = 0.001  # seconds the engine's thread keeps the lock when the screen's wants it; Python's own choice is 0.005


class Pauses:
    """Chooses when to collect everything. `last_key` gives time.monotonic() of the newest key."""

    def __init__(
        self,
        last_key: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        collect: Callable[[], object] = gc.collect,
    ) -> None:
        self._last_key = last_key
        self._clock = clock
        self._collect = collect
        self._last = clock()

    def start(self) -> None:
        """In a running loop: take over from Python's own choice."""
        sys.setswitchinterval(SWITCH)
        gc.set_threshold(YOUNG, NEVER, NEVER)  # gc.freeze() would hide holders from the search for them
        self._repeat()

    def tick(self) -> None:
        """Collect if it is time to."""
        now = self._clock()
        since = now - self._last
        if since >= LATEST or (since >= EVERY and now - self._last_key() >= QUIET):
            self._collect()
            self._last = self._clock()

    def _repeat(self) -> None:
        self.tick()
        asyncio.get_running_loop().call_later(1.0, self._repeat)
