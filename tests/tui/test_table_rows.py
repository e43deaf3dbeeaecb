"""Rows and cursor without a screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.model.results import ErrorKind, FetchResult
from tests.tui.fake_link import active, failure, result
from tui.bridge.snapshot import ActiveRow, FinishedRecord
from tui.rows.finished_store import GLIMPSE, DoneRows
from tui.rows.finished_view import DoneView
from tui.rows.rows import IdRows
from tui.widgets.cursor import Cursor


def record(number: int, size: int) -> FinishedRecord:
    if size == 0:
        return failure(number, "http://h/", ErrorKind.RESET, "reset")
    made = result(number, body=bytes(size), content_type="application/octet-stream")
    assert isinstance(made.outcome, FetchResult)
    return replace(made, outcome=replace(made.outcome, headers=(("a", "b" * (size % 7)),)))


def weight(row: FinishedRecord) -> int:
    outcome = row.outcome
    if not isinstance(outcome, FetchResult):
        return 0
    return len(outcome.preview) + sum(len(name) + len(value) + 120 for name, value in outcome.headers)


def check(rows: DoneRows, records: list[FinishedRecord]) -> None:
    arrived = [row.id for row in records]
    kept = [rows.row(place).id for place in range(len(rows))]
    assert kept == arrived[::-1][: len(rows)]
    assert rows.total == len(arrived) == rows.left_out + len(rows)
    assert len(rows) <= rows.max_rows
    full = [rows.row(place) for place in range(len(rows)) if not rows.is_trimmed(rows.key(place))]
    assert rows.size == sum(map(weight, full)) <= rows.max_bytes
    assert rows.trimmed == len(rows) - len(full)
    assert full == records[::-1][: len(full)]
    for place in range(len(rows)):
        assert rows.place(rows.key(place)) == place
        if rows.is_trimmed(rows.key(place)):
            outcome = rows.row(place).outcome
            assert not isinstance(outcome, FetchResult) or (len(outcome.preview) <= GLIMPSE and not outcome.headers)
            assert full == [rows.row(at) for at in range(len(full))]  # the newest ones are whole


batches = st.lists(st.lists(st.integers(0, 3000), max_size=8), max_size=12)


@given(batches, st.integers(1, 12), st.integers(200, 9000))
def test_done_rows_stay_within_their_bounds_and_in_order(sizes: list[list[int]], max_rows: int, max_bytes: int) -> None:
    rows = DoneRows(max_rows, max_bytes)
    arrived: list[FinishedRecord] = []
    for batch in sizes:
        records = [record(len(arrived) + at, size) for at, size in enumerate(batch)]
        arrived += records
        rows.add(records)
        check(rows, arrived)


@given(st.lists(st.integers(0, 3000), max_size=20), st.lists(st.integers(0, 3000), max_size=30), st.integers(1, 31))
def test_rows_that_came_while_paused_join_the_others(before: list[int], meanwhile: list[int], piece: int) -> None:
    rows, later = DoneRows(12, 6000), DoneRows(12, 6000)
    first = [record(at, size) for at, size in enumerate(before)]
    then = [record(1000 + at, size) for at, size in enumerate(meanwhile)]
    rows.add(first)
    later.add(then)
    while rows.absorb(later, piece):
        assert rows.size <= rows.max_bytes
        assert len(later) <= len(then) - piece
    check(rows, first + then)
    assert (later.total, later.size, later.trimmed) == (0, 0, 0)


def test_a_row_keeps_its_key_when_older_ones_go() -> None:
    rows = DoneRows(max_rows=3)
    rows.add(record(number, 10) for number in range(3))
    key = rows.key(0)
    rows.add([record(3, 10)])
    place = rows.place(key)
    assert place == 1
    assert rows.row(place).id == 2
    rows.add(record(number, 10) for number in range(4, 8))
    assert rows.place(key) is None


def test_finding_a_record_by_its_id() -> None:
    rows = DoneRows()
    rows.add([record(7, 10), record(3, 10)])
    found = rows.find(7)
    assert found is not None
    assert found.id == 7
    assert rows.find(8) is None
    with pytest.raises(IndexError):
        rows.row(-1)


@given(st.sets(st.integers(0, 50)), st.integers(0, 50))
def test_rows_of_a_snapshot_are_found_by_id(ids: set[int], wanted: int) -> None:
    rows = IdRows[ActiveRow]()
    rows.rows = tuple(active(number, "http://h/") for number in sorted(ids))
    place = rows.place(wanted)
    assert (place is not None) == (wanted in ids)
    if place is not None:
        assert rows.row(place).id == rows.key(place) == wanted


steps = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(-5, 40)),
        st.tuples(st.just("rows"), st.sets(st.integers(0, 30))),
        st.tuples(st.just("height"), st.integers(0, 9)),
    ),
    max_size=30,
)


@given(steps)
def test_the_cursor_stays_on_its_row_and_on_screen(taken: list[tuple[str, int | set[int]]]) -> None:
    rows = IdRows[ActiveRow]()
    cursor = Cursor()
    height = 5
    at_end = False  # where the user moved to, and stays however many rows go and come
    for what, value in taken:
        before = rows.key(cursor.place) if len(rows) else None
        if isinstance(value, set):
            rows.rows = tuple(active(number, "http://h/") for number in sorted(value))
            cursor.settle(rows, height)
            if before in value and not at_end:
                assert rows.key(cursor.place) == before
        elif what == "move":
            cursor.move_to(rows, value, height)
            assert cursor.place == max(0, min(value, len(rows) - 1))
            at_end = 0 < cursor.place == len(rows) - 1
        else:
            height = value
            cursor.settle(rows, height)
        assert 0 <= cursor.place < max(1, len(rows))
        assert cursor.top <= cursor.place < cursor.top + max(1, height)
        assert cursor.top == 0 or cursor.top + max(1, height) <= len(rows)


def test_newest_first_follows_the_newest_until_the_user_moves_away() -> None:
    store = DoneRows()
    rows = DoneView(store)
    cursor = Cursor()
    store.add(record(number, 1) for number in range(5))
    cursor.settle(rows, 3)
    assert rows.row(cursor.place).id == 4
    cursor.move_to(rows, 2, 3)
    store.add([record(5, 1)])
    cursor.settle(rows, 3)
    assert rows.row(cursor.place).id == 2
    cursor.move_to(rows, 0, 3)
    store.add([record(6, 1)])
    cursor.settle(rows, 3)
    assert rows.row(cursor.place).id == 6


def test_rows_that_come_above_do_not_move_the_selected_one_on_screen() -> None:
    store = DoneRows()
    rows = DoneView(store)
    store.add(record(number, 1) for number in range(50))
    cursor = Cursor()
    cursor.move_to(rows, 20, 10)
    line = cursor.place - cursor.top
    store.add(record(number, 1) for number in range(50, 60))
    cursor.settle(rows, 10)
    assert rows.row(cursor.place).id == 29
    assert cursor.place - cursor.top == line


def test_oldest_first_follows_the_newest_from_the_end() -> None:
    rows = IdRows[ActiveRow]()
    rows.rows = tuple(active(number, "http://h/") for number in range(5))
    cursor = Cursor()
    cursor.move_to(rows, 99, 3)
    rows.rows = tuple(active(number, "http://h/") for number in range(9))
    cursor.settle(rows, 3)
    assert cursor.place == 8
    assert cursor.top == 6
