"""What is repeated, waited for, followed and done elsewhere, from the command line, with a real server."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from tests.headless.program import run
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


def test_fetches_may_run_in_child_processes(server: str) -> None:
    for args, report in ((), None), (("--processes", "1"), 1):
        ended = run("--headless", "--exit-report", *args, f"{server}/fine")
        assert ended.lines[0]["status"] == 200
        told = json.loads(ended.err.splitlines()[-1]).get("processes")  # a loop in debug mode may say that it was slow
        assert (told and told["started"]) == report
