"""The ledger: how many handles were opened, closed, and are alive."""

from __future__ import annotations

from dataclasses import dataclass

from fetch_engine.model.results import FetchError, FetchResult


@dataclass(frozen=True, slots=True)
class Census:
    """Counts at one instant; `opened == closed + alive` and `alive == queued + running + finished` always hold.

    dropping: handles already gone whose request is still unwinding. pinned: kept by the engine on request.
    outlived: finished, not pinned, and still held `outlived_after` seconds later. dropped_before_start: handles that
    died before their request began. by_gc: handles that died only when the garbage collector ran.
    """

    opened: int
    closed: int
    queued: int
    running: int
    finished: int
    dropping: int
    pinned: int
    outlived: int
    dropped_before_start: int
    by_gc: int = 0

    @property
    def alive(self) -> int:
        """Handles that somebody still holds."""
        return self.queued + self.running + self.finished


@dataclass(frozen=True, slots=True)
class HeldHandle:
    """A handle alive though its fetch has ended, as a copy. seconds: since the end, or since it was unpinned."""

    id: int
    url: str
    outcome: FetchResult | FetchError
    seconds: float
    pinned: bool
