"""How late the event loop comes to somebody who asks for a turn: what blocks it delays every fetch."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import anyio

from fetch_engine.lints.facts import LoopFacts

LATE = 0.1  # seconds
BUSY_INTERVAL = 0.05  # seconds between two beats; a block shorter than LATE and this may go unseen
IDLE_INTERVAL = 0.25


class Heartbeat:
    """Notes the beats that came late. Run it in the loop that is meant.

    is_busy: whether anything runs; else it beats seldom. blame: what kept the loop since it was last asked, if that is
    known. remembered: seconds for which late beats are. settling: seconds in which none is noted, since a program that
    starts is late everywhere.
    """

    def __init__(
        self,
        is_busy: Callable[[], bool],
        blame: Callable[[], str | None],
        *,
        remembered: float = 10.0,
        settling: float = 0.0,
    ) -> None:
        self._is_busy = is_busy
        self._blame = blame
        self._remembered = remembered
        self._settling = settling
        self._late: deque[tuple[float, float, str | None]] = deque(maxlen=1000)  # when, how late, and for whom

    async def run(self) -> None:
        """Beat until cancelled."""
        settled = time.monotonic() + self._settling
        while True:
            interval = BUSY_INTERVAL if self._is_busy() else IDLE_INTERVAL
            due = time.monotonic() + interval
            await anyio.sleep(interval)
            now = time.monotonic()
            blamed = self._blame()
            if now - due > LATE and due > settled:
                self._late.append((now, now - due, blamed))

    def facts(self) -> LoopFacts | None:
        """What was late in the last seconds, or None."""
        now = time.monotonic()
        while self._late and now - self._late[0][0] > self._remembered:
            self._late.popleft()
        if not self._late:
            return None
        _, worst, blamed = max(self._late, key=lambda beat: beat[1])
        return LoopFacts(0, len(self._late), worst, now - self._late[-1][0], blamed)
