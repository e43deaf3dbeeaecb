"""Records that wait for their way to the sender of the orders."""

from __future__ import annotations

import anyio

from fetch_engine.executors.records import Kind, Record


class Outbox:
    """Bounded by the orders under way, however slow the reader: of the accounts of a fetch only the last one is kept,
    and of everything else there is one for each step of it."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._progress: dict[int, Record] = {}
        self._filled = anyio.Event()

    def put(self, record: Record) -> None:
        """Add one; never blocks."""
        kind, task_id, *_ = record
        if kind is Kind.PROGRESS:
            self._progress[task_id] = record
        else:
            if kind is Kind.DONE:
                self._progress.pop(task_id, None)
            self._records.append(record)
        self._filled.set()

    async def take(self, most: int) -> list[Record]:
        """Wait for records; at most so many of them, those that others wait for first."""
        await self._filled.wait()
        taken = self._records[:most]
        del self._records[:most]
        while self._progress and len(taken) < most:
            taken.append(self._progress.pop(next(iter(self._progress))))
        if not self._records and not self._progress:
            self._filled = anyio.Event()
        return taken
