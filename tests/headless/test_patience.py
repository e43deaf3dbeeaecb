"""What is repeated, waited for, followed and done elsewhere, from the command line, with a real server."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.headless.program import Ended, run, start
from tests.wire.servers import Connection, RawServer

pytestmark = pytest.mark.once


def answer(connection: Connection) -> None:
    while request := connection.request():
        path = request.split()[1].decode()
        if path == "/silent":
            connection.gone()
            return
        if path == "/drip":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            with contextlib.suppress(OSError):
                for _ in range(400):
                    connection.socket.sendall(b"x")
                    time.sleep(0.05)
            return
        if path == "/away":
            port = connection.socket.getsockname()[1]
            connection.answer(b"", status="302 Found", headers=f"Location: http://localhost:{port}/fine\r\n")
        elif path == "/near":
            connection.answer(b"", status="302 Found", headers="Location: /fine\r\n")
        else:
            connection.answer(b"hello", status={"/404": "404 No", "/503": "503 Busy"}.get(path, "200 OK"))


@pytest.fixture
def server() -> Iterator[str]:
    with RawServer(answer) as server:
        yield server.url("")


def outcomes(*args: str) -> dict[str, tuple[str | int, int]]:
    """Status or kind of failure, and attempts, by path."""
    lines = run("--headless", *args).lines
    return {
        "/" + line["url"].rpartition("/")[2]: (
            line["error"]["kind"] if line["error"] else line["status"],
            line["attempts"],
        )
        for line in lines
    }


def test_which_statuses_are_repeated(server: str) -> None:
    args = ["--retry", "1", "--retry-delay", "0.01", f"{server}/404", f"{server}/503"]
    assert outcomes(*args) == {"/404": (404, 1), "/503": (503, 2)}
    assert outcomes(*args, "--retry-on", "404,429") == {"/404": (404, 2), "/503": (503, 1)}
    assert outcomes(*args, "--retry-on", "none") == {"/404": (404, 1), "/503": (503, 1)}


def test_a_silent_server_and_one_that_drips_are_given_up(server: str) -> None:
    began = time.monotonic()
    seen = outcomes(
        "--read-timeout", "0.5", "-Y", "1K", "-y", "0.5", *(f"{server}/{x}" for x in ("silent", "drip", "fine"))
    )
    assert seen == {"/silent": ("timeout-read", 1), "/drip": ("timeout-read", 1), "/fine": (200, 1)}
    assert time.monotonic() - began < 20
    assert outcomes("--read-timeout", "0.5", "-m", "1.5", f"{server}/drip") == {"/drip": ("timeout-total", 1)}


def test_redirects_may_have_to_stay_with_their_host(server: str) -> None:
    urls = [f"{server}/away", f"{server}/near"]
    assert outcomes(*urls) == {"/away": (200, 1), "/near": (200, 1)}
    assert outcomes("--same-host", *urls) == {"/away": ("redirect-refused", 1), "/near": (200, 1)}


def test_secrets_follow_redirects_only_where_hosts_are_trusted() -> None:
    seen: list[bytes] = []

    def echo(connection: Connection) -> None:
        while request := connection.request():
            seen.append(request)
            connection.answer(b"")

    def away(connection: Connection) -> None:
        while connection.request():
            connection.answer(status="302 Found", headers=f"Location: {other.url()}\r\n")

    with RawServer(echo) as other, RawServer(away) as first:
        for args in ((), ("--location-trusted",), ("--location-trusted", "--no-location")):
            run("--headless", "-H", "X-Api-Key: k3y", *args, first.url())
    assert [b"X-Api-Key: k3y" in request for request in seen] == [False, True]


def test_fetches_may_run_in_child_processes(server: str) -> None:
    for args, report in ((), None), (("--processes", "1"), 1):
        ended = run("--headless", "--exit-report", *args, f"{server}/fine")
        assert ended.lines[0]["status"] == 200
        told = json.loads(ended.err.splitlines()[-1]).get("processes")  # a loop in debug mode may say that it was slow
        assert (told and told["started"]) == report


class Busy:
    """Answers the first request of /busy with `status` and `asked`, and all others at once."""

    def __init__(self, asked: str = "", status: str = "429 Too Many Requests") -> None:
        self.asked, self.status = asked, status
        self.seen: list[tuple[float, str]] = []

    def __call__(self, connection: Connection) -> None:
        while request := connection.request():
            path = request.split()[1].decode()
            first = path == "/busy" and path not in [each for _, each in self.seen]
            self.seen.append((time.monotonic(), path))
            if first:
                connection.answer(b"busy", status=self.status, headers=self.asked)
            else:
                connection.answer(b"hello")

    def after(self) -> float:
        """Seconds from the answer that asked for less to the next request."""
        return self.seen[1][0] - self.seen[0][0]


def asking(*args: str, busy: Busy, urls: tuple[str, ...] = ("/busy", "/a", "/b")) -> Ended:
    with RawServer(busy) as server:
        return run("--headless", "--per-host", "1", *args, *(f"{server.url('')}{url}" for url in urls))


def by_path(ended: Ended) -> dict[str, dict[str, Any]]:
    return {"/" + line["url"].rpartition("/")[2]: line for line in ended.lines}


def test_a_host_that_asks_for_less_rests_and_that_is_said() -> None:
    busy = Busy("Retry-After: 2\r\n")
    ended = asking(busy=busy)
    assert busy.after() >= 2
    assert "weakfetch-tui: 127.0.0.1: 429, resting 2 s, 2 waiting\n" in ended.err
    assert ended.err.count("resting") == 1
    lines = by_path(ended)
    assert [lines["/busy"][key] for key in ("status", "attempts", "retry_after")] == [429, 1, 2.0]
    assert lines["/busy"]["timings_ms"]["host_rest"] is None
    for path in ("/a", "/b"):
        assert (lines[path]["status"], lines[path]["retry_after"]) == (200, None)
        assert 1500 < lines[path]["timings_ms"]["host_rest"] <= lines[path]["timings_ms"]["queued"]


def test_a_retry_waits_as_long_as_it_is_told_to() -> None:
    busy = Busy("Retry-After: 2\r\n", "503 Busy")
    ended = asking("--retry", "1", busy=busy, urls=("/busy", "/a"))
    assert busy.after() >= 2
    assert "127.0.0.1: 503, resting 2 s, 2 waiting\n" in ended.err
    line = by_path(ended)["/busy"]
    assert [line[key] for key in ("status", "attempts", "retry_after")] == [200, 2, None]
    assert line["retried"][0]["retry_after"] == 2.0
    assert line["timings_ms"]["host_rest"] > 1500
    assert [path for _, path in busy.seen] == ["/busy", "/busy", "/a"]


@pytest.mark.parametrize("where", [(), ("--processes", "1")], ids=["here", "processes"])
def test_a_host_that_asks_for_too_much_is_asked_nothing_more(where: tuple[str, ...]) -> None:
    busy = Busy("Retry-After: 3600\r\n")
    ended = asking("--retry", "2", *where, busy=busy)
    lines = by_path(ended)
    assert [path for _, path in busy.seen] == ["/busy"]
    assert [lines["/busy"][key] for key in ("status", "attempts", "retry_after")] == [429, 1, 3600.0]
    for path in ("/a", "/b"):
        assert lines[path]["error"] == {
            "kind": "host-busy",
            "message": "not sent: 127.0.0.1 answered 429 and asked to wait 3600 s, longer than the 60 s allowed",
        }
        assert (lines[path]["attempts"], lines[path]["retry_after"]) == (0, 3600.0)
    assert "127.0.0.1: 429, asked to wait 3600 s, refused: 2 not sent\n" in ended.err
    assert ended.code == 1


@pytest.mark.parametrize(
    ("args", "asked", "kinds"),
    [
        (("--max-host-wait", "3599"), "3600", {"host-busy"}),
        (("--max-host-wait", "0"), "1", {"host-busy"}),
        (("--on-429", "fail"), "1", {"host-busy"}),
        (("--on-429", "ignore"), "3600", set()),
    ],
)
def test_what_comes_of_a_host_that_asks_for_less(args: tuple[str, ...], asked: str, kinds: set[str]) -> None:
    busy = Busy(f"Retry-After: {asked}\r\n")
    ended = asking(*args, busy=busy)
    lines = by_path(ended)
    assert {line["error"]["kind"] for line in ended.lines if line["error"]} == kinds
    assert (lines["/busy"]["status"], lines["/busy"]["retry_after"]) == (429, float(asked))
    assert len(busy.seen) == (1 if kinds else 3)
    assert ("127.0.0.1: 429" in ended.err) is bool(kinds)


@pytest.mark.parametrize("args", [(), ("--retry", "2", "--retry-on", "none")], ids=["no retries", "--retry-on none"])
def test_where_nothing_is_repeated_nobody_waits_longer_than_for_an_answer(args: tuple[str, ...]) -> None:
    busy = Busy("Retry-After: 40\r\n")
    began = time.monotonic()
    ended = asking("--max-time", "1.5", *args, busy=busy)
    assert time.monotonic() - began < 30
    assert busy.after() >= 1.5
    assert [line["status"] for line in ended.lines] == [429, 200, 200]
    assert "127.0.0.1: 429, resting 2 s, 2 waiting\n" in ended.err


def test_the_time_for_all_attempts_is_looked_at_before_the_wait() -> None:
    busy = Busy("Retry-After: 40\r\n")
    began = time.monotonic()
    ended = asking("--retry", "3", "--retry-max-time", "3", busy=busy, urls=("/busy",))
    assert time.monotonic() - began < 30
    assert [(line["status"], line["attempts"]) for line in ended.lines] == [(429, 1)]


def test_a_date_counts_by_the_clock_of_the_server() -> None:
    dates = "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\nRetry-After: Sat, 01 Jan 2000 00:00:02 GMT\r\n"
    busy = Busy(dates)
    assert by_path(asking(busy=busy))["/busy"]["retry_after"] == 2.0
    assert busy.after() >= 2


def test_a_host_that_rests_keeps_back_no_other() -> None:
    busy, other = Busy("Retry-After: 50\r\n"), Busy()
    with RawServer(busy) as resting, RawServer(other, host="127.0.0.2") as free:
        urls = [
            resting.url("/busy"),
            *(resting.url(f"/{n}") for n in range(700)),
            *(free.url(f"/{n}") for n in range(9)),
        ]
        with start("--headless", "--per-host", "1", "-i", "-", "-s", stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n".join(urls).encode())
            process.stdin.close()
            found = 0
            while found < 9 and (line := process.stdout.readline()):
                found += b"127.0.0.2" in line
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            process.wait(timeout=60)
    assert found == 9
    assert len(busy.seen) == 1
    assert len(other.seen) == 9
