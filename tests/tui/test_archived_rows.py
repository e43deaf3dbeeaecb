"""Rows that left the memory, or lost their bodies, are read back from the archive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.model.results import ErrorKind, FetchError, FetchResult
from tests.tui.fake_archive import FakeArchive
from tests.tui.fake_link import failure, result
from tui.bridge.snapshot import FinishedRecord
from tui.rows.archive import PAGE, PAGES
from tui.rows.finished_store import DoneRows
from tui.rows.packed import pack, unpack


def some(count: int) -> list[FinishedRecord]:
    return [
        failure(number, f"http://h/{number}", ErrorKind.DNS, "no such host") if number % 3 == 0 else result(number)
        for number in range(count)
    ]


def test_a_packed_record_is_the_same_when_unpacked() -> None:
    for record in some(4):
        packed = pack(record)
        assert unpack(packed) == record
        assert not any(isinstance(value, (FetchResult, FetchError, ErrorKind)) for value in packed)


@given(st.integers(0, 40), st.integers(0, 300), st.integers(1, 50), st.integers(0, 20_000))
def test_every_row_is_reachable_and_whole(earlier: int, count: int, max_rows: int, max_bytes: int) -> None:
    records = some(earlier + count)
    archive = FakeArchive(records)
    rows = DoneRows(max_rows, max_bytes, archive=archive, earlier=earlier)
    rows.add(records[earlier:])
    assert len(rows) == rows.total == len(records)
    assert rows.in_memory <= max_rows
    for place in range(len(rows)):
        key = rows.key(place)
        assert rows.place(key) == place
        assert rows.row(place).id == records[key].id
        assert rows.whole(key) == (records[key], False)


def test_scrolling_through_the_archive_reads_it_page_by_page() -> None:
    records = some(PAGE * 20)
    archive = FakeArchive(records)
    rows = DoneRows(10, archive=archive)
    rows.add(records)
    for place in range(len(rows)):
        assert rows.row(place).id == records[-1 - place].id
    assert len(archive.loads) == 20
    assert len(rows._pages._pages) <= PAGES


def test_what_the_archive_cannot_read_has_a_row_that_says_so() -> None:
    records = some(20)
    rows = DoneRows(5, 0, archive=FakeArchive(records, torn=(3, 19)))
    rows.add(records)
    place = rows.place(3)
    assert place is not None
    outcome = rows.row(place).outcome
    assert isinstance(outcome, FetchError)
    assert outcome.kind is ErrorKind.STORAGE
    assert rows.whole(19) == (rows.record(19), True)


def test_a_row_that_is_not_written_yet_is_asked_for_again() -> None:
    records = some(8)
    archive = FakeArchive(records[:4])
    rows = DoneRows(2, archive=archive)
    rows.add(records)
    assert isinstance(rows.record(5).outcome, FetchError)
    archive.records = records
    assert rows.record(5) == records[5]


def test_finding_by_id_reaches_into_the_archive() -> None:
    records = some(8)
    rows = DoneRows(2, 0, archive=FakeArchive(records))
    rows.add(records)
    for record in records:
        assert rows.find(record.id) == record
    assert rows.find(99) is None
