"""Rows that a run had finished earlier, or that left the memory, are read back from the store."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import FetchError
from fetch_engine.store.file import RunLocks
from fetch_engine.store.session import RunToWrite
from fetch_engine.store.writer import RunWriter
from tests.tui.fake_link import result
from tui.rows.stored_rows import StoredRows
from tui.run.journal import Journal

LIMIT = 60.0


class Run:
    """A run whose results are written as they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.locks = RunLocks(path)
        self.writer = RunWriter(path, RunToWrite(), locks=self.locks, on_problem=print)
        self.writer.start()
        self.journal = Journal(self.writer)
        self.count = 0

    def finish(self, count: int) -> None:
        """So many more fetches end."""
        for _ in range(count):
            self.count += 1
            record = result(self.count, f"http://a.example/{self.count}", headers=(("a", "b"),))
            request = self.journal.requested(FetchRequest(record.url, "PUT", (("Authorization", "x"), ("A", "b"))))
            self.journal.finished(request, record.id, record.outcome, record.finished_at, ("odd",))

    def close(self) -> None:
        """Write all of it."""
        self.journal.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path / "runs.sqlite")
    yield made
    made.close()
    made.locks.close()


def wait_until_written(rows: StoredRows, run: Run) -> None:
    end = time.monotonic() + LIMIT
    while not rows.load(run.count - 1, 1):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_rows_come_back_whole_by_their_key(run: Run) -> None:
    rows = StoredRows(run.path, run.journal)
    assert rows.load(0, 10) == []
    run.finish(200)
    wait_until_written(rows, run)
    loaded = rows.load(100, 64)
    assert [record and record.id for record in loaded] == list(range(101, 165))
    record = loaded[0]
    assert record is not None
    assert record.outcome == result(101, "http://a.example/101", headers=(("a", "b"),)).outcome
    assert (record.finished_at, record.warnings) == (1_700_000_101.0, ("odd",))
    assert record.request is not None
    # A header that was not saved is not sent as its mask when the fetch is made again.
    assert (record.request.method, record.request.headers) == ("PUT", (("A", "b"),))
    assert rows.find(150) == rows.load(149, 1)[0]
    assert rows.find(1000) is None
    rows.close()


def test_a_row_that_cannot_be_read_is_none_and_the_others_stay_in_place(run: Run) -> None:
    run.finish(10)
    run.close()
    with sqlite3.connect(run.path) as database:
        database.execute("UPDATE results SET detail = 'torn' WHERE place = 3")
        database.execute("DELETE FROM results WHERE place = 5")
    database.close()
    rows = StoredRows(run.path, run.journal, 10)
    assert [record and record.id for record in rows.load(2, 5)] == [3, None, 5, None, 7]
    shown = rows.rows(100)
    assert (shown.total, shown.in_memory) == (10, 10)
    assert [shown.row(place).id for place in range(10)] == [10, 9, 8, 7, 0, 5, 0, 3, 2, 1]
    assert isinstance(shown.row(4).outcome, FetchError)
    rows.close()


def test_a_file_that_is_gone_leaves_rows_that_say_so(run: Run, tmp_path: Path) -> None:
    rows = StoredRows(tmp_path / "elsewhere", run.journal, 3)
    run.finish(1)
    run.close()
    assert rows.load(0, 3) == []
    assert rows.find(1) is None
    shown = rows.rows(100)
    assert (shown.total, shown.in_memory) == (3, 0)
    assert isinstance(shown.row(0).outcome, FetchError)


def test_what_leaves_the_memory_is_still_there(run: Run) -> None:
    run.finish(300)
    stored = StoredRows(run.path, run.journal)
    shown = stored.rows(max_rows=50)
    shown.add(result(number, f"http://a.example/{number}", headers=(("a", "b"),)) for number in range(1, 301))
    wait_until_written(stored, run)
    assert (len(shown), shown.in_memory) == (300, 50)
    assert [shown.row(place).id for place in (0, 49, 50, 299)] == [300, 251, 250, 1]
    stored.close()


@pytest.mark.timing
def test_a_page_is_read_in_some_milliseconds(run: Run) -> None:
    run.finish(3000)
    run.close()
    rows = StoredRows(run.path, run.journal, 3000)
    rows.load(0, 1)
    took = []
    for first in range(0, 3000, 300):
        began = time.perf_counter()
        assert len(rows.load(first, 64)) == 64
        took.append(time.perf_counter() - began)
    print(f"{min(took) * 1000:.1f} ms at best, {max(took) * 1000:.1f} ms at worst")
    assert min(took) < 0.05
    rows.close()
