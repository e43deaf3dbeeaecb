"""What is saved of a run comes back as it was, without its secrets, whatever the disk and other programs do."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine import ErrorKind, FetchError, FetchRequest, FetchResult, Hop, Timings
from fetch_engine.model.requests import InputTag
from fetch_engine.model.tls_facts import Certificate, TlsFacts
from fetch_engine.store.delivery import Sitting
from fetch_engine.store.file import VERSION, RunLocks, connect
from fetch_engine.store.pruning import Bounds
from fetch_engine.store.reader import Reader, StoreError
from fetch_engine.store.session import RunToWrite
from fetch_engine.store.values import decode, decode_form, encode, encode_form, from_text, numbered, to_text
from fetch_engine.store.writer import ROOM_RECORDS, RunWriter

LIMIT = 60.0
FACTS = TlsFacts("TLSv1.3", "AES", 256, None, "a.example", True, (Certificate("a", "b", ("a.example",), 1.5),))
RESULT = FetchResult(
    url="https://a.example/",
    final_url="https://a.example/x",
    status=404,
    reason="Not Found",
    http_version="HTTP/1.1",
    headers=(("content-type", "text/html"), ("x", "1"), ("x", "2")),
    redirects=(Hop("https://a.example/", 301, Timings(wait=0.5, total=1.0), FACTS),),
    attempts=2,
    elapsed=0.25,
    timings=Timings(0.1, None, 0.2, total=0.25),
    bytes_received=300,
    body_size=5,
    sha256="ab" * 32,
    preview=b"\x00\xff\n<a",
    content_type="text/html",
    tls=FACTS,
)
ERROR = FetchError(ErrorKind.RESET, "closed by the peer", status=200, redirects=(Hop("http://a.example/", 302),))


class Saved:
    """A store in a folder of its own, and the writers that were opened on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "data" / "history.sqlite"
        self.path.parent.mkdir()
        self.problems: list[str] = []
        self.locks = RunLocks(self.path)
        self.writers: list[RunWriter] = []

    def write(self, what: RunToWrite | None = None, **options: object) -> RunWriter:
        writer = RunWriter(
            self.path,
            what or RunToWrite(("a.example",)),
            locks=self.locks,
            on_problem=self.problems.append,
            **options,  # type: ignore[arg-type]
        )
        writer.start()
        self.writers.append(writer)
        return writer

    def reader(self) -> Reader:
        return Reader(self.path)

    def close(self) -> None:
        for writer in self.writers:
            writer.close(complete=False)
        self.locks.close()


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Saved]:
    store = Saved(tmp_path)
    yield store
    store.close()


def eventually(condition: object, limit: float = LIMIT) -> None:
    assert callable(condition)
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_comes_back_as_it_was(saved: Saved) -> None:
    writer = saved.write(RunToWrite(("-i", "x"), [{"path": "/x"}], FetchRequest("", headers=(("A", "b"),))))
    urls = ["https://a.example/", "http://b.example/\udcff", "http://c.example/\x00", "http://d.example/"]
    asked = [writer.requested(FetchRequest(url, "PUT", (("A", "b"),), b"\x00x"), input=0) for url in urls]
    writer.finished(asked[2].number, 7, RESULT, 12.5)
    writer.finished(asked[0].number, 8, ERROR, 13.5)
    writer.withdrawn([asked[3].number])
    assert writer.close(complete=False)
    with saved.reader() as reader:
        first, second = reader.results(1, 0, 10)
        assert (first.place, first.number, first.fetch, first.url, first.finished) == (0, 2, 7, urls[2], 12.5)
        assert first.outcome == RESULT
        assert (second.outcome, second.fetch, second.url) == (ERROR, 8, urls[0])
        [(left, source)] = reader.unfinished(1)
        assert (left, source) == (replace(asked[1], missing=()), 0)
        facts = reader.run(1)
        assert facts is not None
        assert (facts.done, facts.failed, facts.left, facts.first_url, facts.complete) == (1, 1, 1, urls[0], False)
        assert facts.arguments == ("-i", "x")
        assert facts.ended is not None
        assert reader.next_numbers(1) == (4, 2, 9)
        assert reader.from_input(1, 0) == [0, 1, 2, 3]
        assert facts.inputs[0]["path"] == "/x"
        template = reader.form(facts.inputs[0]["form"])
        assert (template.url, template.headers) == ("", (("A", "b"),))
        assert reader.find(1, 8) == second
        assert reader.result(1, 2) is None
    assert saved.problems == []


texts = st.text(st.characters(exclude_categories=[]), max_size=20)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of this type, every field of it, so that a field of a new kind is noticed."""
    arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{field.name: values_of(hints[field.name]) for field in dataclasses.fields(kind)})
    if typing.get_origin(kind) is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
        return st.tuples(*map(values_of, arguments))
    if arguments:
        return st.one_of(*map(values_of, arguments))
    plain = {float: st.floats(0.001, 1e6), str: texts, bytes: st.binary(max_size=50)}
    return plain[kind] if kind in plain else st.from_type(kind)


@given(outcome=st.one_of(values_of(FetchResult), values_of(FetchError)))
def test_any_outcome_survives_being_stored(outcome: FetchResult | FetchError) -> None:
    _, kind, detail, preview = encode(outcome, with_secrets=True)
    assert decode(kind, detail, preview) == outcome
    encode(outcome, with_secrets=False)


@given(request=values_of(FetchRequest))
def test_any_request_survives_being_stored(request: FetchRequest) -> None:
    stored = decode_form(*encode_form(request, with_secrets=True))
    assert replace(stored, url=request.url, number=3) == numbered(request, 3)
    encode_form(request, with_secrets=False)


@given(texts)
def test_any_text_survives_being_stored(text: str) -> None:
    with sqlite3.connect(":memory:") as database:
        (value,) = database.execute("SELECT ?", (to_text(text),)).fetchone()
    database.close()
    assert from_text(value) == text


def test_fields_that_came_or_went_since_it_was_written_are_no_error() -> None:
    values = json.loads(encode(RESULT, with_secrets=True)[2])
    values["of the future"] = 1
    del values["remote_address"], values["tls"]
    read = decode(None, json.dumps(values), RESULT.preview)
    assert read == replace(RESULT, tls=None)


SECRETS = "hunter2"
REQUEST = FetchRequest(
    f"https://me:{SECRETS}@a.example/?q=1&api_key={SECRETS}#access_token={SECRETS}",
    "POST",
    (("Authorization", f"Bearer {SECRETS}"), ("cookie", f"a={SECRETS}"), ("X-Api-Key", SECRETS), ("Accept", "*/*")),
    f"user=me&password={SECRETS}".encode(),
)
TOLD = replace(
    RESULT,
    url=REQUEST.url,
    final_url=f"https://a.example/?token={SECRETS}",
    headers=(("Set-Cookie", f"sid={SECRETS}; Path=/"), ("Location", f"/?sig={SECRETS}")),
    redirects=(Hop(f"https://a.example/?session_id={SECRETS}", 302),),
)


@pytest.mark.parametrize("with_secrets", [False, True])
def test_secrets_reach_the_disk_only_if_asked_for(saved: Saved, with_secrets: bool) -> None:
    writer = saved.write(with_secrets=with_secrets)
    writer.finished(writer.requested(REQUEST).number, 1, TOLD, 1.0)
    writer.requested(REQUEST)
    json_body = json.dumps({"user": "me", "client_secret": SECRETS, "n": 1}).encode()
    writer.requested(replace(REQUEST, url="https://b.example/", body=json_body))
    eventually(lambda: writer.run is not None)
    assert writer.close(complete=False)
    with saved.reader() as reader:
        (left, _), (other, _) = reader.unfinished(1)
        assert dict(left.headers)["Accept"] == "*/*"
        assert b"user=me" in left.body
        assert json.loads(other.body)["user"] == "me"
        assert "q=1" in left.url
        if with_secrets:
            assert (left.url, left.headers, left.body, left.missing) == (*_parts(REQUEST), ())
            assert reader.results(1, 0, 1)[0].outcome == TOLD
        else:
            assert left.missing == ("URL", "Authorization", "cookie", "X-Api-Key", "body")
            assert other.missing == ("Authorization", "cookie", "X-Api-Key", "body")
    on_disk = b"".join(file.read_bytes() for file in saved.path.parent.iterdir())
    assert (SECRETS.encode() in on_disk) is with_secrets


def _parts(request: FetchRequest) -> tuple[str, tuple[tuple[str, str], ...], bytes]:
    return request.url, request.headers, request.body


def test_only_its_owner_can_read_it(saved: Saved) -> None:
    writer = saved.write()
    writer.requested(FetchRequest("http://a.example/"))
    eventually(lambda: writer.run is not None)
    files = list(saved.path.parent.iterdir())
    assert len(files) == 4
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_newer_file_is_refused_and_left_alone(saved: Saved) -> None:
    connect(saved.path).close()
    with sqlite3.connect(saved.path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    with pytest.raises(StoreError, match="written by a newer version"):
        saved.reader()
    before = saved.path.read_bytes()
    writer = saved.write()
    eventually(lambda: saved.problems)
    writer.requested(FetchRequest("http://a.example/"))
    assert writer.close(complete=True)
    assert writer.has_room
    assert "written by a newer version" in saved.problems[0]
    assert saved.path.read_bytes() == before


def test_a_file_that_cannot_be_used_is_told_once(saved: Saved) -> None:
    saved.path.mkdir()
    writer = saved.write()
    for _ in range(3 * ROOM_RECORDS):
        writer.finished(writer.requested(FetchRequest("http://a.example/")).number, 1, RESULT, 1.0)
    assert writer.close(complete=True)
    assert len(saved.problems) == 1
    assert "is a directory, not a regular file" in saved.problems[0]
    with pytest.raises(StoreError, match="is a directory"):
        saved.reader()


def test_a_file_that_is_locked_for_a_moment_is_waited_for(saved: Saved) -> None:
    connect(saved.path).close()
    other = sqlite3.connect(saved.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    writer = saved.write()
    began = time.monotonic()
    while writer.has_room:
        writer.requested(FetchRequest("http://a.example/"))
    assert time.monotonic() - began < LIMIT  # it never waits for the disk
    other.execute("COMMIT")
    other.close()
    eventually(lambda: writer.has_room)
    assert writer.close(complete=False)
    with saved.reader() as reader:
        assert len(list(reader.unfinished(1))) == ROOM_RECORDS
    assert saved.problems == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing beyond the limit is an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
from fetch_engine import FetchRequest
from fetch_engine.store.file import RunLocks
from fetch_engine.store.session import RunToWrite
from fetch_engine.store.writer import RunWriter
path = Path(sys.argv[1])
writer = RunWriter(path, RunToWrite(), locks=RunLocks(path), on_problem=lambda why: print(why, flush=True))
writer.start()
while writer.problem is None:
    if writer.has_room:
        writer.requested(FetchRequest("http://a.example/" + 1000 * "x"))
assert writer.has_room
assert writer.close(complete=True)
"""


def test_a_full_disk_is_told_once_and_what_was_written_stays(saved: Saved) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(saved.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    with saved.reader() as reader:
        assert reader._rows("PRAGMA integrity_check") == [("ok",)]
        assert [run.id for run in reader.runs()] == [1]


def test_several_programs_write_into_one_file(saved: Saved) -> None:
    writers = [saved.write() for _ in range(4)]

    def work(writer: RunWriter) -> None:
        for number in range(500):
            request = writer.requested(FetchRequest(f"http://a.example/{number}"))
            writer.finished(request.number, number + 1, RESULT, 1.0)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(writer.close(complete=True, limit=LIMIT) for writer in writers)
    with saved.reader() as reader:
        assert [(run.done, run.left, run.complete) for run in reader.runs()] == [(500, 0, True)] * 4
    assert saved.problems == []


def fill(saved: Saved, count: int = 300) -> int:
    writer = saved.write()
    big = replace(RESULT, preview=b"x" * 4000)
    for number in range(count):
        writer.finished(writer.requested(FetchRequest("http://a.example/")).number, number, big, 1.0)
    assert writer.close(complete=True, limit=LIMIT)
    assert writer.run is not None
    saved.locks.release(writer.run)
    return writer.run


def ids(saved: Saved) -> list[int]:
    with saved.reader() as reader:
        return [run.id for run in reader.runs()]


def test_runs_go_when_they_are_too_old(saved: Saved) -> None:
    old, recent = fill(saved), fill(saved, 3)
    with sqlite3.connect(saved.path) as database:
        database.execute("UPDATE runs SET started = started - 31 * 86400 WHERE id = ?", (old,))
    database.close()
    size = saved.path.stat().st_size
    writer = saved.write()
    writer.requested(FetchRequest("http://a.example/"))
    eventually(lambda: len(ids(saved)) == 2 and old not in ids(saved))
    eventually(lambda: _checkpointed(saved) < size / 2)
    assert recent in ids(saved)
    with sqlite3.connect(saved.path) as database:
        for table in ("requests", "results", "forms"):
            assert database.execute(f"SELECT COUNT(*) FROM {table} WHERE run = {old}").fetchone() == (0,)
    database.close()
    assert writer.close(complete=True)


def _checkpointed(saved: Saved) -> int:
    with sqlite3.connect(saved.path) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    database.close()
    return saved.path.stat().st_size


def test_the_oldest_runs_go_when_all_are_too_large_but_not_one_that_is_alive(saved: Saved) -> None:
    runs = [fill(saved) for _ in range(3)]
    held = RunLocks(saved.path)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from fetch_engine.store.file import RunLocks;"
            f"assert RunLocks(Path(sys.argv[1])).take({runs[0]}); print(flush=True); sys.stdin.read()",
            str(saved.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        writer = saved.write(bounds=Bounds(size=3_500_000))
        writer.requested(FetchRequest("http://a.example/"))
        eventually(lambda: runs[1] not in ids(saved))
        eventually(lambda: len(ids(saved)) == 3)
        assert runs[0] in ids(saved)
        assert runs[2] in ids(saved)
        assert writer.close(complete=True)
    finally:
        holder.communicate()
        held.close()


def test_of_a_run_that_is_too_large_alone_the_oldest_bodies_go(saved: Saved) -> None:
    writer = saved.write(bounds=Bounds(size=3_000_000))
    big = replace(RESULT, preview=b"x" * 8000)
    for number in range(600):
        writer.finished(writer.requested(FetchRequest("http://a.example/")).number, number, big, 1.0)
        eventually(lambda: writer.has_room)

    def oldest_went() -> bool:
        try:
            with saved.reader() as reader:
                first = reader.result(1, 0)
        except StoreError:  # the writer makes the file, and then its tables, when it has something to write
            return False
        return first is not None and not first.has_body

    eventually(oldest_went)
    assert writer.close(complete=True, limit=LIMIT)
    with saved.reader() as reader:
        assert reader.count_results(1) == 600
        first, last = reader.result(1, 0), reader.result(1, 599)
    assert first is not None
    assert first.outcome == replace(RESULT, preview=b"")
    assert last is not None
    assert last.has_body
    assert saved.problems == []


@pytest.mark.timing
def test_rows_are_read_in_pages(saved: Saved) -> None:
    writer = saved.write()
    for number in range(2000):
        writer.finished(writer.requested(FetchRequest("http://a.example/")).number, number, RESULT, 1.0)
    assert writer.close(complete=True, limit=LIMIT)
    with saved.reader() as reader:
        began = time.perf_counter()
        page = reader.results(1, 1900, 64)
        assert time.perf_counter() - began < 0.5  # some milliseconds, on a machine that has time
        assert [result.place for result in page] == list(range(1900, 1964))


FIRST_SCHEMA = """
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  started REAL NOT NULL,
  ended REAL,                      -- NULL: it runs, or was killed
  complete INTEGER NOT NULL DEFAULT 0, -- nothing was left when it ended
  arguments TEXT NOT NULL,         -- JSON, secrets masked
  inputs TEXT NOT NULL             -- JSON: lists of URLs, each with the form of what is made of them
);
CREATE TABLE forms (               -- what requests have in common
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  detail TEXT NOT NULL,            -- JSON: method, headers and what else there is but the body
  body BLOB NOT NULL,
  missing TEXT NOT NULL            -- JSON: what was masked
);
CREATE INDEX forms_by_run ON forms(run);
CREATE TABLE requests (
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  url NOT NULL,                    -- TEXT, or a BLOB where it is no Unicode
  masked INTEGER NOT NULL,
  form INTEGER NOT NULL,
  input INTEGER,                   -- which of the run's lists it is from
  withdrawn INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE results (
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  place INTEGER NOT NULL,          -- in the order in which they ended
  number INTEGER NOT NULL,
  fetch INTEGER NOT NULL,          -- the id that people saw
  finished REAL NOT NULL,
  status INTEGER,
  kind TEXT,                       -- of the error; NULL: there was a response
  detail TEXT NOT NULL,            -- JSON, all that is shown but the body
  preview BLOB,
  notes TEXT,                      -- JSON: what was odd about it
  PRIMARY KEY (run, place)
);
CREATE UNIQUE INDEX results_by_number ON results(run, number);
CREATE INDEX results_by_fetch ON results(run, fetch);
CREATE INDEX failures ON results(run) WHERE kind IS NOT NULL;
"""


def test_a_store_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(FIRST_SCHEMA)
        old.execute("PRAGMA user_version = 1")
        old.execute("INSERT INTO runs (id, started, arguments, inputs) VALUES (1, 0, '[]', '[]')")
        old.execute("INSERT INTO forms VALUES (1, 1, ?, x'', '[]')", ('{"method": "PUT"}',))
        old.execute("INSERT INTO requests VALUES (1, 0, 'http://a.example/', 0, 1, NULL, 0)")
        old.commit()
    with Reader(path) as reader:
        ((request, _),) = reader.unfinished(1)
        assert reader.sittings(1) == []
    assert (request.url, request.method, request.tag) == ("http://a.example/", "PUT", InputTag(1))


def test_what_a_host_refused_is_not_finished_for_a_run_that_goes_on(saved: Saved) -> None:
    """Not sent, so that it may be sent, also where it must not be twice; what was sent after that is unknown again."""
    busy = FetchError(ErrorKind.HOST_BUSY, "it asks for a longer wait than allowed")
    noted: list[int] = []
    first = saved.write()
    asked = [first.requested(FetchRequest(f"http://a.example/{number}", "POST")) for number in range(3)]
    for request in asked:
        first.sent(request.number, lambda: noted.append(1))
    first.finished(0, 1, RESULT, 1.0)
    first.finished(1, 2, busy, 1.0)
    assert first.close(complete=False)
    assert noted == [1, 1, 1]
    with saved.reader() as reader:
        facts = reader.run(1)
        assert facts is not None
        assert (facts.done, facts.failed, facts.left) == (1, 0, 2)
        assert [(left.number, left.sent) for left, _ in reader.unfinished(1)] == [(1, False), (2, True)]
        assert reader.finished_places(1, ((0, 2),)) == ((0, 1),)
    second = saved.write(RunToWrite(run=1, first_number=3, first_place=2, sitting=Sitting(1, 2)))
    second.sent(1, lambda: None)
    assert second.close(complete=False)
    with saved.reader() as reader:
        assert [(left.number, left.sent) for left, _ in reader.unfinished(1)] == [(1, True), (2, True)]
    third = saved.write(RunToWrite(run=1, first_number=3, first_place=2, sitting=Sitting(2, 2)))
    third.finished(1, 3, RESULT, 1.0)
    assert third.close(complete=False)
    with saved.reader() as reader:
        facts = reader.run(1)
        assert facts is not None
        assert (facts.done, facts.failed, facts.left) == (2, 0, 1)


def test_what_is_to_be_sent_goes_where_nothing_can_be_noted(saved: Saved) -> None:
    saved.path.mkdir()
    writer = saved.write()
    noted: list[int] = []
    for number in range(3):
        writer.sent(number, lambda: noted.append(1))
    eventually(lambda: noted == [1, 1, 1])
    writer.sent(3, lambda: noted.append(1))
    assert noted == [1, 1, 1, 1]


def test_a_run_in_which_nothing_was_asked_for_is_not_kept(saved: Saved) -> None:
    assert saved.write().close(complete=True)
    assert ids(saved) == []
    fill(saved)
    assert saved.write().close(complete=False)
    assert len(ids(saved)) == 1


def test_what_lists_still_have_is_counted_where_it_is_known(saved: Saved) -> None:
    form = FetchRequest("")
    names = ("known", "unknown", "withdrawn")
    writer = saved.write(RunToWrite((), [{"path": f"/{name}"} for name in names], form))
    writer.note_input(0, {"count": 10})
    for index in (0, 0, 1, 2):
        writer.requested(FetchRequest("http://a.example/"), input=index)
    writer.note_input(2, {"ended": True})
    assert writer.close(complete=False)
    with saved.reader() as reader:
        (run,) = reader.runs()
    assert (run.left, run.unread, run.has_more) == (4, 8, True)
