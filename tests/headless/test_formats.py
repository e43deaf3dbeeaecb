"""The formats of a whole run: on standard output and in files, also where a signal cuts it short."""

from __future__ import annotations

import csv
import io
import os
import pty
import signal
import termios
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.headless.har_schema import har_entries
from tests.headless.program import check_stderr, run, start
from tui.demo.scenario import HEADLESS
from tui.demo.server import demo_server

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


def test_one_run_in_every_format(tmp_path: Path) -> None:
    formats = ("csv", "har", "junit", "table")
    reports = [f"--report={name}:{tmp_path / name}" for name in formats]
    ended = run("--headless", "--demo", *reports)
    assert ended.code == 1
    urls = Counter(line["url"] for line in ended.lines)
    csv_bytes, har, junit, table = ((tmp_path / name).read_bytes() for name in formats)
    assert Counter(row["url"] for row in csv.DictReader(io.StringIO(csv_bytes.decode(), newline=""))) == urls
    entries = har_entries(har)
    assert len(entries) == len(HEADLESS) + sum(line["redirects"] for line in ended.lines)
    (suite,) = ElementTree.fromstring(junit)
    assert Counter(case.attrib["name"].removeprefix("GET ") for case in suite) == urls
    failed = sum((line["status"] or 400) >= 400 for line in ended.lines)
    assert int(suite.attrib["failures"]) + int(suite.attrib["errors"]) == failed
    assert len(table.splitlines()) == 1 + len(ended.lines)
    bodies = {entry["request"]["url"].rpartition("/")[2]: entry["response"]["content"] for entry in entries}
    assert bodies["fast?i=1"]["text"] == '{"ok": true, "i": "1"}'
    assert bodies["binary"]["encoding"] == "base64"
    assert bodies["large?mb=5"]["comment"] == "first 65536 of 5000000 bytes"
    (stalled,) = (entry for entry in entries if entry["request"]["url"].endswith("/stall"))
    assert stalled["_error"] == "timeout-read: nothing received for 2 s"
    assert stalled["timings"]["receive"] >= 1900  # the phase that it failed in


@pytest.mark.parametrize("name", ["csv", "har", "junit", "table"])
def test_standard_output_in_another_format_of_nothing(name: str) -> None:
    ended = run("--format", name, "-")
    assert ended.code == 0
    if name == "har":
        assert har_entries(ended.out) == []
    elif name == "junit":
        assert ElementTree.fromstring(ended.out).attrib["tests"] == "0"
    else:
        assert ended.out.count(b"\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_a_signal_leaves_whole_documents(server: str, number: signal.Signals, tmp_path: Path) -> None:
    junit, lines = tmp_path / "junit.xml", tmp_path / "lines"
    reports = [f"--report=junit:{junit}", f"--report=ndjson:{lines}"]
    urls = [f"{server}/fast?i={index}" for index in range(5)]
    with start("--format", "har", *reports, *urls, f"{server}/hang", "-") as process:
        deadline = time.monotonic() + 20
        while not lines.exists() or lines.read_bytes().count(b"\n") < len(urls):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    check_stderr(err.decode())
    assert {entry["request"]["url"] for entry in har_entries(out)} == set(urls)
    assert ElementTree.fromstring(junit.read_bytes()).attrib["tests"] == "5"


@pytest.mark.parametrize(
    ("fail_on", "paths", "code"),
    [
        ("4xx,5xx,errors", ["/status/404"], 1),
        ("none", ["/status/404", "/reset"], 0),
        ("5xx", ["/status/404", "/reset"], 0),
        ("404", ["/fast", "/status/404"], 1),
        ("reset", ["/status/500"], 0),
        ("reset", ["/reset"], 1),
        ("2xx", ["/fast"], 1),
    ],
)
def test_fail_on_makes_the_exit_code(server: str, fail_on: str, paths: list[str], code: int) -> None:
    assert run("--fail-on", fail_on, *(server + path for path in paths)).code == code


def test_a_full_disk_is_told_of_a_report_too(server: str) -> None:
    ended = run("--report", "csv:/dev/full", f"{server}/fast", f"{server}/hang")
    assert ended.code == 1
    assert "weakfetch-tui: writing results failed: No space left on device" in ended.err


def test_a_table_on_a_terminal_fits_it(server: str) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    try:
        with start("--headless", "--format", "table", f"{server}/fast?{'x' * 200}", stdout=slave) as process:
            process.communicate(timeout=30)
        os.close(slave)
        out = b""
        while not out.endswith(b"\n") or out.count(b"\n") < 2:
            out += os.read(master, 4096)
    finally:
        os.close(master)
    assert process.returncode == 0
    assert [len(line) for line in out.decode().splitlines()] == [52, 80]
