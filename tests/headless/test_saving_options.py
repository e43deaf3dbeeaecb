"""Saving bodies and keeping a pace from the command line, with a real server."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.headless.program import run
from tests.wire.servers import Connection, RawServer
from tui.options.table import parse

pytestmark = pytest.mark.once

BODY = b"0123456789" * 30_000


class Busy:
    """Answers /body, /missing, and /busy with 429 the first time."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []

    def handle(self, connection: Connection) -> None:
        while request := connection.request():
            path = request.split()[1].decode()
            seen = [one for one in self.asked if one[1] == path]
            self.asked.append((time.monotonic(), path))
            if path.startswith("/busy") and not seen:
                connection.answer(b"", status="429 Too Many Requests", headers="Retry-After: 1\r\n")
            elif path == "/missing":
                connection.answer(b"none", status="404 Not Found")
            else:
                connection.answer(BODY, headers='Content-Disposition: attachment; filename="named.txt"\r\n')


@pytest.fixture
def busy() -> Busy:
    return Busy()


@pytest.fixture
def server(busy: Busy) -> Iterator[str]:
    with RawServer(busy.handle) as server:
        yield server.url("")


def lines(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_many_bodies_are_saved_in_a_folder(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    ended = run("--headless", "--output-dir", str(folder), f"{server}/a.bin", f"{server}/a.bin", f"{server}/missing")
    assert ended.code == 1
    found = {line["saved_as"] for line in lines(ended.out)}
    assert found == {str(folder / "a.bin"), str(folder / "a-1.bin"), None}
    assert sorted(os.listdir(folder)) == ["a-1.bin", "a.bin"]
    assert (folder / "a.bin").read_bytes() == BODY


def test_the_one_body_is_saved_as_it_is_said(server: str, tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.write_text("old")
    checksum = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
    ended = run("--headless", "-o", str(place), "--checksum", checksum, "--fsync", f"{server}/a.bin")
    assert (ended.code, lines(ended.out)[0]["saved_as"]) == (0, str(place))
    assert place.read_bytes() == BODY


def test_a_wrong_checksum_saves_nothing(server: str, tmp_path: Path) -> None:
    ended = run("--headless", "-o", str(tmp_path / "x"), "--checksum", "md5:" + "0" * 32, f"{server}/a.bin")
    assert ended.code == 1
    error = lines(ended.out)[0]["error"]
    assert error["kind"] == "decode"
    assert hashlib.md5(BODY).hexdigest() in error["message"]
    assert os.listdir(tmp_path) == []


def test_the_response_names_its_file(server: str, tmp_path: Path) -> None:
    ended = run("--headless", "-O", "-J", "--output-dir", str(tmp_path), f"{server}/a.bin")
    assert lines(ended.out)[0]["saved_as"] == str(tmp_path / "named.txt")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["-o", "x", "http://a", "http://b"], "exactly one URL"),
        (["-o", "x", "-i", "/dev/null"], "exactly one URL"),
        (["--checksum", "sha256:12", "http://a"], "hex digits"),
        (["-o", "x/", "http://a"], "not a file name"),
        (["-o", "x", "-O", "http://a"], "name the file themselves"),
        (["-J", "http://a"], "need -o"),
        (["-C", "17", "-O", "http://a"], "invalid choice"),
        (["--rate", "0", "http://a"], "invalid rate"),
        (["--rate", "10/x", "http://a"], "invalid rate"),
        (["--limit-rate", "fast", "http://a"], "invalid speed"),
        (["--retry-max-time=-1", "http://a"], "number of seconds"),
        (["--retry-on", "timeout", "http://a"], "invalid list of statuses"),
        (["--speed-limit", "0", "http://a"], "invalid speed"),
    ],
)
def test_what_cannot_be_is_a_usage_error(args: list[str], named: str) -> None:
    ended = run("--headless", *args)
    assert (ended.code, ended.out) == (2, b"")
    assert named in ended.err


@pytest.mark.parametrize(
    ("text", "rate"), [("10", 10.0), ("10/s", 10.0), ("120/m", 2.0), ("36/h", 0.01), ("1/2s", 0.5), ("2.5", 2.5)]
)
def test_rates_are_read_as_in_curl(text: str, rate: float) -> None:
    options = parse(["--rate", text, "--limit-rate", "1.5K", "http://a"], stdout_is_terminal=False, environ={})
    assert options.pace.rate == pytest.approx(rate)
    assert options.pace.byte_rate == 1536


def test_requests_and_bytes_keep_the_pace(server: str, busy: Busy) -> None:
    ended = run("--headless", "--rate", "5/s", *[f"{server}/{number}" for number in range(8)])
    assert ended.code == 0
    times = [at for at, _ in busy.asked]
    assert times[-1] - times[1] > 0.8  # six times 0.2; what starts late on a busy machine is made up for
    began = time.monotonic()
    assert run("--headless", "--limit-rate", "300K", f"{server}/a").code == 0
    assert time.monotonic() - began > 0.8


def test_a_host_that_asks_for_less_gets_less(server: str, busy: Busy) -> None:
    ended = run("--headless", "--retry", "1", "--per-host", "1", f"{server}/busy", f"{server}/other")
    assert ended.code == 0
    (first, _), *others = busy.asked
    assert all(at - first > 0.9 for at, _ in others)
    retried = next(line for line in lines(ended.out) if line["url"].endswith("busy"))
    assert (retried["status"], retried["attempts"]) == (200, 2)
    assert retried["retried"][0]["status"] == 429
    assert retried["retried"][0]["waited_ms"] > 900
