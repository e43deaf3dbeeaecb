"""The finished fetches of a run as the store has them: those of earlier times, and those that left the memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import ErrorKind, FetchError
from fetch_engine.store.reader import Reader, StoredResult, StoreError
from fetch_engine.store.values import StoredRequest
from tui.bridge.snapshot import FinishedRecord
from tui.rows.finished_store import DoneRows
from tui.run.journal import Journal

AT_START = 2000  # rows of an earlier time that are read into memory: some tenths of a second


class StoredRows:
    """An `Archive` over one run, read by a connection of its own in the thread that calls it first.

    earlier: results that the run has already.
    """

    def __init__(self, path: Path, journal: Journal, earlier: int = 0) -> None:
        self._path = path
        self._journal = journal
        self._earlier = earlier
        self._reader: Reader | None = None

    def rows(self, max_rows: int) -> DoneRows:
        """The rows to show, those of earlier times among them, the newest in memory."""
        first = max(0, self._earlier - min(AT_START, max_rows))
        rows = DoneRows(max_rows, archive=self, earlier=first)
        rows.add(record or _UNREADABLE for record in self.load(first, self._earlier - first))
        if rows.total < self._earlier:
            return DoneRows(max_rows, archive=self, earlier=self._earlier)
        return rows

    def load(self, first_key: int, count: int) -> list[FinishedRecord | None]:
        """As in `Archive`."""
        if (run := self._journal.run) is None or count <= 0:
            return []
        try:
            found = {result.place: _record(result) for result in self._open().results(run, first_key, count)}
        except StoreError:
            return []
        last = max((place for place in found if place < first_key + count), default=first_key - 1)
        return [found.get(place) for place in range(first_key, last + 1)]

    def find(self, fetch_id: int) -> FinishedRecord | None:
        """As in `Archive`."""
        if (run := self._journal.run) is None:
            return None
        try:
            result = self._open().find(run, fetch_id)
        except StoreError:
            return None
        return None if result is None else _record(result)

    def close(self) -> None:
        """Give the file back."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self) -> Reader:
        if self._reader is None:
            self._reader = Reader(self._path)
        return self._reader


_UNREADABLE = FinishedRecord(0, "", FetchError(ErrorKind.STORAGE, "this row could not be read back"), 0.0)


def _record(result: StoredResult) -> FinishedRecord:
    request = _without_masks(result.request)
    return FinishedRecord(result.fetch, result.url, result.outcome, result.finished, result.notes, request)


def _without_masks(request: StoredRequest) -> FetchRequest:
    """Fit to be made again: a header whose value was not saved is left out."""
    missing = {name.lower() for name in request.missing}
    headers = tuple(pair for pair in request.headers if pair[0].lower() not in missing)
    return replace(request, headers=headers, proxy=None if "proxy" in missing else request.proxy)
