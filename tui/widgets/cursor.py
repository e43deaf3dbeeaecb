"""The selected row of a table and the uppermost one on screen."""

from __future__ import annotations

from typing import Protocol


class Rows(Protocol):
    """Rows by place (0 is the uppermost) and by key."""

    @property
    def newest(self) -> str | None:
        """Where the newest row is: "first", "last", or None where rows are not in order of arrival."""

    def __len__(self) -> int: ...

    def key(self, place: int) -> int:
        """The key of the row at this place. Raises IndexError."""

    def place(self, key: int) -> int | None:
        """Where the row with this key is now, None if it is gone."""


class Cursor:
    """The selected row and the uppermost row on screen.

    It stays on its row when rows shift. On the newest row it follows the newest: at the top where that is where rows
    arrive (from the start), else at the bottom once the user went there.
    """

    def __init__(self) -> None:
        self.place = 0
        self.top = 0
        self._key: int | None = None
        self._follows: str | None = "first"

    def move_to(self, rows: Rows, place: int, height: int) -> None:
        """Select the row at `place`, or the nearest there is; `height` rows fit on the screen."""
        last = len(rows) - 1
        self.place = max(0, min(place, last))
        self._key = rows.key(self.place) if last >= 0 else None
        ends = {"first": self.place == 0, "last": 0 < last == self.place}
        self._follows = rows.newest if rows.newest and ends[rows.newest] else None
        self._scroll(len(rows), height)

    def settle(self, rows: Rows, height: int) -> None:
        """Find the selected row again after rows came, went, were arranged anew, or the height changed."""
        count = len(rows)
        before = self.place
        follows = self._follows is not None and self._follows == rows.newest
        if follows:
            self.place = 0 if rows.newest == "first" else max(0, count - 1)
        elif self._key is None:
            self.place = 0
        else:
            found = rows.place(self._key)
            self.place = found if found is not None else max(0, min(self.place, count - 1))
        # The row stays on its line of the screen, but where rows change places by themselves the best stay in sight.
        if not follows and (rows.newest is not None or self.top or self.place >= height):
            self.top += self.place - before
        self._key = rows.key(self.place) if count else None
        self._scroll(count, height)

    def _scroll(self, count: int, height: int) -> None:
        height = max(1, height)
        self.top = min(max(self.top, self.place - height + 1), self.place)
        self.top = max(0, min(self.top, count - height))
