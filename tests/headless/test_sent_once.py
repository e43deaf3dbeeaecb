"""What must not be sent twice is not, however often the program is killed and resumed."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.headless.counting_server import counting_server
from tests.headless.program import run, start
from tests.headless.test_delivery import store, until, whole_lines  # noqa: F401 - a fixture

KILLS = int(os.environ.get("RESUME_KILLS", "20"))
PER_HOST = 8

pytestmark = pytest.mark.once


def posts(tmp_path: Path, url: str, count: int) -> list[str]:
    path = tmp_path / "list"
    path.write_text("".join(f"{url}/{number}\n" for number in range(count)))
    return ["--headless", "-i", str(path), "-X", "POST", "-d", "x=1", "--per-host", str(PER_HOST)]


@pytest.mark.timeout(600)
def test_posts_are_sent_once_whenever_it_is_killed(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    count = 40 * KILLS
    with counting_server(0.005) as server:
        args = posts(tmp_path, server.url, count)
        lines = []
        for _ in range(KILLS // 2):
            before = server.asked.total()
            wanted = before + moments.randrange(40)
            with start(*args) as process:
                until(lambda wanted=wanted: server.asked.total() >= wanted)  # type: ignore[misc]
                time.sleep(moments.random() * 0.05)
                process.kill()
                lines += whole_lines(process.communicate()[0])
            if lines or server.asked.total():
                args = ["--resume", "1", "--headless"]
        ended = run(*args)
        lines += ended.lines
        most = max(server.asked.values())
        sent = server.asked.total()
    by_index = Counter(line["index"] for line in lines)
    unknown = {line["index"] for line in lines if "unknown outcome" in str(line["error"])}
    known = {line["index"] for line in lines if line["status"] == 200}
    print(
        f"{count} POSTs, killed {KILLS // 2} times: {sent} sent, {len(known)} answered, {len(unknown - known)} unknown"
    )
    assert most == 1
    assert set(by_index) == set(range(1, count + 1))
    assert known | unknown == set(by_index)
    assert len(unknown) <= (KILLS // 2) * (PER_HOST + 200)  # those in flight, and the results that were not saved yet
    assert len(unknown - known) <= (KILLS // 2) * 2 * PER_HOST  # in flight, and ended but not yet written
    assert sent >= count - (KILLS // 2) * PER_HOST


def test_asked_to_they_are_sent_again(tmp_path: Path) -> None:
    with counting_server(30.0) as server:
        with start(*posts(tmp_path, server.url, 20)) as process:
            until(lambda: server.asked.total() == PER_HOST)
            process.kill()
        server.delay = 0.0
        ended = run("--resume", "--headless", "--retry-all-methods")
        assert [line["status"] for line in ended.lines] == [200] * 20
        assert Counter(server.asked.values()) == {2: PER_HOST, 1: 20 - PER_HOST}


def test_the_outcome_is_told_and_the_rest_is_sent(tmp_path: Path) -> None:
    with counting_server(30.0) as server:
        with start(*posts(tmp_path, server.url, 20)) as process:
            until(lambda: server.asked.total() == PER_HOST)
            process.kill()
        server.delay = 0.0
        ended = run("--resume", "--headless")
        assert ended.code == 1
        unknown = [line for line in ended.lines if line["error"]]
        assert Counter(line["error"]["kind"] for line in unknown) == {"reset": PER_HOST}
        message = unknown[0]["error"]["message"]
        assert message.startswith("unknown outcome: the program ended")
        assert "POST must not be sent twice" in message
        assert max(server.asked.values()) == 1
        assert len(ended.lines) == 20
        assert run("--resume", "1", "--headless").lines == []  # told once


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_what_may_be_sent_twice_is_not_noted(tmp_path: Path, method: str) -> None:
    with counting_server() as server:
        run("--headless", "-X", method, *(f"{server.url}/{number}" for number in range(30)))
    with sqlite3.connect(Path(os.environ["XDG_DATA_HOME"]) / "weakfetch-tui" / "runs.sqlite") as database:
        assert database.execute("SELECT COUNT(*), SUM(sent) FROM requests").fetchone() == (30, 0)
    database.close()


@pytest.mark.parametrize("options", [["--no-store"], ["--processes", "2"]])
def test_posts_go_without_a_store_and_in_processes(tmp_path: Path, options: list[str]) -> None:
    with counting_server() as server:
        ended = run(*posts(tmp_path, server.url, 60), *options)
        assert (ended.code, Counter(line["status"] for line in ended.lines)) == (0, {200: 60})
        assert max(server.asked.values()) == 1


def test_posts_go_where_the_store_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with counting_server() as server:
        ended = run(*posts(tmp_path, server.url, 60))
        assert (ended.code, len(ended.lines)) == (0, 60)
