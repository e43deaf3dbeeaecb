"""The file of the store: made whole or not at all, set aside where it is damaged, refused where it is no file."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine import FetchRequest
from fetch_engine.store.delivery import look_up
from fetch_engine.store.file import VERSION, RunLocks, connect
from fetch_engine.store.place import StoreError, is_there
from fetch_engine.store.reader import Reader
from fetch_engine.store.session import RunToWrite
from tests.unit.test_store import ERROR, RESULT, Saved, eventually, saved  # noqa: F401 - a fixture

# Makes the store once for each call into C that this takes, and is killed at it; prints how many there were.
KILLED_AT_EACH_STEP = """
import os, signal, sys
from pathlib import Path
from fetch_engine.store.file import connect
connect(Path(sys.argv[1]) / "warm" / "runs.sqlite").close()  # what is imported and cached is no step
step = 0
while True:
    path = Path(sys.argv[1]) / str(step) / "runs.sqlite"
    child = os.fork()
    if not child:
        left = step
        def count(frame, event, argument):
            global left
            if event == "c_call":
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.setprofile(count)
        connect(path).close()
        sys.setprofile(None)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    step += 1
print(step)
"""


@pytest.mark.once
@pytest.mark.timeout(300)
def test_killed_at_any_step_of_making_it_the_next_one_works(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH_STEP, str(tmp_path)], capture_output=True, text=True, check=True
    )
    steps = int(done.stdout)
    assert steps > 40
    unmade = 0
    for step in range(steps):
        path = tmp_path / str(step) / "runs.sqlite"
        if path.exists():  # then it is whole: nobody has to repair it
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
            database.close()
        else:
            unmade += 1
        connect(path).close()
        assert {each.name for each in path.parent.iterdir()} == {path.name}
        with Reader(path) as reader:
            assert reader.runs() == []
    assert 0 < unmade < steps


def test_two_programs_that_make_it_at_once_make_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "runs.sqlite"
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def make() -> None:
        start.wait()
        try:
            connect(path).close()
        except BaseException as error:  # noqa: BLE001 - for the test to show
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {each.name for each in path.parent.iterdir()} == {path.name}


def test_the_log_of_a_store_that_was_deleted_is_not_replayed_into_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    database = connect(path)
    database.execute("INSERT INTO runs (started, arguments, inputs) VALUES (1, '[]', '[]')")
    log = Path(f"{path}-wal").read_bytes()
    assert log
    database.close()
    path.unlink()
    Path(f"{path}-wal").write_bytes(log)
    connect(path).close()
    with Reader(path) as reader:
        assert reader.runs() == []


def write_run(store: Saved) -> None:
    writer = store.write()
    asked = [writer.requested(FetchRequest(f"http://a.example/{number}")) for number in range(30)]
    for request in asked[:20]:
        writer.finished(request.number, request.number + 1, RESULT, 1.0)
    assert writer.close(complete=False)


def not_a_database(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE songs (name)")
    database.close()


def without_a_table(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE forms")
    database.close()


def overwritten_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [not_a_database, of_another_program, without_a_table, overwritten_pages])
def test_a_damaged_file_is_set_aside_and_the_run_goes_on_with_a_new_one(saved: Saved, damage: object) -> None:  # noqa: F811
    write_run(saved)
    assert callable(damage)
    damage(saved.path)
    data = saved.path.read_bytes()
    notices: list[str] = []
    writer = saved.write(on_notice=notices.append)
    asked = writer.requested(FetchRequest("http://b.example/"))
    writer.finished(asked.number, 1, RESULT, 1.0)
    assert writer.close(complete=True)
    assert saved.problems == []
    [aside] = [path for path in saved.path.parent.iterdir() if ".damaged-" in path.name and path.name[-1].isdigit()]
    assert aside.read_bytes() == data
    assert [str(aside) in notice for notice in notices] == [True]
    with saved.reader() as reader:
        [facts] = reader.runs()
        assert (facts.done, facts.left, facts.first_url) == (1, 0, "http://b.example/")


def test_a_file_that_is_damaged_under_a_run_is_set_aside_and_told(saved: Saved) -> None:  # noqa: F811
    writer = saved.write()
    writer.requested(FetchRequest("http://a.example/"))
    eventually(lambda: writer.run is not None)
    with connect(saved.path) as database:  # as another program might
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with saved.path.open("r+b") as file:
        file.write(b"\xa5" * 100_000)
    while not saved.problems:
        writer.requested(FetchRequest("http://a.example/"))
    [problem] = saved.problems
    [aside] = [path for path in saved.path.parent.iterdir() if ".damaged-" in path.name and path.name[-1].isdigit()]
    assert f"it is kept as {aside}" in problem
    after = Saved.__new__(Saved)
    after.path, after.problems, after.locks, after.writers = saved.path, [], RunLocks(saved.path), []
    write_run(after)
    after.close()
    assert after.problems == []


@pytest.mark.parametrize("suffix", ["", "-wal", ".runs"])
@pytest.mark.parametrize("kind", ["fifo", "socket", "directory", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / "runs.sqlite"
    place = Path(f"{path}{suffix}")
    listener = socket.socket(socket.AF_UNIX)
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "socket":
        listener.bind(str(place))
    elif kind == "device":
        place.symlink_to("/dev/full")  # of a kind that would take everything and say so
    else:
        place.mkdir()
    try:
        for ask in (is_there, connect, Reader):
            with pytest.raises(StoreError, match="not a regular file"):
                ask(path)
    finally:
        listener.close()


UNFIT = [
    replace(RESULT, status=10**400),
    replace(RESULT, status=2**63),
    replace(RESULT, body_size=10**5000, bytes_received=-(2**70)),
    replace(RESULT, headers=(("x", "\ud800\x00"),), reason="\udcff"),
    replace(RESULT, elapsed=float("nan")),
    replace(RESULT, remote_address=object()),  # type: ignore[arg-type]
    replace(ERROR, message="\ud800"),
    replace(ERROR, status=10**400),
]


@pytest.mark.parametrize("outcome", UNFIT, ids=range(len(UNFIT)))
def test_a_value_that_does_not_fit_is_lost_alone(saved: Saved, outcome: object) -> None:  # noqa: F811
    writer = saved.write(RunToWrite(("\udcff",)))
    requests = [FetchRequest(f"http://a.example/{number}\udcff", headers=(("a", "\ud800"),)) for number in range(70)]
    asked = [writer.requested(request) for request in requests]
    for request in asked:
        at = float("nan") if request.number == 33 else 1.0
        of = outcome if request.number == 35 else RESULT
        writer.finished(request.number, 2**70 if request.number == 34 else 1, of, at, ["\ud800"])  # type: ignore[arg-type]
    assert writer.close(complete=True)
    assert saved.problems == []
    with saved.reader() as reader:
        facts = reader.run(1)
        assert facts is not None
        assert (facts.done + facts.failed, facts.left) == (70, 0)
        results = reader.results(1, 0, 100)
        assert [result.place for result in results] == list(range(70))
        assert results[35].url == asked[35].url
        assert all(result.outcome == RESULT for result in results if result.place != 35)


def delivered(reader: Reader, run: int) -> None:
    known = look_up(reader.sittings(run), 20)
    reader.finished_places(run, known.undelivered)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40))
def test_damaged_rows_are_left_out_and_told_never_a_bug(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
) -> None:
    """Any value in any column of any row: whatever can be read is, and nothing but StoreError is raised."""
    store = Saved(tmp_path_factory.mktemp("damaged"))
    write_run(store)
    chance = random.Random(seed)
    ask: Callable[[], object]
    values: list[object] = [None, 0, -1, 2**62, 1.5, float("inf"), "", "x", "[]", "{}", "[1]", '{"a":1}', "nul"]
    values += [
        "[" * 5000,
        b"\xff",
        b"",
        "[[0, 5], [9, 1]]",
        '{"path": "\\u0000", "device": 1, "inode": 1, "start": -1}',
    ]
    with sqlite3.connect(store.path) as database:
        for _ in range(count):
            table = chance.choice(["runs", "forms", "requests", "results", "sittings"])
            column = chance.choice([row[1] for row in database.execute(f"PRAGMA table_info({table})")])
            where = chance.choice(["1", "number = 3", "number < 9"]) if table in ("requests", "results") else "1"
            try:
                database.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (chance.choice(values),))
            except sqlite3.IntegrityError:
                continue
    database.close()
    try:
        with store.reader() as reader:
            reader.runs()
            for run in (0, 1, 2**62):
                for ask in (
                    partial(reader.run, run),
                    partial(reader.results, run, 0, 100),
                    partial(reader.result, run, 3),
                    partial(reader.find, run, 4),
                    lambda run=run: list(reader.unfinished(run)),
                    partial(reader.next_numbers, run),
                    partial(reader.from_input, run, 0),
                    partial(delivered, reader, run),
                ):
                    with contextlib.suppress(StoreError):
                        ask()
        writer = store.write()
        asked = writer.requested(FetchRequest("http://b.example/"))
        writer.finished(asked.number, 1, RESULT, 1.0)
        assert writer.close(complete=True)
        assert store.problems == []
    finally:
        store.close()
