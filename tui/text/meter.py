"""Bytes a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScreenCost:
    """What the screen itself costs.

    redraws: at most so many a second. speed: bytes a second to the terminal, in whole KiB, so that showing it does not
    change it. sent: bytes in all.
    """

    redraws: float = 0.0
    speed: int = 0
    sent: int = 0


class Meter:
    """The rate over the last second or so; it changes once a second, so that a screen does not flicker."""

    __slots__ = ("_bytes", "_since", "rate")

    def __init__(self, now: float) -> None:
        self._since = now
        self._bytes = 0
        self.rate = 0.0

    def read(self, total: int, now: float) -> float:
        """The rate in bytes a second, given the total by `now` (seconds)."""
        passed = now - self._since
        if passed >= 1.0:
            self.rate = (total - self._bytes) / passed
            self._since, self._bytes = now, total
        elif not self.rate and passed > 0.1:
            return (total - self._bytes) / passed
        return self.rate
