"""A run that was cut short goes on where it was: nothing is lost, nothing is fetched twice once it was saved."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fetch_engine.model.requests import InputTag
from fetch_engine.store.reader import Reader, RunFacts, StoreError
from tests.headless.program import check_stderr, run, start
from tests.headless.test_headless import next_line
from tui.demo.server import demo_server
from tui.options.table import parse
from tui.run.resume import store_path

KILLS = int(os.environ.get("RESUME_KILLS", "20"))

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a store of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return store_path()


def facts(store: Path, which: int = 1) -> RunFacts:
    with Reader(store) as reader:
        found = reader.run(which)
    assert found is not None
    return found


def newest_asked() -> tuple[int, int]:
    """The newest run and how many requests of it are saved."""
    if not store_path().exists():
        return 0, 0
    try:
        with Reader(store_path()) as reader:
            return next(((run.id, run.asked) for run in reader.runs(newest=1)), (0, 0))
    except StoreError:  # it is being made
        return 0, 0


def killed(
    *args: str, lines: int = 0, asked: int = 0, wait: float = 0.0, input: bytes | None = None
) -> list[dict[str, Any]]:
    """What a run had written when it was killed: after so many lines, new requests that were saved, and seconds."""
    before, _ = newest_asked()
    with start(*args) as process:
        if input is not None:
            assert process.stdin is not None
            process.stdin.write(input)
            process.stdin.close()
            process.stdin = None
        got = [next_line(process) for _ in range(lines)]
        end = time.monotonic() + 30
        while asked and newest_asked() < (before + 1, asked):
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=20)
    whole = out[: out.rfind(b"\n") + 1]
    return got + [json.loads(line) for line in whole.splitlines()]


def urls(lines: list[dict[str, Any]]) -> list[str]:
    return [line["url"] for line in lines]


def saved_urls(store: Path, which: int = 1) -> list[str]:
    with Reader(store) as reader:
        return [result.url for result in reader.results(which, 0, 100_000)]


@pytest.mark.timeout(600)
def test_killed_at_any_moment_again_and_again_it_comes_to_a_whole_result(
    server: str, tmp_path: Path, store: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    wanted = [f"{server}/slow?s=0.02&i={number}" for number in range(15 * KILLS)]
    listed = tmp_path / "list"
    listed.write_text("".join(f"{url}\n" for url in wanted[10:]))
    args = [*wanted[:10], "-i", str(listed)]
    written: list[str] = []
    resumed = lost = 0
    for _ in range(KILLS):
        before = saved_urls(store) if newest_asked()[0] else []
        early = moments.random() < 0.25  # while it starts
        lines = killed(
            *args, "--headless", "--per-host", "4",
            lines=0 if early else moments.randrange(12), wait=moments.random() * (0.8 if early else 0.05),
        )  # fmt: skip
        if newest_asked() != (0, 0):
            resumed += args == ["--resume"]
            args = ["--resume"]
            lost += len(set(urls(lines)) - set(saved_urls(store)))
            # What was saved is not fetched again; what of it had not been written comes marked.
            assert not set(urls([line for line in lines if not line["resumed"]])) & set(before)
            assert set(urls([line for line in lines if line["resumed"]])) <= set(before)
        written += urls(lines)
        check_integrity(store)
    before = saved_urls(store) if newest_asked()[0] else []
    ended = run(*args, "--headless")
    assert ended.code == 0
    assert Counter(urls([line for line in ended.lines if not line["resumed"]])) == Counter(wanted) - Counter(before)
    assert Counter(saved_urls(store)) == Counter(wanted)
    assert set(written) | set(urls(ended.lines)) == set(wanted)
    last = facts(store)
    assert (last.done, last.failed, last.left, last.complete) == (len(wanted), 0, 0, True)
    print(f"killed {KILLS}, of them resumed {resumed}; {lost} results were written and lost, and fetched again")
    print(f"{last.done:,} of {len(wanted):,} URLs complete, {len(before):,} before the last run, 0 twice; integrity ok")


@pytest.mark.once
def test_a_kill_loses_no_result_that_is_older_than_a_second(server: str, store: Path) -> None:
    arrived: dict[str, float] = {}
    with start(*(f"{server}/fast?i={number}" for number in range(300)), "--rate", "60/s") as process:
        while len(arrived) < 110:
            arrived[next_line(process)["url"]] = time.monotonic()
        process.kill()
        end = time.monotonic()
    old = {url for url, moment in arrived.items() if moment < end - 1}
    assert old
    assert old <= set(saved_urls(store))


def check_integrity(store: Path) -> None:
    if store.exists():
        with sqlite3.connect(store) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()


def test_what_is_left_is_fetched_in_its_order_and_as_it_was_asked_for(server: str, store: Path) -> None:
    wanted = [f"{server}/hang?i=1", f"{server}/fast", f"{server}/hang?i=2", f"{server}/fast"]
    args = ["-X", "PUT", "-H", "X-One: 1", "-d", "body"]
    killed(*args, *wanted, "--per-host", "9", lines=2, asked=4, wait=0.2)
    with Reader(store) as reader:
        left = [request for request, _ in reader.unfinished(1)]
        assert [request.url for request in left] == [wanted[0], wanted[2]]
        form = (left[0].method, left[0].headers[0], left[0].body)
        assert form == ("PUT", ("X-One", "1"), b"body")
    ended = run("--resume", "--headless", "--max-time", "0.3", "--per-host", "1")
    assert [(line["url"], line["error"]["kind"]) for line in ended.lines] == [
        (wanted[0], "timeout-total"),
        (wanted[2], "timeout-total"),
    ]
    assert facts(store).complete
    with Reader(store) as reader:
        assert [result.fetch for result in reader.results(1, 0, 9)] == [2, 4, 5, 6]


def test_a_signal_leaves_the_rest_to_resume(server: str, store: Path) -> None:
    with start(f"{server}/fast", f"{server}/hang") as process:
        next_line(process)
        process.terminate()
        _, err = process.communicate(timeout=20)
    check_stderr(err.decode())
    before = facts(store)
    assert before.ended is not None
    assert (before.done, before.left, before.complete) == (1, 1, False)
    ended = run("--resume", "1", "--headless", "--max-time", "0.2")
    assert urls(ended.lines) == [f"{server}/hang"]


def test_without_a_number_it_is_the_newest_that_was_cut_short(server: str, store: Path) -> None:
    run(f"{server}/fast?complete=1")
    killed(f"{server}/hang?cut=1", asked=1)
    killed(f"{server}/hang?cut=2", asked=1)
    run(f"{server}/fast?complete=2")
    assert [facts(store, which).left for which in (1, 2, 3, 4)] == [0, 1, 1, 0]
    for expected in ("cut=2", "cut=1"):
        ended = run("--resume", "--headless", "--max-time", "0.2")
        assert [url.rpartition("?")[2] for url in urls(ended.lines)] == [expected]
    ended = run("--resume", f"{server}/fast?more", "--headless")
    assert urls(ended.lines) == [f"{server}/fast?more"]
    assert facts(store, 4).done == 2  # all are complete: the newest has one more


def test_a_list_on_standard_input_is_given_again(server: str, store: Path) -> None:
    listed = "".join(f"{server}/slow?s=0.05&i={number}\n" for number in range(1500)).encode()
    killed("-", "--per-host", "2", lines=2, input=listed)
    taken = facts(store).asked
    ended = run("--resume", "--headless", "--per-host", "64", "-i", "-", input=listed)
    assert taken < 1500
    assert len(saved_urls(store)) == len(set(saved_urls(store))) == 1500
    assert facts(store).complete
    assert ended.code == 0
    killed("-", "--per-host", "2", lines=2, input=listed)
    ended = run("--resume", "--headless", "--per-host", "64")
    assert "run 2 read URLs that are not there any more" in ended.err


def test_secrets_are_not_saved_and_asked_for_again(server: str, tmp_path: Path, store: Path) -> None:
    secret = server.replace("://", "://me:hunter2@") + "/hang?x=1"
    shown = f"{server}/hang?x=1"
    (tmp_path / "list").write_text(f"{secret}&listed\n")
    args = ["-H", "Authorization: hunter3", f"{secret}&given", "-i", str(tmp_path / "list")]
    killed(*args, asked=2)
    for file in store.parent.iterdir():
        assert b"hunter" not in file.read_bytes()
    refused = run("--resume", "--headless")
    assert (refused.code, refused.out) == (2, b"")
    assert "needs what was not saved: Authorization" in refused.err
    again = ["--resume", "--headless", "-H", "Authorization: hunter3", "--max-time", "0.2"]
    ended = run(*again)
    assert "1 URLs of run 1 are left out" in ended.err
    assert (ended.code, urls(ended.lines)) == (1, [f"{shown}&listed"])
    ended = run(*again, f"{secret}&given")
    assert urls(ended.lines) == [f"{shown}&given"]
    assert facts(store).complete


def test_a_run_that_is_running_is_not_resumed(server: str, store: Path) -> None:
    with start(f"{server}/fast", f"{server}/hang") as process:
        next_line(process)
        assert "running" in history().splitlines()[1]
        ended = run("--resume", "1", "--headless")
        assert (ended.code, ended.out) == (2, b"")
        assert "run 1 is still running" in ended.err
        assert "there is no run to resume" in run("--resume", "--headless").err
        process.kill()
        process.communicate(timeout=20)


@pytest.mark.parametrize("args", [["--no-store"], ["--demo"]])
def test_nothing_is_stored_unless_wanted(server: str, store: Path, args: list[str]) -> None:
    run("--headless", *args, f"{server}/fast")
    assert not store.exists()
    ended = run("--resume", "--headless")
    assert (ended.code, "no run was saved yet" in ended.err) == (2, True)
    with pytest.raises(SystemExit):
        parse(["--resume", *args], stdout_is_terminal=True)


def test_a_damaged_store_is_set_aside_and_the_run_is_saved_in_a_new_one(server: str, store: Path) -> None:
    store.parent.mkdir(parents=True)
    store.write_bytes(b"something else, and long enough" * 10)
    for refused in (run("--resume", "--headless"), run("--history", "--headless")):
        assert refused.code in (1, 2)
        assert "not a database; the next run that is saved sets the file aside" in refused.err
    ended = run(f"{server}/fast", f"{server}/json")
    assert (ended.code, len(ended.lines)) == (0, 2)
    aside = next(path for path in store.parent.iterdir() if ".damaged-" in path.name and path.suffix != ".runs")
    assert ended.err.count(f"it is kept as {aside}") == 1
    assert aside.read_bytes().startswith(b"something else")
    assert facts(store).complete


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_a_store_that_is_no_file_is_told_at_once(server: str, store: Path, kind: str) -> None:
    store.parent.mkdir(parents=True)
    make = {"fifo": os.mkfifo, "folder": os.mkdir, "device": lambda path: os.symlink("/dev/null", path)}
    make[kind](store)
    ended = run(f"{server}/fast")
    assert (ended.code, len(ended.lines)) == (0, 1)
    assert ended.err.count("not a regular file") == 1
    for refused in (run("--resume", "--headless"), run("--history", "--headless")):
        assert (refused.code in (1, 2), refused.err.count("not a regular file")) == (True, 1)


@pytest.mark.parametrize("place", ["x" * 300, "file", "loop"])
def test_a_folder_that_cannot_be_looked_into_is_told(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / place))
    ended = run(f"{server}/fast")
    assert (ended.code, len(ended.lines)) == (0, 1)
    assert ended.err.count("not saved any further") == 1
    for refused in (run("--resume", "--headless"), run("--history", "--headless")):
        assert (refused.code in (0, 1, 2), refused.out.count(b"http")) == (True, 0)


@pytest.mark.parametrize(
    "change",
    ["inputs = 'nul'", "arguments = x'ff'", "started = 'yesterday'", "started = 1e300", "ended = '[]'"],
)
def test_a_damaged_run_is_left_out_of_the_history(server: str, store: Path, change: str) -> None:
    run(f"{server}/fast?first")
    run(f"{server}/fast?second")
    with sqlite3.connect(store) as database:
        database.execute(f"UPDATE runs SET {change} WHERE id = 1")
    database.close()
    assert f"{server}/fast?second" in history()
    refused = run("--resume", "1", "--headless")
    assert refused.code in (0, 2)


def test_a_folder_that_cannot_be_made_is_told(server: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    ended = run(f"{server}/fast")
    assert (ended.code, len(ended.lines)) == (0, 1)
    assert "Not a directory" in ended.err or "File exists" in ended.err


def history() -> str:
    done = run("--history", "--headless")
    assert done.code == 0
    return done.out.decode()


def test_the_history_is_a_table(server: str) -> None:
    assert history().split() == ["run", "started", "state", "ok", "failed", "left", "first", "URL"]
    run(f"{server}/fast?\u202e", f"{server}/status/404", f"{server}/reset")
    killed(f"{server}/hang", asked=1)
    header, first, second = history().splitlines()
    assert re.fullmatch(
        r"  1  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  complete    1       2     0  http://\S+/fast\?\\u202e", first
    )
    assert second.split()[3:] == ["cut", "short", "0", "0", "1", f"{server}/hang"]
    assert header.index("ok") + 2 == first.index("complete    1") + len("complete    1")


def test_index_method_and_id_are_those_of_the_first_time(server: str, tmp_path: Path, store: Path) -> None:
    asked = [{"url": f"{server}/hang", "method": "PUT", "id": {0: "text", 1: 5, 2: None}[n % 3]} for n in range(1200)]
    (tmp_path / "list").write_text("".join(f"{json.dumps(each)}\n" for each in asked))
    killed("-i", str(tmp_path / "list"), asked=100)
    ended = run("--resume", "--headless", "--max-time", "0.01", "-j", "600", "--per-host", "600")
    lines = {line["index"]: line for line in ended.lines}
    assert sorted(lines) == list(range(1, len(asked) + 1))
    assert [lines[index]["id"] for index in sorted(lines)] == [each["id"] for each in asked]
    assert {line["method"] for line in ended.lines} == {"PUT"}
    with Reader(store) as reader:
        stored = {result.request.tag for result in reader.results(1, 0, 10_000)}
    assert {InputTag(1, "text"), InputTag(2, 5), InputTag(3, None)} <= stored
