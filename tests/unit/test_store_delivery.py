"""What a file holds counts as delivered, wherever a run was cut, however often, and whatever was noted by then."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine.store.delivery import UNKNOWN, OutputFile, Ranges, Sitting, as_ranges, look_up


def places(ranges: Ranges) -> list[int]:
    return [place for first, end in ranges for place in range(first, end)]


def line(place: int) -> bytes:
    return b"%d %s\n" % (place, b"x" * (place % 7))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_the_length_of_a_file_decides(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("delivery") / "results"
    path.write_bytes(b"before\n")
    sittings: list[Sitting] = []
    total = 0
    again: Ranges = ()
    for number in range(data.draw(st.integers(1, 5), "sittings")):
        if number and data.draw(st.booleans(), "emptied"):  # by `>`, before the run looks at it
            path.write_bytes(b"")
        known = look_up(sittings, total)
        for _, offset in known.half:
            os.truncate(path, offset)
        whole = [int(each.split()[0]) for each in path.read_bytes().splitlines() if each[:1].isdigit()]
        assert sorted(set(whole)) == sorted(set(range(total)) - set(places(known.undelivered)))
        assert len(set(whole)) == len(whole)
        sittings, again = list(known.sittings), known.undelivered
        status = path.stat()
        file = OutputFile(str(path), status.st_dev, status.st_ino, status.st_size)
        sitting = Sitting(number, total, again, file=file, end=file.start)
        own = data.draw(st.integers(0, 6), "results")
        lines = list(map(line, [*places(again), *range(total, total + own)]))
        cut = data.draw(st.integers(0, sum(map(len, lines))), "cut")
        with path.open("ab") as output:
            output.write(b"".join(lines)[:cut])
        written = sum(sum(map(len, lines[: count + 1])) <= cut for count in range(len(lines)))
        noted = data.draw(st.integers(0, written), "noted")
        sittings.append(replace(sitting, written=noted, end=file.start + sum(map(len, lines[:noted]))))
        total += own


def test_where_others_write_too_what_was_noted_counts(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_bytes(b"ours\ntheirs\n" * 10)
    status = path.stat()
    file = OutputFile(str(path), status.st_dev, status.st_ino, 0)
    sitting = Sitting(0, 0, file=file, written=4, end=UNKNOWN)
    assert look_up([sitting], 10).undelivered == ((4, 10),)


def test_a_file_that_is_another_by_now_decides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_bytes(b"line\n" * 10)
    status = path.stat()
    sitting = Sitting(0, 0, file=OutputFile(str(path), status.st_dev, status.st_ino + 1, 0), written=4, end=20)
    assert look_up([sitting], 10).undelivered == ((4, 10),)
    path.unlink()
    assert look_up([sitting], 10).undelivered == ((4, 10),)


def test_a_screen_shows_its_own_and_a_pipe_has_what_was_noted() -> None:
    sittings = [Sitting(0, 0, on_screen=True), Sitting(1, 5, ((1, 2), (3, 4)), written=3), Sitting(2, 9, written=0)]
    assert look_up(sittings, 12).undelivered == ((6, 12),)
    assert as_ranges([1, 2, 3, 7, 9, 10]) == ((1, 4), (7, 8), (9, 11))
