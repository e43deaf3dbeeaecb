"""What the tables show, apart from any screen: rows in display order, and a cursor that stays on its row."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from fetch_engine.results import FetchResult
from tui.snapshot import ActiveRow, FinishedRecord, HeldRow

MAX_ROWS = 100_000
MAX_BYTES = 64 * 1024 * 1024
GLIMPSE = 128  # bytes of a body that stay when the rest of its preview is let go
_HEADER_COST = 120  # two short strings and a tuple in CPython, beside their characters

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
IdRow = TypeVar("IdRow", ActiveRow, HeldRow)
_by_id = attrgetter("id")


class Rows(Protocol[R_co]):
    """Rows by place (0 is the uppermost) and by key; a row keeps its key while it moves."""

    def __len__(self) -> int: ...

    def row(self, place: int) -> R_co:
        """The row at this place. Raises IndexError."""

    def key(self, place: int) -> int:
        """The key of the row at this place. Raises IndexError."""

    def place(self, key: int) -> int | None:
        """Where the row with this key is now, None if it is gone."""


class IdRows(Generic[IdRow]):
    """The rows of the latest snapshot, in order of id, which is also their key."""

    def __init__(self) -> None:
        self.rows: tuple[IdRow, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, place: int) -> IdRow:
        return self.rows[place]

    def key(self, place: int) -> int:
        return self.rows[place].id

    def place(self, key: int) -> int | None:
        place = bisect_left(self.rows, key, key=_by_id)
        return place if place < len(self.rows) and self.rows[place].id == key else None


class DoneRows:
    """Finished fetches, newest first, bounded in rows and in bytes of bodies and headers.

    Over `max_bytes` the oldest rows keep only a glimpse of their body and no headers; over `max_rows` the oldest
    rows go. `left_out` and `trimmed` say how many. A row's key is its number in order of arrival.
    """

    def __init__(self, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> None:
        self.max_rows = max_rows
        self.max_bytes = max_bytes
        self.left_out = 0
        self.size = 0  # bytes of bodies and headers of the rows that are not trimmed
        self._rows: list[FinishedRecord] = []  # oldest first
        self._full_from = 0  # key of the oldest row that is not trimmed

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def total(self) -> int:
        """Rows that ever arrived."""
        return self.left_out + len(self._rows)

    @property
    def trimmed(self) -> int:
        """Rows that are here without their headers and most of their body."""
        return max(0, self._full_from - self.left_out)

    def row(self, place: int) -> FinishedRecord:
        if place < 0:
            raise IndexError(place)
        return self._rows[-1 - place]

    def key(self, place: int) -> int:
        if not 0 <= place < len(self._rows):
            raise IndexError(place)
        return self.total - 1 - place

    def place(self, key: int) -> int | None:
        place = self.total - 1 - key
        return place if 0 <= place < len(self._rows) else None

    def is_trimmed(self, key: int) -> bool:
        """Whether this row lost its headers and most of its body."""
        return key < self._full_from

    def find(self, fetch_id: int) -> FinishedRecord | None:
        """The record of the fetch with this id, newest first."""
        return next((record for record in reversed(self._rows) if record.id == fetch_id), None)

    def add(self, records: Iterable[FinishedRecord]) -> None:
        """Take finished fetches, in order of their end."""
        for record in records:
            self._rows.append(record)
            self.size += _weight(record)
            while self.size > self.max_bytes:
                self._trim_oldest()
        self._leave_out(len(self._rows) - self.max_rows)

    def absorb(self, later: DoneRows) -> None:
        """Take over all rows of `later`, which came after ours, and what it left out."""
        if later.left_out:
            self._leave_out(len(self._rows))
            self.left_out += later.left_out
        first_full = self.total + later.trimmed
        self.add(later._rows)
        while self._full_from < first_full:
            self._trim_oldest()

    def _trim_oldest(self) -> None:
        at = max(self._full_from - self.left_out, 0)
        record = self._rows[at]
        self.size -= _weight(record)
        if isinstance(record.outcome, FetchResult):
            outcome = replace(record.outcome, preview=record.outcome.preview[:GLIMPSE], headers=())
            self._rows[at] = replace(record, outcome=outcome)
        self._full_from = self.left_out + at + 1

    def _leave_out(self, count: int) -> None:
        if count <= 0:
            return
        full = self._rows[self.trimmed : count]
        self.size -= sum(map(_weight, full))
        del self._rows[:count]
        self.left_out += count
        self._full_from = max(self._full_from, self.left_out)


def _weight(record: FinishedRecord) -> int:
    outcome = record.outcome
    if not isinstance(outcome, FetchResult):
        return 0
    return len(outcome.preview) + sum(len(name) + len(value) + _HEADER_COST for name, value in outcome.headers)


class Cursor:
    """The selected row and the uppermost row on screen.

    It stays on its row when rows shift. On the newest row it follows the newest: at the top where that is where rows
    arrive, else at the bottom once the user went there.
    """

    def __init__(self, *, newest_first: bool = False) -> None:
        self.newest_first = newest_first
        self.place = 0
        self.top = 0
        self._key: int | None = None
        self._follows = newest_first

    def move_to(self, rows: Rows[object], place: int, height: int) -> None:
        """Select the row at `place`, or the nearest there is; `height` rows fit on the screen."""
        last = len(rows) - 1
        self.place = max(0, min(place, last))
        self._key = rows.key(self.place) if last >= 0 else None
        self._follows = self.place == 0 if self.newest_first else 0 < last == self.place
        self._scroll(len(rows), height)

    def settle(self, rows: Rows[object], height: int) -> None:
        """Find the selected row again after rows came, went, or the height changed."""
        count = len(rows)
        before = self.place
        if self._follows or self._key is None:
            self.place = 0 if self.newest_first or not self._follows else max(0, count - 1)
        else:
            found = rows.place(self._key)
            self.place = found if found is not None else max(0, min(self.place, count - 1))
        if not self._follows:
            self.top += self.place - before  # the row stays on its line of the screen
        self._key = rows.key(self.place) if count else None
        self._scroll(count, height)

    def _scroll(self, count: int, height: int) -> None:
        height = max(1, height)
        self.top = min(max(self.top, self.place - height + 1), self.place)
        self.top = max(0, min(self.top, count - height))
