"""The turns of the event loop that fetches with bodies to decode take."""

from __future__ import annotations

import anyio

NOTED = 0.05  # seconds; shorter ones nobody feels


class LoopFairness:
    """Shared by the fetches of a loop, so that of those that have long bodies to decode one runs at a time.

    It remembers the fetch that kept the loop for longest, until it is asked.
    """

    __slots__ = ("_longest", "_url", "lock")

    def __init__(self) -> None:
        self.lock = anyio.Lock(fast_acquire=True)
        self._longest = 0.0
        self._url: str | None = None

    def note(self, url: str | None, seconds: float) -> None:
        """A fetch of this URL kept the loop so long."""
        if seconds > self._longest:
            self._longest, self._url = seconds, url

    def take(self) -> str | None:
        """The URL of the fetch that kept the loop for longest since the last call, None if none did for long."""
        url, self._longest, self._url = self._url, 0.0, None
        return url
