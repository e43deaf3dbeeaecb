"""The line on a terminal that says how a run gets on: rewritten in place, gone at the end, never on a pipe."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyte
import pytest

from tests.headless.program import start
from tests.wire.servers import Connection, RawServer
from tui.demo.server import demo_server
from tui.headless.progress_line import Progress, ProgressLine
from tui.text import stderr

pytestmark = pytest.mark.once

# Not in development mode: asyncio then logs slow callbacks on standard error.
PROGRAM = [sys.executable, "-W", "error", "-m", "tui.cli"]
XTERM = os.environ | {"TERM": "xterm"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


class Terminal:
    """A terminal for standard error, of 80 columns or so; `raw` is all that came."""

    def __init__(self, columns: int = 80) -> None:
        self._master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, columns))
        self.raw = b""

    def read(self) -> bool:
        """Read some more; False when everybody has closed it."""
        if not select.select([self._master], [], [], 20)[0]:
            raise TimeoutError
        try:
            data = os.read(self._master, 4096)
        except OSError:
            return False
        self.raw += data
        return bool(data)

    def text(self) -> str:
        """What is on the screen at the end."""
        screen = pyte.Screen(80, 24)
        pyte.ByteStream(screen).feed(self.raw)
        return "".join(screen.display).rstrip()

    def close(self) -> None:
        os.close(self._master)


def run_on_terminal(
    *args: str,
    columns: int = 80,
    stop: signal.Signals | None = None,
    env: Mapping[str, str] = XTERM,
    stdin: int = subprocess.DEVNULL,
) -> tuple[Terminal, bytes]:
    terminal = Terminal(columns)
    try:
        with start(*args, command=PROGRAM, stdin=stdin, stderr=terminal.slave, env=env) as process:
            os.close(terminal.slave)
            out: list[bytes] = []
            assert process.stdout
            reading = threading.Thread(target=lambda: out.append(process.stdout.read() if process.stdout else b""))
            reading.start()
            while terminal.read():
                if stop is not None and b" running" in terminal.raw:
                    process.send_signal(stop)
                    stop = None
            process.wait(timeout=20)
            reading.join()
    finally:
        terminal.close()
    return terminal, out[0]


def test_a_run_says_how_it_gets_on(server: str) -> None:
    terminal, out = run_on_terminal(f"{server}/fast", f"{server}/status/404", f"{server}/slow?s=1.7")
    assert out.count(b"\n") == 3
    lines = re.findall(rb"\r\x1b\[K([^\r\n]+)", terminal.raw)
    assert re.fullmatch(rb"2 of 3 done, 1 failed, 1 running, 0 left, [0-9.]+/s, [0-9.]+s", lines[0])
    assert 2 <= len(lines) <= 6
    assert terminal.text().startswith("weakfetch-tui: 2 ok, 1 failed in ")
    assert " done, " not in terminal.text()


def test_a_message_and_a_signal_leave_no_rest_of_it(server: str) -> None:
    terminal, _ = run_on_terminal(f"{server}/hang", stop=signal.SIGINT)
    assert b"0 of 1 done, 0 failed, 1 running" in terminal.raw
    assert terminal.text().startswith("weakfetch-tui: 0 ok, 0 failed, 1 not done in ")
    assert " done, " not in terminal.text()


def test_of_a_list_its_length_is_told_where_it_can_be_known(server: str, tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text(f"{server}/hang\n" * 5_000)
    for given in (str(listed), "-"):
        with listed.open() as file:
            terminal, _ = run_on_terminal("--no-store", "-j", "3", "-i", given, stop=signal.SIGINT, stdin=file.fileno())
        assert b"0 of 5,000 done, 0 failed, 3 running, 4,997 left, " in terminal.raw
    feeder, feeding = os.pipe()
    try:
        os.write(feeding, f"{server}/hang\n".encode() * 4)
        terminal, _ = run_on_terminal("--no-store", "-j", "3", "-", stop=signal.SIGINT, stdin=feeder)
    finally:
        os.close(feeder)
        os.close(feeding)
    assert b"0 done, 0 failed, 3 running, 1+ left, " in terminal.raw


def test_it_never_fills_a_row(server: str) -> None:
    terminal, _ = run_on_terminal(f"{server}/slow?s=1", columns=20)
    lines = re.findall(rb"\r\x1b\[K([^\r\n]+)", terminal.raw)
    assert lines[0] == b"0 of 1 done, 0 fail"


@pytest.mark.parametrize("given", [["-s"], ["--no-progress"], "TERM=dumb", "pipe"], ids=str)
def test_it_is_not_there_where_it_is_not_wanted(server: str, given: list[str] | str) -> None:
    args = given if isinstance(given, list) else []
    if given == "pipe":
        with start(*args, f"{server}/slow?s=1", command=PROGRAM, env=XTERM) as process:
            raw = process.communicate(timeout=20)[1]
    else:
        env = {**XTERM, "TERM": "dumb"} if given == "TERM=dumb" else XTERM
        raw = run_on_terminal(*args, f"{server}/slow?s=1", env=env)[0].raw
    assert b" done, " not in raw
    assert b"\x1b" not in raw
    assert raw.startswith(b"weakfetch-tui: 1 ok, 0 failed in ")


def test_results_on_the_same_terminal_are_not_written_over(server: str) -> None:
    terminal = Terminal()
    with start("--headless", f"{server}/slow?s=1", stdout=terminal.slave, stderr=subprocess.STDOUT, env=XTERM):
        os.close(terminal.slave)
        while terminal.read():
            pass
    terminal.close()
    assert b" done, " not in terminal.raw


def test_a_host_that_rests_is_named_before_what_may_be_cut() -> None:
    asked = threading.Event()

    def busy(connection: Connection) -> None:
        while connection.request():
            if asked.is_set():
                connection.answer(b"fine")
            else:
                asked.set()
                connection.answer(status="429 Too Many", headers="Retry-After: 4\r\n")

    with RawServer(busy) as server:
        terminal, _ = run_on_terminal("--per-host", "1", *(server.url(f"/{n}") for n in range(3)))
    lines = re.findall(rb"\r\x1b\[K([^\r\n]+)", terminal.raw)
    resting = [line for line in lines if b"rests" in line]
    assert re.match(
        rb"1 of 3 done, 1 failed, 0 running, 2 left, 127.0.0.1 rests [1-4] s \(429\), [0-9.]+/s", resting[0]
    )
    assert b"weakfetch-tui: 127.0.0.1: 429, resting 4 s, 2 waiting\r\n" in terminal.raw


def test_it_is_quiet_about_hosts_too_where_that_is_asked_for() -> None:
    def busy(connection: Connection) -> None:
        while connection.request():
            connection.answer(status="429 Too Many", headers="Retry-After: 3600\r\n")

    with RawServer(busy) as server:
        terminal, _ = run_on_terminal("-s", "--per-host", "1", *(server.url(f"/{n}") for n in range(3)))
    assert b"429" not in terminal.raw


@pytest.mark.anyio
async def test_what_is_left_and_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def show(text: str) -> bool:
        shown.append(text)
        return True

    monkeypatch.setattr("tui.headless.progress_line.show_status", show)
    monkeypatch.setattr("tui.headless.progress_line.EVERY", 0.01)
    counts = [Progress(10, 1, 4, 7, True), *[Progress(20, 1, 4, 0, False)] * 2]
    with pytest.raises(IndexError):
        await ProgressLine(lambda: counts.pop(0)).run()
    assert shown[0].startswith("10 done, 1 failed, 4 running, 7+ left, ")
    assert shown[1].startswith("20 of 24 done, 1 failed, 4 running, 0 left, ")
    assert shown[-1] == ""
    assert len(shown) <= 4


def test_a_message_takes_the_place_of_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(stderr, "STDERR", terminal.slave)
    assert stderr.show_status("status")
    stderr.print_error("a message")
    stderr.print_error("another")
    os.close(terminal.slave)
    while terminal.read():
        pass
    terminal.close()
    clear = b"\r\x1b[K"
    assert terminal.raw == clear + b"status" + clear + b"weakfetch-tui: a message\r\nweakfetch-tui: another\r\n"


def test_a_terminal_that_takes_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        pass
    monkeypatch.setattr(stderr, "STDERR", writing)
    assert not stderr.show_status("text")
    os.close(reading)
    os.close(writing)
