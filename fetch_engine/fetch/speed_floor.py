"""A bound from below on how fast a body comes, as curl's --speed-limit: what drips for ever is given up."""

from __future__ import annotations

import math

import anyio


class SpeedFloor:
    """Ends `scope` once fewer than `per_second * seconds` bytes came within so many seconds.

    To be made where the body begins.
    """

    __slots__ = ("_left", "_needed", "_per_second", "_seconds", "scope")

    def __init__(self, per_second: float, seconds: float) -> None:
        self._per_second = per_second
        self._seconds = seconds
        self._needed = math.ceil(per_second * seconds)
        self._left = self._needed
        self.scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)

    @property
    def message(self) -> str:
        """What is said of a body that was too slow."""
        return f"slower than {self._per_second:g} bytes/s for {self._seconds:g} s"

    def take(self, count: int, rested: float) -> None:
        """So many bytes came, and the next ones were not asked for during so many seconds."""
        self._left -= count
        if self._left <= 0:
            self._left = self._needed
            self.scope.deadline = anyio.current_time() + self._seconds
        else:
            self.scope.deadline += rested
