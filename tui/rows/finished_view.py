"""Finished fetches in any order and under any filter, arranged piece by piece so that the screen never waits."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Generator, Iterator
from typing import Any

from tui.bridge.snapshot import FinishedRecord
from tui.rows.finished_store import DoneRows
from tui.rows.row_facts import facts_of
from tui.rows.row_filter import RowFilter
from tui.rows.row_view import Arranged

PIECE = 64  # rows looked at between two looks at the clock
RUN = 4096  # rows sorted at once: some milliseconds
MANY = 32  # so many new rows are sorted in together, not each by itself
BEHIND = 2048  # more new rows than these are not taken in at once
NEAR = 1000  # rows that are asked one by one for the next warning

Entry = tuple[Any, int]  # what the row is sorted by, and its key
_HIDDEN = object()


class _Index:
    """The keys of the rows in memory that pass a filter, in order of a value, kept so as rows come and go."""

    def __init__(self, store: DoneRows, value: Callable[[FinishedRecord], Any], wanted: RowFilter) -> None:
        self.entries: list[Entry] = []
        self._store = store
        self._value = value
        self._filter = wanted
        self._first = store.left_out
        self._values: list[Any] = []  # of each row from the key `_first` on

    def fill(self) -> Iterator[None]:
        """Take all rows there are, piece by piece."""
        runs: list[list[Entry]] = []
        while self.behind:
            run: list[Entry] = []
            while self.behind and len(run) < RUN:
                start = self._first + len(self._values)
                run += self._read(start, min(start + PIECE, self._store.total))
                yield
            run.sort()
            runs.append(run)
            yield
        while len(runs) > 1:
            pairs = zip(runs[::2], [*runs[1::2], []], strict=False)
            runs = []
            for a, b in pairs:
                runs.append((yield from _merge(a, b)))
        self.entries = runs[0] if runs else []

    @property
    def behind(self) -> int:
        """Rows that came and are not in yet."""
        return self._store.total - self._first - len(self._values)

    def catch_up(self) -> None:
        """Take in rows that came, and let go of those that left the memory."""
        gone = self._store.left_out - self._first
        if gone > 0:
            self._forget(gone)
        new = self._read(self._first + len(self._values), self._store.total)
        if len(new) <= MANY:
            for entry in new:
                insort(self.entries, entry)
        else:
            self.entries += new
            self.entries.sort()

    def find(self, key: int) -> int | None:
        """Where the row with this key is."""
        at = key - self._first
        value = self._values[at] if 0 <= at < len(self._values) else _HIDDEN
        return bisect_left(self.entries, (value, key)) if value is not _HIDDEN else None

    def _read(self, start: int, stop: int) -> list[Entry]:
        entries = []
        for key in range(start, stop):
            value = _HIDDEN
            if key >= self._store.left_out:  # else it left the memory meanwhile
                record = self._store.record(key)
                if not self._filter or self._filter.accepts(facts_of(record)):
                    value = self._value(record)
                    entries.append((value, key))
            self._values.append(value)
        return entries

    def _forget(self, count: int) -> None:
        first = self._first + count
        values = self._values[:count]
        if sum(value is not _HIDDEN for value in values) <= MANY:
            for key, value in enumerate(values, self._first):
                if value is not _HIDDEN:
                    del self.entries[bisect_left(self.entries, (value, key))]
        else:
            self.entries = [entry for entry in self.entries if entry[1] >= first]
        del self._values[:count]
        self._first = first


class DoneView(Arranged[FinishedRecord]):
    """The rows of a store, newest first. Without order and filter of the user's these are all the store has; with one
    those in memory, until the new arrangement is made those of the old one.
    """

    def __init__(self, store: DoneRows) -> None:
        super().__init__("end", descending=True)
        self.store = store
        self._index: _Index | None = None  # None: as the store has them
        self._upwards = False  # what is shown now is in ascending order
        self._next: _Index | None = None
        self._work: Iterator[None] = iter(())
        self._arranged = self._wanted = (self.sort, self.filter)

    def __len__(self) -> int:
        return len(self.store) if self._index is None else len(self._index.entries)

    @property
    def considered(self) -> int:
        return len(self.store) if self._index is None else self.store.in_memory

    @property
    def newest(self) -> str | None:
        if self._arranged[0] is not self.natural:
            return None
        return "last" if self._upwards else "first"

    def row(self, place: int) -> FinishedRecord:
        return self.store.record(self.key(place))

    def key(self, place: int) -> int:
        if not 0 <= place < len(self):
            raise IndexError(place)
        if self._index is not None:
            return self._index.entries[place if self._upwards else -1 - place][1]
        return self.store.key(self._turned(place))

    def place(self, key: int) -> int | None:
        if self._index is None:
            place = self.store.place(key)
            return None if place is None else self._turned(place)
        at = self._index.find(key)
        return at if at is None or self._upwards else len(self) - 1 - at

    def is_warned(self, place: int) -> bool:
        return self.store.has_warnings(self.key(place))

    def next_warned(self, place: int) -> int | None:
        for at in range(place + 1, min(place + NEAR, len(self))):
            if self.is_warned(at):
                return at
        # They are few and far between: asking each row in turn where it is would keep the screen for long.
        places = [found for key in self.store.warned() if (found := self.place(key)) is not None]
        return min((found for found in places if found > place), default=min(places, default=None))

    def update(self) -> None:
        if self._index is None:
            return
        if self._index.behind <= BEHIND:
            self._index.catch_up()
        elif self._next is None:
            self._rebuild()

    def step(self, seconds: float) -> bool:
        if self._next is None:
            return False
        end = time.perf_counter() + seconds
        for _ in self._work:
            if time.perf_counter() >= end:
                return True
        self._next.catch_up()
        self._show(self._next)
        return False

    def _arrange(self) -> None:
        if (self.sort, self.filter) != self._wanted:
            if self.sort is self.natural and not self.filter:
                self._show(None)
            else:
                self._rebuild()
        elif self._next is None:
            self._upwards = not self.descending

    def _rebuild(self) -> None:
        self._wanted = (self.sort, self.filter)
        self._next = _Index(self.store, self.sort.value, self.filter)
        self._work = self._next.fill()
        self.busy = True

    def _show(self, index: _Index | None) -> None:
        self._index, self._next, self.busy = index, None, False
        self._work = iter(())
        self._arranged = self._wanted = (self.sort, self.filter)
        self._upwards = not self.descending

    def _turned(self, place: int) -> int:
        return len(self.store) - 1 - place if self._upwards else place


def _merge(a: list[Entry], b: list[Entry]) -> Generator[None, None, list[Entry]]:
    """One sorted list of two, RUN entries of the first at a time."""
    merged: list[Entry] = []
    done = 0
    for start in range(0, len(a), RUN):
        part = a[start : start + RUN]
        stop = bisect_right(b, part[-1], done)
        part += b[done:stop]
        part.sort()
        merged += part
        done = stop
        yield
    return merged + b[done:]
