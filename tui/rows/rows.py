"""The rows of the latest snapshot, arranged anew with each."""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import TypeVar

from tui.bridge.snapshot import ActiveRow, HeldRow
from tui.rows.row_facts import facts_of
from tui.rows.row_view import Arranged

IdRow = TypeVar("IdRow", ActiveRow, HeldRow)
_by_id = attrgetter("id")


class IdRows(Arranged[IdRow]):
    """Rows by id, which is also their key. `rows` takes all of them, in order of id; few enough to arrange at once."""

    def __init__(self) -> None:
        super().__init__("#")
        self._rows: tuple[IdRow, ...] = ()
        self._shown: tuple[IdRow, ...] = ()

    @property
    def rows(self) -> tuple[IdRow, ...]:
        """All rows, those that the filter hides as well."""
        return self._rows

    @rows.setter
    def rows(self, rows: tuple[IdRow, ...]) -> None:
        self._rows = rows
        self._arrange()

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def considered(self) -> int:
        return len(self._rows)

    def row(self, place: int) -> IdRow:
        return self._shown[place]

    def key(self, place: int) -> int:
        return self._shown[place].id

    def place(self, key: int) -> int | None:
        if self.newest == "last":
            place = bisect_left(self._shown, key, key=_by_id)
            return place if place < len(self._shown) and self._shown[place].id == key else None
        return next((place for place, row in enumerate(self._shown) if row.id == key), None)

    def _arrange(self) -> None:
        shown = self._rows
        if self.filter:
            shown = tuple(row for row in shown if self.filter.accepts(facts_of(row)))
        if self.sort is not self.natural:
            shown = tuple(sorted(shown, key=self.sort.value))
        self._shown = shown[::-1] if self.descending else shown
