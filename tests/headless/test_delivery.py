"""Over a run that was cut short and the one that goes on with it no line is lost, and none comes twice unmarked."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fetch_engine.store.reader import Reader
from tests.headless.counting_server import counting_server
from tests.headless.program import check_stderr, run, start
from tests.headless.test_endings import wait_until_output_is_blocked
from tui.run.resume import store_path

KILLS = int(os.environ.get("RESUME_KILLS", "20"))
LIMIT = 60.0  # seconds for what takes a moment
NOTED_EVERY = 0.2  # seconds

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return store_path()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with counting_server() as counting:
        yield counting.url


def listed(tmp_path: Path, server: str, count: int) -> list[str]:
    """Arguments that fetch so many URLs."""
    path = tmp_path / "list"
    path.write_text("".join(f"{server}/{number}\n" for number in range(count)))
    return ["--headless", "-i", str(path)]


def whole_lines(out: bytes) -> list[dict[str, Any]]:
    """The lines that came whole, the last half one left out."""
    return [json.loads(line) for line in out[: out.rfind(b"\n") + 1].splitlines()]


def check_all(first: list[dict[str, Any]], second: list[dict[str, Any]], count: int) -> int:
    """Every request has a line in one of the runs; gives how many have one in both."""
    for lines in (first, second):
        assert max(Counter(line["index"] for line in lines).values(), default=1) == 1
    seen, again = {line["index"] for line in first}, {line["index"] for line in second}
    assert seen | again == set(range(1, count + 1))
    assert not any(line["resumed"] for line in first)
    return len(seen & again)


def stored() -> int:
    if not store_path().exists():
        return 0
    with Reader(store_path()) as reader:
        return reader.count_results(1) if reader.run(1) else 0


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class SlowReader(threading.Thread):
    """Reads a pipe in small pieces, and says when each line came."""

    def __init__(self, process: subprocess.Popen[bytes], pause: float) -> None:
        super().__init__()
        assert process.stdout is not None
        self._descriptor = process.stdout.fileno()
        fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, 4096)
        self._pause = pause
        self.got = b""
        self.start()

    def run(self) -> None:
        while piece := os.read(self._descriptor, 2000):
            self.got += piece
            time.sleep(self._pause)


@pytest.mark.parametrize(("number", "pause"), [(signal.SIGKILL, 0.01), (signal.SIGTERM, 0.2)], ids=["KILL", "TERM"])
def test_a_slow_reader_and_a_signal(server: str, tmp_path: Path, number: signal.Signals, pause: float) -> None:
    with start(*listed(tmp_path, server, 3000)) as process:
        reader = SlowReader(process, pause)
        until(lambda: reader.got.count(b"\n") > 10 and stored() > reader.got.count(b"\n") + 100)
        process.send_signal(number)
        process.wait(LIMIT)
        reader.join()
    first = whole_lines(reader.got)
    waited = stored() - len(first)
    assert waited > 50  # as many would have been lost
    ended = run("--resume", "--headless")
    assert ended.code == 0
    twice = check_all(first, ended.lines, 3000)
    print(f"{len(first)} lines, then {len(ended.lines)}, of them {twice} twice; {waited} were finished and not written")
    assert twice <= 60  # what fits into the pipe, and what was written since the last note
    assert sum(line["resumed"] for line in ended.lines) >= waited


def test_a_reader_that_does_not_read_and_a_hangup(server: str, tmp_path: Path) -> None:
    with start(*listed(tmp_path, server, 3000)) as process:
        wait_until_output_is_blocked(process)
        process.send_signal(signal.SIGHUP)
        assert process.wait(LIMIT) == 129
        out, err = process.communicate()
    first = whole_lines(out)
    assert "does not read" in check_stderr(err.decode())
    waited = stored() - len(first)
    assert waited > 100
    ended = run("--resume", "--headless")
    assert check_all(first, ended.lines, 3000) <= 20  # one piece that was being written
    assert sum(line["resumed"] for line in ended.lines) >= waited
    again = run("--resume", "1", "--headless")
    assert again.lines == []


def test_ctrl_c_twice(server: str, tmp_path: Path) -> None:
    with start(*listed(tmp_path, server, 2500)) as process:
        reader = SlowReader(process, 0.02)
        until(lambda: reader.got.count(b"\n") > 50)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 130
        reader.join()
    ended = run("--resume", "--headless")
    assert check_all(whole_lines(reader.got), ended.lines, 2500) <= 60


def test_a_full_disk(server: str, tmp_path: Path) -> None:
    """The file may grow by some 100 kB, to the midst of a line, and then no further; the store is far from that."""
    results = tmp_path / "results.ndjson"
    room, limit = 100_001, 64 * 1024 * 1024
    with results.open("wb") as file:
        file.truncate(limit - room - 1)  # it takes no room on the disk
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    with results.open("ab") as file:
        ended = run(*listed(tmp_path, server, 2000), stdout=file, shell=f'ulimit -f {limit // 512}; exec "$@"')
    assert "writing results failed: File too large" in ended.err
    assert results.stat().st_size == limit
    with results.open("ab") as file:
        assert run("--resume", "--headless", stdout=file).code == 0
    with results.open("rb") as file:
        file.seek(limit - room)
        lines = [json.loads(line) for line in file]
    assert sorted(line["index"] for line in lines) == list(range(1, 2001))
    assert 0 < sum(line["resumed"] for line in lines) < 1900


class Cuts:
    """Runs that are killed at a random moment and resumed, all of their lines into one file."""

    def __init__(self, results: Path, seed: int) -> None:
        self.results = results
        self.moments = random.Random(seed)

    def killed(self, *args: str, append: bool) -> None:
        with self.results.open("ab" if append else "wb") as file, start(*args, stdout=file) as process:
            before = file.tell()
            grown = self.moments.randrange(200_000)
            until(lambda: self.results.stat().st_size > before + grown or process.poll() is not None)
            time.sleep(self.moments.random() * 0.1)
            process.kill()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_killed_again_and_again_a_file_has_each_line_once(server: str, tmp_path: Path, form: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    cuts = Cuts(tmp_path / "results", seed)
    args = [*listed(tmp_path, server, 5000), "--format", form]
    for _ in range(max(3, KILLS // 4)):
        cuts.killed(*args, append=True)
        if cuts.results.stat().st_size:
            args = ["--resume", "1", "--headless", "--format", form]
    with cuts.results.open("ab") as file:
        ended = run(*args, stdout=file)
    assert ended.code == 0
    lines = cuts.results.read_bytes().splitlines()
    if form == "csv":
        assert lines.pop(0).startswith(b"url,")
        indices = [int(line.split(b",")[13]) for line in lines]
    else:
        indices = [json.loads(line)["index"] for line in lines]
    assert sorted(indices) == list(range(1, 5001))


def test_a_file_that_was_emptied_gets_all_again(server: str, tmp_path: Path) -> None:
    """As `weakfetch-tui --resume > results.ndjson` does."""
    cuts = Cuts(tmp_path / "results", 1)
    cuts.killed(*listed(tmp_path, server, 3000), append=False)
    with cuts.results.open("wb") as file:
        assert run("--resume", "--headless", stdout=file).code == 0
    lines = [json.loads(line) for line in cuts.results.read_bytes().splitlines()]
    assert check_all([], lines, 3000) == 0


def test_the_first_file_decides_what_the_second_gets(server: str, tmp_path: Path) -> None:
    cuts = Cuts(tmp_path / "results", 2)
    cuts.killed(*listed(tmp_path, server, 3000), append=False)
    whole = cuts.results.read_bytes()
    cuts.results.write_bytes(whole[: whole.rfind(b"\n") - 10])  # as a crash in the midst of a line leaves it
    first = whole_lines(cuts.results.read_bytes())
    ended = run("--resume", "--headless")
    assert f"{cuts.results} ends in half a line, whose result is written again" in ended.err
    assert check_all(first, ended.lines, 3000) == 0


def test_half_a_line_is_made_a_whole_one(server: str, tmp_path: Path) -> None:
    cuts = Cuts(tmp_path / "results", 3)
    cuts.results.write_bytes(b"what was there before\n")
    cuts.killed(*listed(tmp_path, server, 3000), append=True)
    with cuts.results.open("r+b") as file:
        file.truncate(cuts.results.stat().st_size - 10)
    with cuts.results.open("ab") as file:
        assert run("--resume", "--headless", stdout=file).code == 0
    before, *lines = cuts.results.read_bytes().splitlines()
    assert before == b"what was there before"
    assert check_all([], [{**json.loads(line), "resumed": False} for line in lines], 3000) == 0


def test_two_runs_into_one_file(server: str, tmp_path: Path) -> None:
    """Neither takes the other's lines for its own."""
    results = tmp_path / "results"
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with results.open("ab") as file, contextlib.ExitStack() as stack:
        for folder in ("one", "two"):
            process = stack.enter_context(start(*listed(tmp_path / folder, f"{server}/{folder}", 4000), stdout=file))
            stack.callback(process.kill)
        until(lambda: results.stat().st_size > 500_000)
    for number in ("1", "2"):
        with results.open("ab") as file:
            assert run("--resume", number, "--headless", stdout=file).code == 0
    urls = Counter(json.loads(line)["url"] for line in results.read_bytes().splitlines())
    assert set(urls) == {f"{server}/{folder}/{number}" for folder in ("one", "two") for number in range(4000)}


def test_a_report_of_the_second_run_has_all(server: str, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    with start(*listed(tmp_path, server, 3000), "--report", f"csv:{report}") as process:
        reader = SlowReader(process, 0.01)
        until(lambda: reader.got.count(b"\n") > 100)
        process.kill()
        reader.join()
    ended = run("--resume", "--headless", "--report", f"csv:{report}")
    check_all(whole_lines(reader.got), ended.lines, 3000)
    assert sorted(int(line.split(",")[13]) for line in report.read_text().splitlines()[1:]) == list(range(1, 3001))


@pytest.mark.parametrize("form", ["har", "junit"])
def test_a_document_comes_whole(server: str, tmp_path: Path, form: str) -> None:
    with start(*listed(tmp_path, server, 3000), "--format", form) as process:
        until(lambda: stored() > 200)
        process.kill()
        process.communicate()
    ended = run("--resume", "--headless", "--format", form)
    word = b"startedDateTime" if form == "har" else b"<testcase "
    assert ended.out.count(word) == 3000
    as_lines = run("--resume", "1", "--headless", "--format", "ndjson")
    assert as_lines.lines == []  # all of it was delivered
    assert f"run 1: it had --format {form}, and now has --format ndjson" in as_lines.err


@pytest.mark.parametrize("how", ["no store", "none that can be used", "a full one"])
def test_a_file_gets_its_lines_where_nothing_is_saved(server: str, tmp_path: Path, how: str) -> None:
    """They wait for what is saved only as long as something is."""
    options = {"no store": ["--no-store"], "none that can be used": [], "a full one": ["--store-size", "1K"]}[how]
    if how == "none that can be used":
        (tmp_path / "data").write_text("a file")
    results = tmp_path / "results"
    with results.open("wb") as file:
        ended = run(*listed(tmp_path, server, 1500), *options, stdout=file)
    assert ended.code == 0
    assert ("not saved any further" in ended.err) == (how != "no store")
    assert len(results.read_bytes().splitlines()) == 1500
