"""The store of finished fetches: bounded in memory, the older ones and what was trimmed read back from an archive."""

from __future__ import annotations

from collections.abc import Iterable

from fetch_engine.model.results import ErrorKind, FetchError
from tui.bridge.snapshot import FinishedRecord
from tui.rows.archive import Archive, NoArchive, Pages
from tui.rows.packed import Packed, has_warnings, pack, trimmed, unpack, weight

MAX_ROWS = 100_000
MAX_BYTES = 64 * 1024 * 1024
GLIMPSE = 128  # bytes of a body that stay when the rest of its preview is let go
_UNREADABLE = FinishedRecord(0, "", FetchError(ErrorKind.STORAGE, "this row could not be read back"), 0.0)


class DoneRows:
    """Finished fetches, newest first, bounded in rows and in bytes of bodies and headers.

    Over `max_bytes` the oldest rows keep only a glimpse of their body and no headers; over `max_rows` the oldest
    rows go. `left_out` and `trimmed` say how many. A row's key is its number in order of arrival.

    With an archive every row that ever arrived is still there: `row` reads those back that left the memory, and
    `whole` what was trimmed. `earlier` rows are in the archive from the start.
    """

    def __init__(
        self,
        max_rows: int = MAX_ROWS,
        max_bytes: int = MAX_BYTES,
        *,
        archive: Archive | None = None,
        earlier: int = 0,
    ) -> None:
        self.max_rows = max_rows
        self.max_bytes = max_bytes
        self.archived = archive is not None
        self.left_out = earlier  # rows that are not in memory, which is also the key of the oldest one that is
        self.size = 0  # bytes of bodies and headers of the rows that are not trimmed
        self._pages = Pages(archive or NoArchive())
        self._rows: list[Packed] = []  # oldest first
        self._full_from = earlier  # key of the oldest row that is not trimmed
        self._last: tuple[Packed | None, FinishedRecord] = (None, _UNREADABLE)

    def __len__(self) -> int:
        return self.total if self.archived else len(self._rows)

    @property
    def in_memory(self) -> int:
        """Rows that are in memory."""
        return len(self._rows)

    @property
    def total(self) -> int:
        """Rows that ever arrived."""
        return self.left_out + len(self._rows)

    @property
    def trimmed(self) -> int:
        """Rows that are in memory without their headers and most of their body."""
        return max(0, self._full_from - self.left_out)

    def row(self, place: int) -> FinishedRecord:
        if place < 0:
            raise IndexError(place)
        return self.record(self.key(place))

    def key(self, place: int) -> int:
        if not 0 <= place < len(self):
            raise IndexError(place)
        return self.total - 1 - place

    def place(self, key: int) -> int | None:
        place = self.total - 1 - key
        return place if 0 <= place < len(self) else None

    def record(self, key: int) -> FinishedRecord:
        """The row with this key, as it is in memory or in the archive. Raises IndexError if it never arrived."""
        at = key - self.left_out
        if at < 0 <= key:
            return self._pages.record(key) or _UNREADABLE
        return self._unpacked(self._rows[at])

    def is_trimmed(self, key: int) -> bool:
        """Whether this row lost its headers and most of its body, in memory."""
        return self.left_out <= key < self._full_from

    def whole(self, key: int) -> tuple[FinishedRecord, bool]:
        """The row with this key as it arrived, and whether it is trimmed all the same."""
        if not self.is_trimmed(key):
            return self.record(key), False
        archived = self._pages.record(key)
        return (archived, False) if archived is not None else (self.record(key), True)

    def find(self, fetch_id: int) -> FinishedRecord | None:
        """The record of the fetch with this id, newest first."""
        for at in range(len(self._rows) - 1, -1, -1):
            if self._rows[at][0] == fetch_id:
                return self.whole(self.left_out + at)[0]
        return self._pages.archive.find(fetch_id)

    def has_warnings(self, key: int) -> bool:
        """Whether the row with this key is in memory and has warnings."""
        at = key - self.left_out
        return 0 <= at < len(self._rows) and has_warnings(self._rows[at])

    def warned(self) -> list[int]:
        """The keys of the rows in memory that have warnings, in order; some 10 ms for 100,000 rows."""
        return [at for at, packed in enumerate(self._rows, self.left_out) if has_warnings(packed)]

    def add(self, records: Iterable[FinishedRecord]) -> None:
        """Take finished fetches, in order of their end."""
        self._add(map(pack, records))

    def absorb(self, later: DoneRows, at_most: int | None = None) -> bool:
        """Take over rows of `later`, which came after ours, the oldest first, and what it left out.

        Says whether there are more.
        """
        if later.left_out:
            self._leave_out(len(self._rows))
            self.left_out += later.left_out
        rows, trimmed_rows = later._give(at_most)
        first_full = self.total + trimmed_rows
        self._add(rows)
        while self._full_from < first_full:
            self._trim_oldest()
        return bool(later._rows)

    def _give(self, at_most: int | None) -> tuple[list[Packed], int]:
        """The oldest rows, which are ours no more, and how many of them are trimmed. What was left out is forgotten."""
        rows = self._rows[:at_most]
        trimmed_rows = min(self.trimmed, len(rows))
        self.size -= sum(map(weight, rows[trimmed_rows:]))
        del self._rows[:at_most]
        self._full_from = max(0, self._full_from - self.left_out - len(rows))
        self.left_out = 0
        return rows, trimmed_rows

    def _add(self, rows: Iterable[Packed]) -> None:
        for packed in rows:
            self._rows.append(packed)
            self.size += weight(packed)
            while self.size > self.max_bytes:
                self._trim_oldest()
        self._leave_out(len(self._rows) - self.max_rows)

    def _unpacked(self, packed: Packed) -> FinishedRecord:
        if self._last[0] is not packed:
            self._last = packed, unpack(packed)
        return self._last[1]

    def _trim_oldest(self) -> None:
        at = max(self._full_from - self.left_out, 0)
        packed = self._rows[at]
        self.size -= weight(packed)
        self._rows[at] = trimmed(packed, GLIMPSE)
        self._full_from = self.left_out + at + 1

    def _leave_out(self, count: int) -> None:
        if count <= 0:
            return
        self.size -= sum(map(weight, self._rows[self.trimmed : count]))
        del self._rows[:count]
        self.left_out += count
        self._full_from = max(self._full_from, self.left_out)
