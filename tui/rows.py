"""What the tables show, apart from any screen: rows in display order, and a cursor that stays on its row."""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from tui.snapshot import ActiveRow, HeldRow

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
