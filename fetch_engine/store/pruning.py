"""Keeps the store within its bounds: the oldest runs go first, a little at a time."""

from __future__ import annotations

import math
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from fetch_engine.model.limits import GIB
from fetch_engine.store.file import RunLocks, is_busy, transaction
from fetch_engine.store.place import StoreError

STEP = 200  # rows that go in one transaction
PAGES = 500  # that are given back to the file system at a time
LOOK_EVERY = 500  # records written between two looks at the size
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """days: age at which a run goes, counted from its start. size: bytes of the file."""

    days: float = 30.0
    size: int = GIB


class Pruning:
    """Work for idle moments of the writer: `step` does a little of it, and is to be called until `idle`.

    Runs that are alive stay, ours among them: when it alone is above the bound, the bodies of its oldest results go,
    and when there are none left, StoreError says that the store is full.
    """

    def __init__(self, database: sqlite3.Connection, path: Path, bounds: Bounds, locks: RunLocks, own: int) -> None:
        self._database = database
        self._path = path
        self._bounds = bounds
        self._locks = locks
        self._own = own
        self._victim: int | None = None  # the run that is going
        self._grown = 0
        self._bodies_from = 0  # place of our oldest result that may have a body
        self.idle = False

    def grown(self, records: int) -> None:
        """So many more records are in the file."""
        self._grown += records
        if self._grown >= LOOK_EVERY:
            self._grown = 0
            self.idle = False

    def step(self) -> None:
        """Do a little. Raises sqlite3.Error, and StoreError when the bound cannot be kept."""
        if self.idle:
            return
        try:
            if self._victim is not None:
                self._shrink_victim()
            elif (victim := self._next_victim()) is not None:
                self._victim = victim
            elif self._is_above(self._bounds.size):
                self._let_go_of_own_bodies()
            else:
                self._give_back()
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            self.idle = True  # somebody else is busy with it; there will be another time

    def _next_victim(self) -> int | None:
        oldest = self._database.execute("SELECT id, started FROM runs WHERE id <> ? ORDER BY id", (self._own,))
        for run, started in oldest.fetchall():
            age = time.time() - started if isinstance(started, int | float) else math.inf  # damaged
            if age <= self._bounds.days * DAY and not self._is_above(self._bounds.size):
                return None
            if self._locks.take(run):
                return int(run)
        return None

    def _shrink_victim(self) -> None:
        assert self._victim is not None
        gone = 0
        with transaction(self._database):
            gone += self._database.execute(
                "DELETE FROM results WHERE rowid IN (SELECT rowid FROM results WHERE run = ? LIMIT ?)",
                (self._victim, STEP),
            ).rowcount
            gone += self._database.execute(
                "DELETE FROM requests WHERE run = ? AND number IN"
                " (SELECT number FROM requests WHERE run = ? ORDER BY number LIMIT ?)",
                (self._victim, self._victim, STEP),
            ).rowcount
            if not gone:
                self._database.execute("DELETE FROM runs WHERE id = ?", (self._victim,))
        if not gone:
            self._locks.release(self._victim)
            self._victim = None

    def _let_go_of_own_bodies(self) -> None:
        with transaction(self._database):
            places = [
                place
                for (place,) in self._database.execute(
                    "SELECT place FROM results WHERE run = ? AND place >= ? AND preview IS NOT NULL"
                    " ORDER BY place LIMIT ?",
                    (self._own, self._bodies_from, STEP),
                )
            ]
            if not places:
                raise StoreError(f"{self._path} is full ({self._bounds.size} bytes)")
            self._database.execute(
                "UPDATE results SET preview = NULL WHERE run = ? AND place BETWEEN ? AND ?",
                (self._own, places[0], places[-1]),
            )
        self._bodies_from = places[-1] + 1

    def _give_back(self) -> None:
        (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        if free <= max(64, pages // 10):  # a little room is of use
            self.idle = True
            return
        # One page a step, and a row without columns after each, at which `execute` would stop.
        self._database.executescript(f"PRAGMA incremental_vacuum({PAGES})")

    def _is_above(self, size: int) -> bool:
        (used,) = self._database.execute(
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        ).fetchone()
        return int(used) > size
