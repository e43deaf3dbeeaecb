"""An archive in memory that counts what it is asked."""

from __future__ import annotations

from collections.abc import Iterable

from tui.bridge.snapshot import FinishedRecord


class FakeArchive:
    """Holds the records it was given, in order of key; `torn` keys cannot be read."""

    def __init__(self, records: Iterable[FinishedRecord] = (), torn: Iterable[int] = ()) -> None:
        self.records = list(records)
        self.torn = set(torn)
        self.loads: list[tuple[int, int]] = []

    def load(self, first_key: int, count: int) -> list[FinishedRecord | None]:
        self.loads.append((first_key, count))
        keys = range(first_key, min(first_key + count, len(self.records)))
        return [None if key in self.torn else self.records[key] for key in keys]

    def find(self, fetch_id: int) -> FinishedRecord | None:
        return next((record for record in reversed(self.records) if record.id == fetch_id), None)
